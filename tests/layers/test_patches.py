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


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 6, 1), (6, 4)])
def test_a_built_encoder_spreads_no_other_shape(shape):
    encoder = PatchEncoder(6, 4)
    encoder(np.zeros((2, 6, 4)))
    with pytest.raises(ValueError, match="incompatible"):
        encoder(np.zeros(shape))


def test_name_and_policy_reach_every_part():
    encoder = PatchEncoder(6, 4, name="given", dtype="mixed_bfloat16")
    assert encoder.name == "given"
    assert encoder.position_embedding.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("sizes", [(0, 4), (6, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        PatchEncoder(*sizes)


def test_convolutions_overlap_and_stay_centred_on_their_cells():
    """A cell of 4 pixels reads as far beyond its own pixels on each side."""
    images = keras.Input((32, 32, 3))
    model = keras.Model(images, convolutional_tokenizer(images, [(8, 2), (8, 1), (6, 2)]))
    assert model.output_shape == (None, 8, 8, 6)
    for layer in model.layers:  # with positive kernels and pixels no ReLU hides anything
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.abs(kernel) for kernel in layer.get_weights()])
    columns = range(32)
    pictures = np.ones((33, 32, 32, 3), dtype="float32")  # each with a column touched, one without
    pictures[columns, :, columns] = 2
    *touched, plain = convert_to_numpy(model(pictures))[:, 4, 4]  # this cell: pixels 16 to 19
    read = [column for column in columns if (touched[column] != plain).any()]
    assert read == list(range(16 - 5, 20 + 5))


def test_each_convolution_is_normalised_and_rectified():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, convolutional_tokenizer(images, [(4, 2)]))
    kernel = model.get_layer("convolution_0").get_weights()  # no bias: the norm has one
    assert [weights.shape for weights in kernel] == [(4, 4, 3, 4)]
    model.get_layer("convolution_0_norm").set_weights(
        np.float32([[2] * 4, [-1] * 4, [0] * 4, [1] * 4])
    )
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(1, 8, 8, 3)).astype("float32")
    convolved = convert_to_numpy(model.get_layer("convolution_0")(picture))
    expected = np.maximum(2 * convolved / np.sqrt(1 + 1e-5) - 1, 0)
    assert (expected == 0).any()
    np.testing.assert_allclose(convert_to_numpy(model(picture)), expected, atol=1e-5)
    model(picture, training=True)  # a tenth of the way to this batch's mean
    moved = convert_to_numpy(model.get_layer("convolution_0_norm").moving_mean)
    np.testing.assert_allclose(moved, 0.1 * convolved.mean((0, 1, 2)), atol=1e-6)
