import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy
from published_example import augmentation, build_example

from tlvit_utils import ViTConfig, build_vit


@pytest.mark.parametrize("num_tokens", [4, None])
def test_published_config_equals_the_example_on_the_same_view(num_tokens):
    ours = build_vit(ViTConfig.published(num_tokens))
    example = build_example(num_tokens, with_augmentation=False)
    assert example.count_params() == ours.count_params()
    example.set_weights([convert_to_numpy(w) for w in ours.trainable_variables])
    images = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    view = ours.get_layer("augmentation")(images) / 255
    np.testing.assert_allclose(
        convert_to_numpy(example(view)), convert_to_numpy(ours(images)), atol=1e-5
    )


def test_the_example_draws_one_crop_per_batch_where_ours_draws_one_per_image():
    keras.utils.set_random_seed(0)
    images = np.stack([np.random.default_rng(0).uniform(0, 255, (32, 32, 3))] * 16)
    rows = convert_to_numpy(augmentation()(images, training=True)).sum(axis=(2, 3))
    assert len(np.unique(rows.round(2), axis=0)) == 1, "rows are cropped alike; flips keep row sums"
    ours = build_vit(ViTConfig.published()).get_layer("augmentation")
    rows = convert_to_numpy(ours(images.astype("float32"), training=True)).sum(axis=(2, 3))
    assert len(np.unique(rows.round(2), axis=0)) > 1
