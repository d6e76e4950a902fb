"""What `TokenLearner`, `TokenFuser` and the grouped layer do beyond what all token layers do."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy

from layer_checks import random_array, with_maps
from numpy_reference import token_learner
from tlvit_utils import GroupedTokenLearner, TokenFuser, TokenLearner


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


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"pooling is 'max'.* 'mean', 'sum', 'weighted_mean'"):
        TokenLearner(4, pooling="max")


def test_groups_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match=r"num_groups is 3, .* width 8"):
        GroupedTokenLearner(4, 3).build((2, 4, 6, 8))


# TokenFuser

TOKENS, GRID = random_array(2, 3, 5), random_array(2, 4, 6, 5, seed=2)


def test_a_grid_of_three_axes_gives_the_same_cells(randomise):
    fuser = TokenFuser()
    fuser.build(TOKENS.shape, GRID.shape)
    randomise(fuser)
    fused = convert_to_numpy(fuser(TOKENS, GRID.reshape(2, 24, 5)))
    expected = convert_to_numpy(fuser(TOKENS, GRID))
    np.testing.assert_allclose(fused, expected.reshape(2, 24, 5), atol=1e-6)


def test_a_new_fuser_adds_nothing():
    np.testing.assert_array_equal(convert_to_numpy(TokenFuser()(TOKENS, GRID)), 0)


@pytest.mark.parametrize(
    ("tokens_shape", "grid_shape"),
    [
        ((2, 3, 5), (2, 4, 6, 7)),
        ((2, 3, 5), (2, 5)),
        ((2, 3, 5), (2, 1, 4, 6, 5)),
        ((2, 3, 1, 5), (2, 4, 6, 5)),
        ((2, None, 5), (2, 4, 6, 5)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(tokens_shape, grid_shape):
    with pytest.raises(ValueError, match=r"expects tokens .* with the same dim"):
        TokenFuser().build(tokens_shape, grid_shape)
