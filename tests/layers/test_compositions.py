"""Networks beyond ViTConfig, as notebook 07 composes them from the layers."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy
from layer_checks import random_array

from tlvit_utils import TokenFuser, TokenLearner, TokenLearnerV11, TransformerBlock


def block():
    return TransformerBlock(
        num_heads=4, key_dim=32, mlp_units=(256, 128), dropout_rate=0, name="block"
    )


def several_token_learners():
    """64 tokens become 16, and these 4."""
    inputs = keras.Input((64, 128))
    tokens = block()(TokenLearnerV11(16)(inputs))
    return keras.Model(inputs, TokenLearnerV11(4)(tokens))


def encoder_that_keeps_the_grid():
    """A block works on 8 tokens, and what it finds is written back onto the grid."""
    grid = keras.Input((8, 8, 128))
    tokens = block()(TokenLearner(8)(grid))
    return keras.Model(grid, grid + TokenFuser()(tokens, grid))


def video():
    """Frames are folded into the batch; a block then sees 8 tokens of each of the 8 frames."""
    clips = keras.Input((8, 8, 8, 128))
    frames = ops.reshape(clips, (-1, 8, 8, 128))  # (batch * frames, height, width, dim)
    tokens = TokenLearnerV11(8, name="token_learner")(frames)  # (batch * frames, 8, dim)
    return keras.Model(clips, block()(ops.reshape(tokens, (-1, 64, 128))))


OUTPUT_SHAPES = {
    several_token_learners: (4, 128),
    encoder_that_keeps_the_grid: (8, 8, 128),
    video: (64, 128),
}


@pytest.mark.parametrize("make", OUTPUT_SHAPES)
def test_samples_of_a_batch_do_not_mix(make, randomise):
    model = randomise(make())
    inputs = random_array(2, *model.input_shape[1:])
    outputs = convert_to_numpy(model(inputs))
    assert outputs.shape == (2, *OUTPUT_SHAPES[make])
    alone = np.concatenate([convert_to_numpy(model(x[None])) for x in inputs])
    np.testing.assert_allclose(outputs, alone, atol=1e-4)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1


def test_a_new_encoder_leaves_the_grid_as_it_is():
    grid = random_array(2, 8, 8, 128)
    np.testing.assert_array_equal(convert_to_numpy(encoder_that_keeps_the_grid()(grid)), grid)


def test_the_block_sees_the_tokens_frame_by_frame(randomise):
    model = randomise(video())
    clips = random_array(2, 8, 8, 8, 128)
    sequence = keras.Model(model.input, model.get_layer("block").input)(clips)
    for clip, tokens in zip(clips, convert_to_numpy(sequence), strict=True):
        expected = convert_to_numpy(model.get_layer("token_learner")(clip)).reshape(64, 128)
        np.testing.assert_allclose(tokens, expected, atol=1e-5)
