"""Checks for the exercises of notebook 07."""

from functools import partial

import numpy as np

from tlvit_utils.checks.comparison import compare, exercise, random, sizes, softmax


def _read(maps, grid):
    """Return the sum over cells of map times grid, `(batch, num_tokens, dim)`."""
    return np.einsum("bhws,bhwc->bsc", maps, grid)


@exercise
def check_masked_pooling(answer):
    """Check `masked_pooling(logits, grid, exists)` (notebook 07).

    `(batch, height, width, tokens)`, `(batch, height, width, dim)` and `(batch, height, width)`,
    True or False, to `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, height, width, dim, tokens = sizes(rng, 5, high=9)
        exists = rng.uniform(size=(batch, height, width)) < 0.7
        exists[:, 0, 0], exists[:, 1, 1] = True, False
        logits = random(rng, batch, height, width, tokens)
        return logits, random(rng, batch, height, width, dim), exists

    def right(logits, grid, exists, out=-1e9, axis=(1, 2)):
        return _read(softmax(np.where(exists[..., None], logits, out), axis), grid)

    def wrong(logits, grid, exists):
        maps, tokens = softmax(logits, (1, 2)), right(logits, grid, exists)
        return {
            "A logit of 0 is no weight of 0, for exp(0) is 1: give cells that do not exist a large "
            "negative logit.": right(logits, grid, exists, out=0),
            "Masked after the softmax: the weights that remain sum to less than 1. Mask the "
            "logits.": _read(maps * exists[..., None], grid),
            "The mask is not used: cells that do not exist still have weight.": _read(maps, grid),
            "The mask is the wrong way round: True marks the cells that exist.": right(
                logits, grid, ~exists
            ),
            "Softmax over the wrong axis: the tokens compete for each cell; the cells of a map "
            "must.": right(logits, grid, exists, axis=3),
            "Softmax over the wrong axis: each row of a map sums to 1; the whole map must.": (
                right(logits, grid, exists, axis=2)
            ),
            "You took the mean over the cells; the maps sum to 1 already, so take the sum.": (
                tokens / exists[0].size
            ),
            "Transposed axes: the order is (batch, tokens, dim).": tokens.swapaxes(1, 2),
        }

    compare(answer, right, wrong, draw)
    return "grids of 3 random shapes, each with cells that do not exist"


@exercise
def check_fuse(answer):
    """Check `fuse(tokens, grid, mask_logits)` (notebook 07).

    `(batch, tokens, dim)`, `(batch, height, width, dim)` and `(batch, height, width, tokens)` to
    `(batch, height, width, dim)`.
    """

    def draw(rng):
        batch, height, width, dim, tokens = sizes(rng, 5, high=9)
        grid = random(rng, batch, height, width, dim)
        return random(rng, batch, tokens, dim), grid, random(rng, batch, height, width, tokens)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def write(masks, tokens):
        return np.einsum("bhws,bsc->bhwc", masks, tokens)

    def right(tokens, grid, mask_logits):
        return grid + write(sigmoid(mask_logits), tokens)

    def wrong(tokens, grid, mask_logits):
        written = write(sigmoid(mask_logits), tokens)
        return {
            "The residual is missing: what the tokens write is added to the grid.": written,
            "The sigmoid is missing: the masks lie between 0 and 1.": (
                grid + write(mask_logits, tokens)
            ),
            "Softmax over the wrong axis: the cells of a mask do not compete, nor do its tokens. "
            "Each mask is a sigmoid.": grid + write(softmax(mask_logits, (1, 2)), tokens),
            "Softmax over the tokens makes each cell a mean of them; the masks are sigmoids, each "
            "alone.": grid + write(softmax(mask_logits, 3), tokens),
            "You took the mean over the tokens; each cell is the sum.": (
                grid + written / tokens.shape[1]
            ),
            "Wrong axis: you gave each token one mask for all cells, its mean over the grid.": (
                grid
                + write(0 * mask_logits + sigmoid(mask_logits).mean((1, 2), keepdims=True), tokens)
            ),
            "You masked the grid as well; only what is written is masked.": (
                grid * sigmoid(mask_logits).mean(axis=3, keepdims=True) + written
            ),
        }

    compare(answer, right, wrong, draw)
    return "the masks, the sum and the residual, 3 random shapes"


@exercise
def check_merge_pairs(answer):
    """Check `merge_pairs(tokens, sizes, count)` (notebook 07).

    `(tokens, dim)` and `(tokens,)` to `(tokens - count, dim)`: first the tokens at even places that
    were not merged, then those at odd places.
    """

    def draw(rng):
        count, dim = int(rng.integers(3, 6)), int(rng.integers(6, 9))
        kept = int(rng.integers(1, 3))
        # near copies of the second odd token, so that it gets several partners
        tokens = random(rng, 2 * (count + kept), dim)
        near = tokens[3] + 0.3 * random(rng, 2, dim)
        tokens[[0, 4]] = near * rng.uniform(0.5, 2, (2, 1))
        return tokens.astype("float32"), rng.integers(1, 6, len(tokens)).astype("float32"), count

    def right(tokens, sizes, count, cosine=True, last=False, sign=1, keep=False):
        even, odd = tokens[0::2], tokens[1::2]
        units = [x / np.linalg.norm(x, axis=1, keepdims=True) if cosine else x for x in (even, odd)]
        likeness = units[0] @ units[1].T
        merged = np.argsort(-sign * likeness.max(axis=1))[:count]
        before, weights = odd * sizes[1::2, None], sizes[1::2].copy()
        sums = before.copy()
        for i in merged:
            j = likeness[i].argmax()
            if last:  # what `sums[partners] += …` does where a partner comes twice
                sums[j], weights[j] = before[j], sizes[1::2][j]
            sums[j] += even[i] * sizes[0::2][i]
            weights[j] += sizes[0::2][i]
        rest = even if keep else np.delete(even, merged, axis=0)
        return np.concatenate([rest, sums / weights[:, None]])

    def wrong(tokens, sizes, count):
        merge = partial(right, tokens, sizes, count)
        exchanged = np.arange(len(tokens)) ^ 1  # 1, 0, 3, 2, …
        left = len(tokens) // 2 - count
        return {
            "The plain mean counts a token that stands for five cells as much as one that stands "
            "for one: weight each by its size.": right(tokens, np.ones_like(sizes), count),
            "You compared by the dot product, which prefers long tokens; divide each by its length "
            "first.": merge(cosine=False),
            "Of several tokens with the same partner only one was merged: `x[index] += y` counts a "
            "repeated index once. Use `np.add.at`.": merge(last=True),
            "You merged the pairs that are least alike.": merge(sign=-1),
            "The merged tokens are still there: drop those at even places that were merged.": (
                merge(keep=True)
            ),
            "Even and odd places are exchanged: the tokens at 0, 2, 4, … look for a partner among "
            "those at 1, 3, 5, ….": right(tokens[exchanged], sizes[exchanged], count),
            "The order is the other way round: first the tokens at even places that are left, then "
            "those at odd ones.": np.roll(merge(), -left, axis=0),
        }

    compare(answer, right, wrong, draw)
    return "tokens of 3 random sizes, some with the same partner"
