"""Checks for what notebook 03 builds, and for its exercises."""

import numpy as np

from tlvit_utils._validation import POOLINGS
from tlvit_utils.checks.answers import (
    compare,
    exercise,
    random,
    sigmoid,
    sizes,
    softmax,
    to_numpy,
)
from tlvit_utils.checks.layers import check_option, compare_layers
from tlvit_utils.token_learner import SUM_EPSILON, TokenLearner

GRID = np.array([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]  # 2 × 2 cells of width 1
MAPS = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]])[None]  # of 2 tokens


def _pool(grid, maps):
    """Return the sum over cells of map times grid, `(batch, num_tokens, dim)`."""
    return np.einsum("bshw,bhwc->bsc", maps, grid)


def pool(grid, maps):
    """Return the mean over cells of map times grid, `(batch, num_tokens, dim)`."""
    return _pool(grid, maps) / maps[0, 0].size


@exercise(ours=pool)
def check_pool(answer):
    """Check `pool(grid, maps)`."""

    def draw(rng):
        batch, height, width, dim, tokens = sizes(rng, 5, high=9)
        maps = rng.uniform(0.1, 1, (batch, tokens, height, width)).astype("float32")
        return random(rng, batch, height, width, dim), maps

    def wrong(grid, maps):
        total, (batch, height, width, _) = _pool(grid, maps), grid.shape
        sums = maps.sum(axis=(2, 3), keepdims=True)
        turned = maps.reshape(batch, height * width, -1).swapaxes(1, 2).reshape(maps.shape)
        swapped = grid.swapaxes(1, 2).reshape(grid.shape)
        return {
            "You took the sum: divide by the number of cells.": total,
            "You divided by the number of tokens, not of cells.": total / maps.shape[1],
            "You divided by the sum of each map, not by the cells.": _pool(grid, maps / sums),
            "Reshape instead of transpose: this mixes the maps.": pool(grid, turned),
            "Rows and columns of the grid are swapped.": pool(swapped, maps),
            "Transposed axes: the order is (batch, tokens, dim).": pool(grid, maps).swapaxes(1, 2),
        }

    compare(answer, pool, wrong, draw, small=(GRID, MAPS))


@exercise(name="TokenLearner", ours=TokenLearner)
def check_token_learner(answer):
    """Check the layer `TokenLearner(num_tokens, pooling)`."""
    for pooling in POOLINGS:
        small = (2, pooling), {"x": np.arange(8, dtype="float32").reshape(1, 2, 2, 2) ** 2}
        large = (3, pooling), [(2, 4, 5, 6)]
        pair = compare_layers(answer, TokenLearner, ["norm", "convs"], small, large, _wrong_tokens)
    what = "the sigmoid's values, undivided, (batch, tokens, height, width)"
    check_option(
        *pair, (2, 4, 5, 6), "return_attention_maps", tokens="what comes without it", maps=what
    )


def _wrong_tokens(layer, x):
    """Return what the package's layer makes of `x` with each mistake, by its sentence."""
    batch, height, width, dim = x.shape
    size, count = height * width, layer.num_tokens
    cells = x.reshape(batch, size, dim)
    normed = to_numpy(layer.norm(x))
    normed_cells = normed.reshape(batch, size, dim)

    def maps_of(grid):  # (batch, size, tokens)
        for conv in layer.convs:
            grid = conv(grid)
        return to_numpy(grid).reshape(batch, size, count)

    def tokens(maps, values=cells, pooling=layer.pooling, axis=-1):
        if pooling == "mean":
            maps = maps / size
        elif pooling == "weighted_mean":
            maps = maps / (maps.sum(axis=axis, keepdims=True) + SUM_EPSILON)
        return maps @ values

    last = maps_of(normed)
    maps = last.swapaxes(1, 2)
    return {
        "A reshape mixes the maps: use a transpose.": tokens(last.reshape(batch, count, size)),
        "The maps must weight the raw grid, not the normalised one.": tokens(maps, normed_cells),
        "The maps come from the raw grid, not the normalised.": tokens(maps_of(x).swapaxes(1, 2)),
        "Wrong axis: divide each map by its sum over the cells.": tokens(maps, axis=1),
        "You divided by the number of tokens.": maps @ cells / count,
        "Transposed axes: the order is (batch, tokens, dim).": tokens(maps).swapaxes(1, 2),
        **{
            f'This is pooling="{each}", but `pooling` is "{layer.pooling}".': (
                tokens(maps, pooling=each)
            )
            for each in POOLINGS
            if each != layer.pooling
        },
    }


