"""The two v1.1 layers against the official outputs, against plain loops, and against theory."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy
from layer_checks import (
    MASK_MLP,
    NORM,
    random_array,
    run_official,
    with_maps,
)
from numpy_reference import grouped_convolution

from tlvit_utils import GroupedTokenLearner, TokenLearnerV11

SHAPE = (2, 4, 6, 8)


def test_equals_the_official_layer():
    output, expected = run_official("v11_8x8", TokenLearnerV11(8), NORM + MASK_MLP)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


def test_the_grouped_convolution_is_that_of_keras(randomise):
    layer = GroupedTokenLearner(3, 4)
    layer.build(SHAPE)
    ours = randomise(layer).mixing
    theirs = keras.layers.Conv2D(8, 1, groups=4, use_bias=False)
    theirs.build(SHAPE)
    theirs.set_weights(ours.get_weights())
    x = random_array(*SHAPE)
    np.testing.assert_allclose(convert_to_numpy(ours(x)), convert_to_numpy(theirs(x)), atol=1e-5)


def test_the_grouped_layers_maps_come_from_one_linear_map(randomise):
    layer = GroupedTokenLearner(3, 4)
    layer.build(SHAPE)
    gamma, beta, mixing, to_logits, to_values = randomise(layer).get_weights()
    identity = np.eye(8).reshape(8, 1, 1, 8)  # each cell is one unit vector
    mixed = np.stack([grouped_convolution(cell, mixing, 4) for cell in identity])[:, 0, 0]
    x = random_array(*SHAPE)
    _, maps = with_maps(layer, x)
    single = GroupedTokenLearner(3, 4)
    single.build(SHAPE)
    unmixed = np.zeros_like(mixing)  # (1, 1, dim / groups, dim): every channel to itself
    unmixed[0, 0, np.arange(8) % 2, np.arange(8)] = 1
    single.set_weights([gamma, beta, unmixed, (mixed @ to_logits[0, 0])[None, None], to_values])
    np.testing.assert_allclose(with_maps(single, x)[1], maps, atol=1e-5)


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("num_tokens", TokenLearnerV11),
        ("num_tokens", lambda size: GroupedTokenLearner(size, 4)),
        ("bottleneck_dim", lambda size: TokenLearnerV11(4, bottleneck_dim=size)),
        ("num_groups", lambda size: GroupedTokenLearner(4, size)),
    ],
)
def test_sizes_below_1_are_refused(name, make, size):
    with pytest.raises(ValueError, match=f"{name} is {size!r}.* at least 1"):
        make(size)


def test_groups_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match=r"num_groups is 3, .* width 8"):
        GroupedTokenLearner(4, 3).build(SHAPE)
