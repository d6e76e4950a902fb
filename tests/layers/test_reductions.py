"""The layers that TokenLearner is compared with, against plain loops and against theory."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.ops import convert_to_numpy
from layer_checks import few_examples, random_array, with_maps
from numpy_reference import patch_merger, strided_convolution, window_means

from tlvit_utils import AveragePooling, PatchMerger, StridedConvolution, TopKTokens
from tlvit_utils.reductions import window_grid

SHAPE = (2, 4, 6, 8)
LAYERS = [PatchMerger(3), TopKTokens(3), AveragePooling(6), StridedConvolution(6)]

small = st.integers(1, 3)


@pytest.fixture(scope="module", params=LAYERS[:2], ids=["patch_merger", "top_k"])
def layer(request, randomise):
    request.param.build(SHAPE)
    return randomise(request.param)


@few_examples
@given(height=small, width=small, dim=st.integers(2, 6), num_tokens=st.integers(1, 4))
def test_patch_merger_equals_plain_loops(randomise, height, width, dim, num_tokens):
    x = random_array(2, height, width, dim)
    layer = PatchMerger(num_tokens)
    layer.build(x.shape)
    weights = randomise(layer).get_weights()
    tokens, maps = with_maps(layer, x)
    assert tokens.shape == (2, num_tokens, dim)
    for b in range(2):
        expected, expected_maps = patch_merger(x[b], weights)
        np.testing.assert_allclose(tokens[b], expected, atol=1e-5)
        np.testing.assert_allclose(maps[b], expected_maps, atol=1e-5)


@few_examples
@given(rows=small, columns=small, height=small, width=small)
def test_windows_equal_plain_loops(randomise, rows, columns, height, width):
    """Of a grid of rows × columns windows, each of height × width cells."""
    x = random_array(2, rows * height, columns * width, 5)
    rows, columns = window_grid(*x.shape[1:3], rows * columns)
    average, strided = AveragePooling(rows * columns), StridedConvolution(rows * columns)
    strided.build(x.shape)
    kernel, bias = randomise(strided).get_weights()
    means, tokens = convert_to_numpy(average(x)), convert_to_numpy(strided(x))
    for b in range(2):
        np.testing.assert_allclose(means[b], window_means(x[b], rows, columns), atol=1e-5)
        expected = strided_convolution(x[b], kernel, bias)
        np.testing.assert_allclose(tokens[b], expected, atol=1e-5)


def test_top_k_keeps_the_longest_vectors_in_order():
    x = random_array(2, 3, 4, 5)
    tokens, maps = with_maps(TopKTokens(4), x)
    for image, kept, some in zip(x.reshape(2, 12, 5), tokens, maps, strict=True):
        by_length = sorted(range(12), key=lambda i: -sum(v * v for v in image[i]))[:4]
        np.testing.assert_array_equal(kept, image[by_length])
        np.testing.assert_array_equal(some.reshape(4, 12), np.eye(12)[by_length])


def test_top_k_in_float16_knows_long_vectors_apart():
    """Their squares are beyond float16's largest number, 65,504."""
    x = np.stack([np.full(8, value, "float16") for value in (100, 300, 200, 50)])
    tokens = TopKTokens(2, dtype="float16")(x[None])
    np.testing.assert_array_equal(convert_to_numpy(tokens)[0], x[[1, 2]])


def test_a_strided_convolution_can_be_an_average():
    x = random_array(*SHAPE)
    strided = StridedConvolution(6)
    strided.build(SHAPE)
    kernel, bias = strided.get_weights()
    assert kernel.shape == (2, 2, 8, 8)
    strided.set_weights([np.tile(np.eye(8), (2, 2, 1, 1)) / 4, 0 * bias])
    expected = convert_to_numpy(AveragePooling(6)(x))
    np.testing.assert_allclose(convert_to_numpy(strided(x)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "num_tokens", "windows"),
    [(8, 8, 8, (2, 4)), (16, 16, 8, (2, 4)), (16, 16, 16, (4, 4)), (4, 16, 8, (1, 8)),
     (8, 4, 8, (4, 2)), (7, 5, 5, (1, 5)), (4, 4, 16, (4, 4)), (4, 4, 1, (1, 1))],
)  # fmt: skip
def test_windows_are_as_square_as_can_be(height, width, num_tokens, windows):
    assert window_grid(height, width, num_tokens) == windows


@pytest.mark.parametrize("cls", [AveragePooling, StridedConvolution])
def test_a_grid_that_cannot_be_cut_is_refused(cls):
    with pytest.raises(ValueError, match=r"num_tokens is 5, .* grid of 4 × 6 cells"):
        cls(5).build(SHAPE)


def test_more_tokens_than_cells_are_refused():
    with pytest.raises(ValueError, match="num_tokens is 25, but the grid has only 24 cells"):
        TopKTokens(25).build(SHAPE)


@pytest.mark.parametrize("cls", [type(layer) for layer in LAYERS])
def test_a_wrong_number_of_tokens_is_refused(cls):
    with pytest.raises(ValueError, match=r"num_tokens is 0.* at least 1"):
        cls(0)


def test_each_map_sums_to_1_and_is_the_one_that_pools(layer):
    x = random_array(*SHAPE)
    tokens, maps = with_maps(layer, x)
    np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-5)
    values = convert_to_numpy(layer.norm(x)) if isinstance(layer, PatchMerger) else x
    np.testing.assert_allclose(tokens, np.einsum("bshw,bhwc->bsc", maps, values), atol=1e-5)
    np.testing.assert_array_equal(tokens, convert_to_numpy(layer(x)))


def test_permuted_cells_give_the_same_tokens_and_permuted_maps(layer):
    x = random_array(*SHAPE)
    order = np.random.default_rng(0).permutation(24)
    tokens, maps = with_maps(layer, x)
    permuted_tokens, permuted_maps = with_maps(layer, x.reshape(2, 24, 8)[:, order].reshape(SHAPE))
    np.testing.assert_allclose(permuted_tokens, tokens, atol=1e-5)
    expected = maps.reshape(2, 3, 24)[..., order].reshape(maps.shape)
    np.testing.assert_allclose(permuted_maps, expected, atol=1e-6)


def test_a_kept_cell_passes_the_gradient_on_and_a_dropped_one_none():
    """The sum of the tokens, in a model whose only weight scales the cells, one by one."""
    inputs = keras.Input((9, 4))
    scale = ScaledCells()
    model = keras.Model(inputs, keras.ops.sum(TopKTokens(2)(scale(inputs)), axis=(1, 2)))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    x = np.ones((1, 9, 4), "float32")
    x[0, [3, 7]] = 2
    model.train_on_batch(x, np.zeros((1, 1)))
    moved = np.flatnonzero(np.abs(scale.get_weights()[0] - 1).max(axis=-1))
    assert moved.tolist() == [3, 7]


class ScaledCells(keras.layers.Layer):
    """Each cell times weights of its own."""

    def build(self, shape):
        self.scales = self.add_weight(shape=shape[1:], initializer="ones")

    def call(self, x):
        return x * self.scales
