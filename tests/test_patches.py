import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import PatchEncoder
from tlvit_utils.patches import convolutional_tokenizer


def test_each_patch_gets_the_vector_of_its_position():
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(2, 6, 4)).astype("float32")
    encoder = PatchEncoder(6, 4)
    encoder.build(patches.shape)
    positions = rng.normal(size=(6, 4)).astype("float32")
    encoder.set_weights([positions])
    np.testing.assert_allclose(convert_to_numpy(encoder(patches)), patches + positions, atol=1e-6)


def test_positions_start_uniform_between_plus_and_minus_a_twentieth():
    encoder = PatchEncoder(64, 128)
    positions = convert_to_numpy(encoder(np.zeros((1, 64, 128))))
    assert 0.049 < np.abs(positions).max() <= 0.05
    assert positions.std() == pytest.approx(0.05 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 5, 4), (1, 6, 3), (1, 2, 3, 4)])
def test_patches_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expects \(batch, 6, 4\)"):
        PatchEncoder(6, 4)(np.zeros(shape))


@pytest.mark.parametrize("sizes", [(0, 4), (6, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        PatchEncoder(*sizes)


def test_the_config_is_complete():
    facts = {"num_patches": 6, "projection_dim": 4}
    config = PatchEncoder(**facts).get_config()
    assert config.items() >= facts.items()
    assert PatchEncoder.from_config(config).get_config() == config


def test_convolutions_overlap_where_patches_do_not():
    """One pixel reaches the cells around its own, and no others: two 3×3 steps, 4 pixels a cell."""
    images = keras.Input((16, 16, 3))
    model = keras.Model(images, convolutional_tokenizer(images, [(8, 2), (6, 2)]))
    assert model.output_shape == (None, 4, 4, 6)
    picture = np.full((1, 16, 16, 3), 0.5, dtype="float32")
    touched = picture.copy()
    touched[0, 8, 8] = 5  # the first pixel of cell (2, 2)
    difference = convert_to_numpy(model(touched)) - convert_to_numpy(model(picture))
    changed = (difference != 0).any(axis=(0, 3))
    assert set(zip(*np.nonzero(changed), strict=True)) == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_each_convolution_is_normalised_and_rectified():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, convolutional_tokenizer(images, [(4, 2)]))
    kernel = model.get_layer("convolution_0").get_weights()  # no bias: the norm has one
    assert [weights.shape for weights in kernel] == [(3, 3, 3, 4)]
    model.get_layer("convolution_0_norm").set_weights(
        np.float32([[2] * 4, [-1] * 4, [0] * 4, [1] * 4])
    )
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(1, 8, 8, 3)).astype("float32")
    convolved = convert_to_numpy(model.get_layer("convolution_0")(picture))
    expected = np.maximum(2 * convolved / np.sqrt(1 + 1e-5) - 1, 0)
    assert (expected == 0).any()
    np.testing.assert_allclose(convert_to_numpy(model(picture)), expected, atol=1e-5)
