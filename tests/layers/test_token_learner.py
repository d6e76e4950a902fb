"""`TokenLearner` against the official outputs, against plain loops, and against theory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.ops import convert_to_numpy
from layer_checks import NORM, few_examples, random_array, run_official, with_maps
from numpy_reference import token_learner

from tlvit_utils import TokenLearner

CONVOLUTIONS = tuple(f"Conv_{i}/kernel" for i in range(4))


@pytest.fixture(scope="module", params=["mean", "sum"])
def layer(request, randomise):
    layer = TokenLearner(3, pooling=request.param)
    layer.build((None, 4, 6, 5))
    return randomise(layer)


def test_a_count_may_be_numpys():
    layer = TokenLearner(np.int64(3))
    assert type(layer.get_config()["num_tokens"]) is int


@pytest.mark.parametrize(
    ("name", "num_tokens", "pooling"), [("v1_sum_8x8", 4, "sum"), ("v1_mean_8x8", 8, "mean")]
)
def test_equals_the_official_layer(name, num_tokens, pooling):
    output, expected = run_official(name, TokenLearner(num_tokens, pooling), NORM + CONVOLUTIONS)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


@few_examples
@given(
    height=st.integers(1, 4),
    width=st.integers(2, 4),
    dim=st.integers(2, 6),
    num_tokens=st.integers(1, 4),
    pooling=st.sampled_from(["mean", "sum"]),
    approximate_gelu=st.booleans(),
)
def test_equals_plain_loops(randomise, height, width, dim, num_tokens, pooling, approximate_gelu):
    x = random_array(2, height, width, dim)
    layer = TokenLearner(num_tokens, pooling, approximate_gelu)
    layer.build(x.shape)
    weights = randomise(layer).get_weights()
    tokens, maps = with_maps(layer, x)
    assert tokens.shape == (2, num_tokens, dim)
    assert maps.shape == (2, num_tokens, height, width)
    for b in range(2):
        expected, expected_maps = token_learner(x[b], weights, pooling, approximate_gelu)
        np.testing.assert_allclose(tokens[b], expected, atol=1e-5)
        np.testing.assert_allclose(maps[b], expected_maps, atol=1e-5)


@pytest.mark.parametrize("approximate_gelu", [True, False])
def test_gelu_is_the_form_that_was_asked_for(approximate_gelu, randomise):
    x = random_array(1, 3, 3, 5)
    layer = TokenLearner(2, approximate_gelu=approximate_gelu)
    layer.build(x.shape)
    layer.set_weights([2 * weight for weight in randomise(layer).get_weights()])
    tokens, _ = with_maps(layer, x)
    expected, other = (
        token_learner(x[0], layer.get_weights(), approximate_gelu=approximate)[0]
        for approximate in (approximate_gelu, not approximate_gelu)
    )
    np.testing.assert_allclose(tokens[0], expected, atol=2e-6)
    assert np.abs(expected - other).max() > 1e-5


def test_maps_lie_in_0_1_and_are_those_that_pool(layer):
    x = random_array(2, 4, 6, 5)
    tokens, maps = with_maps(layer, x)
    assert maps.min() > 0 and maps.max() < 1
    product = maps[..., None] * x[:, None]  # the published form
    pooled = product.mean((2, 3)) if layer.pooling == "mean" else product.sum((2, 3))
    np.testing.assert_allclose(tokens, pooled, atol=1e-5)
    np.testing.assert_array_equal(tokens, convert_to_numpy(layer(x)))


def test_a_constant_grid_gives_its_cell_times_the_maps_mean_or_sum(layer):
    cell = random_array(5)
    tokens, maps = with_maps(layer, np.tile(cell, (1, 4, 6, 1)))
    weight = maps.mean((2, 3)) if layer.pooling == "mean" else maps.sum((2, 3))
    np.testing.assert_allclose(tokens, weight[..., None] * cell, rtol=1e-5)


def test_mirrored_grid_and_kernels_give_the_same_tokens_and_mirrored_maps(layer):
    x = random_array(2, 4, 6, 5)
    mirrored = TokenLearner.from_config(layer.get_config())
    mirrored.build(x.shape)
    gamma, beta, *kernels = layer.get_weights()
    mirrored.set_weights([gamma, beta, *(kernel[:, ::-1] for kernel in kernels)])
    tokens, maps = with_maps(layer, x)
    mirrored_tokens, mirrored_maps = with_maps(mirrored, x[:, :, ::-1])
    np.testing.assert_allclose(mirrored_tokens, tokens, atol=1e-5)
    np.testing.assert_allclose(mirrored_maps, maps[..., ::-1], atol=1e-5)


@pytest.mark.parametrize("num_tokens", [0, -1, 2.5, True, None, "8"])
def test_a_wrong_number_of_tokens_is_refused(num_tokens):
    with pytest.raises(ValueError, match=f"num_tokens is {num_tokens!r}.* at least 1"):
        TokenLearner(num_tokens)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"pooling is 'max'.* 'mean', 'sum'"):
        TokenLearner(4, pooling="max")
