"""The two v1.1 layers against the official outputs, against plain loops, and against theory."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.ops import convert_to_numpy
from layer_checks import (
    MASK_MLP,
    NORM,
    check_equals_loops,
    few_examples,
    random_array,
    run_official,
    with_maps,
)
from numpy_reference import grouped_convolution, grouped_token_learner, token_learner_v11

from tlvit_utils import GroupedTokenLearner, TokenLearnerV11

SHAPE = (2, 4, 6, 8)


@pytest.fixture(
    scope="module", params=[TokenLearnerV11(3), GroupedTokenLearner(3, 4)], ids=["v11", "grouped"]
)
def layer(request, randomise):
    request.param.build(SHAPE)
    return randomise(request.param)


def values_of(layer, x):
    """Return the grid that the layer's maps weight."""
    return x if isinstance(layer, TokenLearnerV11) else convert_to_numpy(layer.to_values(x))


def test_equals_the_official_layer():
    output, expected = run_official("v11_8x8", TokenLearnerV11(8), NORM + MASK_MLP)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


@few_examples
@given(
    height=st.integers(1, 4),
    width=st.integers(2, 4),
    dim=st.integers(2, 6),
    num_tokens=st.integers(1, 4),
    bottleneck_dim=st.integers(1, 8),
)
def test_v11_equals_plain_loops(randomise, height, width, dim, num_tokens, bottleneck_dim):
    x = random_array(2, height, width, dim)
    layer = TokenLearnerV11(num_tokens, bottleneck_dim)
    check_equals_loops(layer, x, randomise, token_learner_v11)


@few_examples
@given(
    height=st.integers(1, 4),
    width=st.integers(2, 4),
    group_width=st.integers(2, 3),
    num_groups=st.integers(1, 3),
    num_tokens=st.integers(1, 4),
)
def test_grouped_equals_plain_loops(randomise, height, width, group_width, num_groups, num_tokens):
    x = random_array(2, height, width, group_width * num_groups)
    layer = GroupedTokenLearner(num_tokens, num_groups)
    check_equals_loops(layer, x, randomise, grouped_token_learner, num_groups)


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


def test_each_map_sums_to_1_and_is_the_one_that_pools(layer):
    x = random_array(*SHAPE)
    tokens, maps = with_maps(layer, x)
    np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-5)
    pooled = (maps[..., None] * values_of(layer, x)[:, None]).sum((2, 3))  # the published form
    np.testing.assert_allclose(tokens, pooled, atol=1e-5)
    np.testing.assert_array_equal(tokens, convert_to_numpy(layer(x)))


def test_permuted_cells_give_the_same_tokens_and_permuted_maps(layer):
    x = random_array(*SHAPE)
    order = np.random.default_rng(0).permutation(24)
    permuted = x.reshape(2, 24, 8)[:, order].reshape(SHAPE)
    tokens, maps = with_maps(layer, x)
    permuted_tokens, permuted_maps = with_maps(layer, permuted)
    np.testing.assert_allclose(permuted_tokens, tokens, atol=1e-5)
    expected = maps.reshape(2, 3, 24)[..., order].reshape(maps.shape)
    np.testing.assert_allclose(permuted_maps, expected, atol=1e-6)


def test_v11_drops_only_in_training(seeded):
    layer = TokenLearnerV11(3, dropout_rate=0.5)
    x = random_array(*SHAPE)
    still = convert_to_numpy(layer(x))
    np.testing.assert_array_equal(convert_to_numpy(layer(x, training=False)), still)
    assert np.abs(convert_to_numpy(layer(x, training=True)) - still).max() > 1e-3


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
