"""The layers that TokenLearner is compared with, against arithmetic and theory."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy

from layer_checks import random_array, with_maps
from tlvit_utils import AveragePooling, PatchMerger, StridedConvolution, TopKTokens
from tlvit_utils.reductions import window_grid


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


@pytest.mark.parametrize(
    ("height", "width", "num_tokens", "windows"),
    [(8, 8, 8, (2, 4)), (4, 16, 8, (1, 8)), (8, 4, 8, (4, 2)), (7, 5, 5, (1, 5))],
)
def test_windows_are_as_square_as_can_be(height, width, num_tokens, windows):
    assert window_grid(height, width, num_tokens) == windows


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (AveragePooling(5), (2, 4, 6, 8), "num_tokens is 5, .* 4 × 6 cells"),
        (StridedConvolution(5), (2, 4, 6, 8), "num_tokens is 5, .* 4 × 6 cells"),
        (TopKTokens(25), (2, 4, 6, 8), "num_tokens is 25, but the grid has only 24 cells"),
    ],
)
def test_a_grid_without_room_for_the_tokens_is_refused(layer, shape, message):
    for refusing in (layer.build, layer.compute_output_shape):
        with pytest.raises(ValueError, match=message):
            refusing(shape)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (AveragePooling(8), (2, 5, 5, 8), "5 × 5 cells"),
        (StridedConvolution(8), (2, 8, 12, 8), r"\(4, 6, 8\), but the input has \(8, 12, 8\)"),
        (StridedConvolution(8), (2, 4, 6, 16), r"has \(4, 6, 16\)|axis -1 .* have value 8"),
        (TopKTokens(8), (2, 2, 2, 8), "only 4 cells"),
        (PatchMerger(8), (2, 4, 6, 16), "width 16, but .* for 8|axis -1 .* have value 8"),
    ],
)
def test_another_grid_at_the_second_call_is_refused(layer, shape, message):
    layer(random_array(2, 4, 6, 8))
    for refusing in (
        lambda: layer(random_array(*shape)),
        lambda: layer.compute_output_shape(shape),
    ):
        with pytest.raises(ValueError, match=message):
            refusing()


def test_windows_follow_the_grid():
    layer = AveragePooling(4)
    for size in (4, 8):
        x = random_array(2, size, size, 3)
        expected = x.reshape(2, 2, size // 2, 2, size // 2, 3).mean((2, 4)).reshape(2, 4, 3)
        np.testing.assert_allclose(convert_to_numpy(layer(x)), expected, atol=1e-6)
