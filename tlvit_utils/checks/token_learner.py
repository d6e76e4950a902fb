"""Checks for the exercises of notebook 03."""

import numpy as np

from tlvit_utils.checks.comparison import (
    compare,
    exercise,
    random,
    sizes,
    softmax,
    to_numpy,
)


def _pool(grid, maps):
    """Return the sum over cells of map times grid, `(batch, num_tokens, dim)`."""
    return np.einsum("bshw,bhwc->bsc", maps, grid)


@exercise
def check_weighted_mean(answer):
    """Check `weighted_mean(grid, maps)` (notebook 03).

    `(batch, height, width, dim)` and `(batch, tokens, height, width)` to `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, height, width, dim, tokens = sizes(rng, 5, high=9)
        maps = rng.uniform(0.1, 1, (batch, tokens, height, width)).astype("float32")
        return random(rng, batch, height, width, dim), maps

    def right(grid, maps, axis=(2, 3)):
        return _pool(grid, maps / maps.sum(axis=axis, keepdims=True))

    def wrong(grid, maps):
        total = _pool(grid, maps)
        return {
            "You took the sum in place of the mean: divide by the sum of each map.": total,
            "You divided by the number of cells; divide by the sum of each map.": (
                total / maps[0, 0].size
            ),
            "You divided by the number of tokens; divide by the sum of each map.": (
                total / maps.shape[1]
            ),
            "Wrong axis: you divided by the sum over the maps; each map has a sum of its own, over "
            "its cells.": right(grid, maps, axis=1),
            "Wrong axis: you divided by the sum of each row; take both axes of a map.": right(
                grid, maps, axis=3
            ),
            "Transposed axes: the order is (batch, tokens, dim).": right(grid, maps).swapaxes(1, 2),
        }

    compare(answer, right, wrong, draw)
    return "grids and maps of 3 random shapes"


@exercise
def check_softmax_maps(answer):
    """Check `softmax_maps(logits)` (notebook 03).

    `(batch, height, width, tokens)` to `(batch, tokens, height, width)`.
    """

    def draw(rng):
        return (random(rng, *sizes(rng, 4)),)

    def right(logits, axis=(1, 2)):
        return softmax(logits, axis).transpose(0, 3, 1, 2)

    def wrong(logits):
        maps = right(logits)
        return {
            "Softmax over the wrong axis: you let the maps of a cell compete; the cells of a map "
            "must.": right(logits, axis=3),
            "Softmax over the wrong axis: each column of a map sums to 1; the whole map must.": (
                right(logits, axis=1)
            ),
            "Softmax over the wrong axis: each row of a map sums to 1; the whole map must.": (
                right(logits, axis=2)
            ),
            "Softmax over the wrong axis: all maps of an image together sum to 1; each must.": (
                right(logits, axis=(1, 2, 3))
            ),
            "You reshaped where a transpose is needed: your maps hold numbers of each other.": (
                softmax(logits, (1, 2)).reshape(maps.shape)
            ),
            "Transposed axes: the order is (batch, tokens, height, width).": maps.transpose(
                0, 2, 3, 1
            ),
            "Transposed axes: height and width are exchanged.": maps.swapaxes(2, 3),
        }

    compare(answer, right, wrong, draw)
    return "each map sums to 1, 3 random shapes"


@exercise
def check_tokens_of_video(answer):
    """Check `tokens_of_video(video, token_learner)` (notebook 03).

    `(batch, frames, height, width, dim)` to `(batch, frames * tokens, dim)`, with a function from
    `(any, height, width, dim)` to `(any, tokens, dim)`.
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
            maps = 1 / (1 + np.exp(-grids @ filters))
            return _pool(grids, maps.transpose(0, 3, 1, 2)) / (height * width)

        return random(rng, batch, frames, height, width, dim), token_learner

    def right(video, token_learner):
        return np.concatenate([token_learner(frame) for frame in video.swapaxes(0, 1)], axis=1)

    def wrong(video, token_learner):
        shape = right(video, token_learner).shape
        tokens = np.stack([token_learner(frames) for frames in video])  # (batch, frames, …)
        return {
            "Transposed axes: the tokens of the first frame come first, then those of the "
            "second.": tokens.swapaxes(1, 2).reshape(shape),
            "Transposed axes: videos and frames are exchanged; fold and unfold (batch, frames), "
            "in this order.": tokens.swapaxes(0, 1).reshape(shape),
            "You took the mean over the frames; every frame keeps its tokens.": tokens.mean(axis=1),
            "You took the sum over the frames; every frame keeps its tokens.": tokens.sum(axis=1),
            "Unfold at the end: the frames still stand in the batch's axis.": (
                tokens.reshape(-1, *tokens.shape[2:])
            ),
        }

    compare(answer, right, wrong, draw)
    return "videos of 3 random shapes"