@exercise
def check_softmax_maps(answer):
    """Check `softmax_maps(logits)`, `(batch, height, width, tokens)`."""

    def draw(rng):
        return (random(rng, *sizes(rng, 4)),)

    def right(logits, axis=(1, 2)):
        return softmax(logits, axis).transpose(0, 3, 1, 2)

    def wrong(logits):
        maps, sigmoids = right(logits), sigmoid(logits).transpose(0, 3, 1, 2)
        shares = sigmoids / sigmoids.sum(axis=(2, 3), keepdims=True)
        return {
            "The sigmoid came before the softmax: take the logits.": right(sigmoid(logits)),
            "These are sigmoids divided by their sum; take exponentials.": shares,
            "The maps are not divided by their sums.": np.exp(logits).transpose(0, 3, 1, 2),
            "Softmax over the wrong axis: the cells of a map must compete.": right(logits, axis=3),
            "Softmax over the wrong axis: each column of a map sums to 1.": right(logits, axis=1),
            "Softmax over the wrong axis: each row of a map sums to 1.": right(logits, axis=2),
            "Wrong axis: each map must sum to 1, not all together.": right(logits, axis=(1, 2, 3)),
            "Reshape instead of transpose: this mixes the maps.": (
                softmax(logits, (1, 2)).reshape(maps.shape)
            ),
            "The reshape mixes the maps before the softmax: use a transpose.": (
                softmax(logits.reshape(maps.shape), (2, 3))
            ),
            "Transposed: the order is (batch, tokens, height, width).": maps.transpose(0, 2, 3, 1),
            "Transposed axes: height and width are swapped.": maps.swapaxes(2, 3),
        }

    small = (np.log([[[[1.0, 1.0], [2.0, 1.0]], [[3.0, 1.0], [4.0, 1.0]]]]),)
    compare(answer, right, wrong, draw, small)


@exercise
def check_tokens_of_video(answer):
    """Check `tokens_of_video(video, token_learner)`, `(batch, frames, height, width, dim)`.

    `token_learner` is a function from `(any, height, width, dim)` to `(any, tokens, dim)`.
    """

    def draw(rng):
        batch, frames, height, width, dim, tokens = sizes(rng, 6, high=9)
        filters = random(rng, dim, tokens)

        def token_learner(grids):
            grids = to_numpy(grids)
            if grids.shape[1:] != (height, width, dim):
                raise ValueError(
                    f"token_learner was given an array {grids.shape}, but it takes (any, {height}, "
                    f"{width}, {dim}): fold the frames into the first axis"
                )
            maps = sigmoid(grids @ filters)
            return _pool(grids, maps.transpose(0, 3, 1, 2)) / (height * width)

        return random(rng, batch, frames, height, width, dim), token_learner

    def right(video, token_learner):
        return np.concatenate([token_learner(frame) for frame in video.swapaxes(0, 1)], axis=1)

    def wrong(video, token_learner):
        shape = right(video, token_learner).shape
        tokens = np.stack([token_learner(frames) for frames in video])  # (batch, frames, …)
        return {
            "Transposed: the tokens of frame 1 come first.": tokens.swapaxes(1, 2).reshape(shape),
            "Transposed: videos and frames are swapped.": tokens.swapaxes(0, 1).reshape(shape),
            "You took the mean over the frames; every frame keeps its tokens.": tokens.mean(axis=1),
            "You took the sum over the frames; every frame keeps its tokens.": tokens.sum(axis=1),
            "Unfold at the end: the batch holds frames.": tokens.reshape(-1, *tokens.shape[2:]),
        }

    def cells(grids):
        """Each cell is a token."""
        return to_numpy(grids).reshape(len(grids), -1, 1)

    small = np.arange(8.0).reshape(2, 2, 1, 2, 1), cells
    compare(answer, right, wrong, draw, small)
