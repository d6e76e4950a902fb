"""`TokenFuser` against the official outputs, against plain loops, and against theory."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy
from layer_checks import MASK_MLP, NORM, random_array, run_official

from tlvit_utils import TokenFuser


@pytest.fixture(scope="module")
def tokens():
    return random_array(2, 3, 5)


@pytest.fixture(scope="module")
def grid():
    return random_array(2, 4, 6, 5, seed=2)


@pytest.fixture(scope="module")
def fuser(tokens, grid, randomise):
    fuser = TokenFuser()
    fuser.build(tokens.shape, grid.shape)
    return randomise(fuser)


def test_equals_the_official_layer():
    mixing = [
        f"{layer}/{name}"
        for layer, names in [
            ("fuser_mix_norm1", ("scale", "bias")),
            ("Dense_0", ("kernel", "bias")),
            ("fuser_mix_norm2", ("scale", "bias")),
        ]
        for name in names
    ]
    output, expected = run_official("fuser_norm", TokenFuser(), (*mixing, *NORM, *MASK_MLP))
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


def test_a_grid_of_three_axes_gives_the_same_cells(fuser, tokens, grid):
    fused = convert_to_numpy(fuser(tokens, grid.reshape(2, 24, 5)))
    assert fused.shape == (2, 24, 5)
    np.testing.assert_allclose(
        fused.reshape(grid.shape), convert_to_numpy(fuser(tokens, grid)), atol=1e-6
    )


def test_a_new_fuser_adds_nothing(tokens, grid):
    np.testing.assert_array_equal(convert_to_numpy(TokenFuser()(tokens, grid)), 0)


def test_permuted_cells_come_out_permuted(fuser, tokens, grid):
    order = np.random.default_rng(0).permutation(24)
    permuted = grid.reshape(2, 24, 5)[:, order]
    expected = convert_to_numpy(fuser(tokens, grid)).reshape(2, 24, 5)[:, order]
    np.testing.assert_allclose(convert_to_numpy(fuser(tokens, permuted)), expected, atol=1e-5)


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
