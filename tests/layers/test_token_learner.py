"""`TokenLearner` against the official outputs, against plain loops, and against theory."""

import numpy as np
import pytest
from layer_checks import (
    NORM,
    random_array,
    run_official,
    with_maps,
)
from numpy_reference import token_learner

from tlvit_utils import TokenLearner

POOLINGS = ["mean", "sum", "weighted_mean"]
CONVOLUTIONS = tuple(f"Conv_{i}/kernel" for i in range(4))


@pytest.fixture(scope="module", params=POOLINGS)
def layer(request, randomise):
    layer = TokenLearner(3, pooling=request.param)
    layer.build((None, 4, 6, 5))
    return randomise(layer)


@pytest.mark.parametrize(
    ("name", "num_tokens", "pooling"), [("v1_sum_8x8", 4, "sum"), ("v1_mean_8x8", 8, "mean")]
)
def test_equals_the_official_layer(name, num_tokens, pooling):
    output, expected = run_official(name, TokenLearner(num_tokens, pooling), NORM + CONVOLUTIONS)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


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


@pytest.mark.parametrize("pooling", ["mean", "weighted_mean"])
def test_a_mean_of_a_large_float16_grid_does_not_overflow(pooling):
    """The sum over 64×64 cells near 100 is far beyond float16's largest number, 65,504."""
    layer = TokenLearner(2, pooling, dtype="float16")
    grid = 100 + random_array(1, 64, 64, 4)
    tokens, maps = with_maps(layer, grid.astype("float16"))
    weight = maps.mean((2, 3), dtype="float32") if pooling == "mean" else np.ones((1, 2))
    np.testing.assert_allclose(tokens, 100 * weight[..., None] * np.ones(4), rtol=0.01)


def test_a_weighted_mean_with_closed_maps_is_finite():
    """Maps of exactly 0 are possible where the sigmoid underflows; the token is then 0."""
    layer = TokenLearner(2, "weighted_mean")
    x = random_array(1, 4, 4, 5)
    layer.build(x.shape)
    gamma, beta, *kernels, last = layer.get_weights()
    layer.set_weights([0 * gamma, beta + 1, *(np.ones_like(k) for k in kernels), last * 0 - 1e4])
    tokens, maps = with_maps(layer, x)
    assert not maps.any()
    assert not tokens.any()


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
    with pytest.raises(ValueError, match=r"pooling is 'max'.* 'mean', 'sum', 'weighted_mean'"):
        TokenLearner(4, pooling="max")
