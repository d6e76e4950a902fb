import numpy as np
import pytest
from keras.ops import convert_to_numpy

from published_example import build_example
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
