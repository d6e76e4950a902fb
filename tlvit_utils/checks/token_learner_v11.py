"""Checks for what notebook 07 builds, and for its exercises."""

from functools import partial, wraps

import keras
import numpy as np

from tlvit_utils.checks.answers import (
    CheckError,
    compare,
    compare_pairs,
    exercise,
    numbers,
    random,
    same,
    shown,
    sigmoid,
    sizes,
    softmax,
    to_numpy,
)
from tlvit_utils.checks.layers import check_dropout_of, check_option, compare_layers
from tlvit_utils.token_fuser import TokenFuser
from tlvit_utils.token_learner import TokenLearnerV11, softmax_pooling

RESHAPED = (
    "Reshape instead of transpose: it cuts the numbers into rows of another length, so a token's "
    "map is made of all tokens' logits in a few cells. Exchange the axes with a transpose."
)
COMPETE = "Softmax over the wrong axis: the cells of a map must compete, not the tokens."
MEAN = "You took the mean over the cells; the maps sum to 1 already, so take the sum."
ORDER = "Transposed axes: the order is (batch, tokens, dim)."


def _read(maps, grid):
    """Return the sum over cells of map times grid, `(batch, num_tokens, dim)`."""
    return np.einsum("bhws,bhwc->bsc", maps, grid)


def _tensors(function):
    """Return `function` with its arguments turned into tensors."""
    return wraps(function)(lambda *arrays: function(*map(keras.ops.convert_to_tensor, arrays)))


def _wrong_pooling(logits, values):
    """Return the tokens of typical mistakes in `softmax_pooling`, by their sentences."""
    batch, *grid, count = logits.shape
    size = grid[0] * grid[1]
    cells = values.reshape(batch, size, -1)
    flat = logits.reshape(batch, size, count).swapaxes(1, 2)  # (batch, tokens, cells)
    tokens = softmax(flat, 2) @ cells
    return {
        RESHAPED: softmax(logits.reshape(batch, count, size), 2) @ cells,
        COMPETE: softmax(flat, 1) @ cells,
        "The softmax is missing: the logits themselves weight the cells.": flat @ cells,
        "That is v1's sigmoid: in v1.1 the cells of a map compete.": sigmoid(flat) @ cells,
        MEAN: tokens / size,
        ORDER: tokens.swapaxes(1, 2),
    }


@exercise(ours=softmax_pooling)
def check_softmax_pooling(answer):
    """Check `softmax_pooling(logits, values)`, which returns tokens and maps."""

    def draw(rng):
        batch, height, width, dim, tokens = sizes(rng, 5, high=9)
        return random(rng, batch, height, width, tokens), random(rng, batch, height, width, dim)

    def right(logits, values):
        return [to_numpy(each) for each in _tensors(softmax_pooling)(logits, values)]

    def wrong_maps(logits, values):
        tokens, maps = right(logits, values)
        return {
            "The order is (tokens, maps).": tokens,
            "The maps have the shape (batch, tokens, height, width).": maps.transpose(0, 2, 3, 1),
        }

    logits = np.log([[[1.0, 4.0], [2.0, 3.0]], [[3.0, 2.0], [4.0, 1.0]]])[None].astype("float32")
    small = logits, np.arange(1, 5, dtype="float32").reshape(1, 2, 2, 1)
    wrong = {"tokens": _wrong_pooling, "maps": wrong_maps}
    compare_pairs(_tensors(answer), right, wrong, draw, small)


@exercise(name="TokenLearnerV11", ours=TokenLearnerV11)
def check_token_learner_v11(answer):
    """Check the layer `TokenLearnerV11(num_tokens, bottleneck_dim, dropout_rate)`."""

    def wrong(layer, x):
        normed = layer.norm(x)
        logits = to_numpy(layer.mlp(normed))
        return {
            "The maps must weight the raw grid, not the normalised one.": _tokens(logits, normed),
            "The maps come from the raw grid, not the normalised one.": _tokens(layer.mlp(x), x),
            **_wrong_pooling(logits, x),
        }

    small = (2,), {"x": np.arange(8, dtype="float32").reshape(1, 2, 2, 2) ** 2}
    large = (3, 7), [(2, 4, 5, 6)]
    pair = compare_layers(answer, TokenLearnerV11, ["norm", "mlp"], small, large, wrong)
    what = {"tokens": "what comes without it", "maps": "what `softmax_pooling` gives"}
    check_option(*pair, (2, 4, 5, 6), "return_attention_maps", **what)
    check_dropout_of(answer(3, 64, 0.5), (2, 4, 5, 6))


def _tokens(logits, values):
    return to_numpy(_tensors(softmax_pooling)(logits, values)[0])


def _moved(grid, order):
    """Return a grid with its cells in another order."""
    return grid.reshape(len(grid), -1, grid.shape[-1])[:, order].reshape(grid.shape)


def permutation_test(layer, grid, order):
    """Return the largest change of a layer's tokens when the cells come in another order."""
    return np.abs(to_numpy(layer(_moved(grid, order))) - to_numpy(layer(grid))).max()


def _swaps(rng, count):
    """Return an order that swaps pairs, so that it does not matter which way it is read."""
    order = np.arange(count)
    first, second = rng.permutation(count)[: count // 2 * 2].reshape(2, -1)
    order[first], order[second] = second, first
    return order


@exercise(ours=permutation_test)
def check_permutation_test(answer):
    """Check `permutation_test(layer, grid, order)`, one number."""

    def draw(rng):
        batch, height, width, dim = sizes(rng, 4, low=3)
        places = random(rng, height, width)

        def layer(grid):
            """Tokens that depend on the places of the cells."""
            grid = to_numpy(grid)
            if grid.shape[1:] != (height, width, dim):
                raise ValueError(f"expected a grid (batch, {height}, {width}, {dim})")
            return np.einsum("hw,bhwc->bc", places, grid)[:, None]

        return layer, random(rng, batch, height, width, dim), _swaps(rng, height * width)

    def wrong(layer, grid, order):
        change = layer(_moved(grid, order)) - layer(grid)
        return {
            "You took the mean of the changes; take the largest.": np.abs(change).mean(),
            "You took the largest change with its sign: use `abs`.": change.max(),
            "You took the smallest change; take the largest.": np.abs(change).min(),
            "You compared the grids; compare the tokens.": np.abs(_moved(grid, order) - grid).max(),
            "You compared the tokens with themselves; shuffle the cells in between.": 0.0,
            "You returned the tokens' changes; return the largest.": np.abs(change),
        }

    def small_layer(grid):
        return to_numpy(grid).reshape(len(grid), 4, -1)[:, :1]  # the first cell

    small = small_layer, np.array([1.0, 2.0, 3.0, 5.0]).reshape(1, 2, 2, 1), np.array([3, 2, 1, 0])
    compare(answer, permutation_test, wrong, draw, small)


@exercise(name="TokenFuser", ours=TokenFuser)
def check_token_fuser(answer):
    """Check the layer `TokenFuser(bottleneck_dim, use_normalization, dropout_rate)`."""
    tokens = np.array([[[1.0, 3.0], [2.0, 0.0]]], "float32")
    inputs = {"tokens": tokens, "grid": np.arange(8.0).reshape(1, 2, 2, 2) ** 2}
    for use in (True, False):
        parts = ["token_mixing", "grid_norm", "mask_mlp"]
        if use:
            parts += ["tokens_norm1", "tokens_norm2"]
        large = (7, use), [(2, 3, 6), (2, 4, 5, 6)]
        compare_layers(answer, TokenFuser, parts, ((64, use), inputs), large, _wrong_fused)


def _wrong_fused(layer, tokens, grid):
    """Return what the package's layer makes of its inputs with each mistake, by its sentence."""
    use = layer.use_normalization

    def transposed(x):
        return keras.ops.transpose(x, (0, 2, 1))

    def reshaped(x):
        return keras.ops.reshape(x, (len(x), x.shape[2], x.shape[1]))

    def mixed(tokens, first=use, mix=True, last=use, turn=transposed):
        tokens = layer.tokens_norm1(tokens) if first else keras.ops.convert_to_tensor(tokens)
        if mix:
            tokens = turn(layer.token_mixing(turn(tokens)))
        return to_numpy(layer.tokens_norm2(tokens) if last else tokens)

    def write(masks, tokens):
        return np.einsum("bhws,bsc->bhwc", masks, tokens)

    logits, raw = (to_numpy(layer.mask_mlp(each)) for each in (layer.grid_norm(grid), grid))
    right, masks = mixed(tokens), sigmoid(logits)
    fused = write(masks, right)
    wrong = {
        "The sigmoid's sign is wrong: it is 1 / (1 + exp(-x)).": write(sigmoid(-logits), right),
        "The sigmoid is missing: the masks lie between 0 and 1.": write(logits, right),
        "Not a softmax over the tokens: each mask is a sigmoid.": write(softmax(logits, 3), right),
        "The masks come from the raw grid, not the normalised one.": write(sigmoid(raw), right),
        "You added the grid; the fuser's caller does that.": grid + fused,
        "The tokens are not mixed with each other.": write(masks, mixed(tokens, mix=False)),
        "You took the mean over the tokens; each cell is the sum.": fused / tokens.shape[1],
        "Reshape instead of transpose: it mixes the tokens' numbers before the Dense layer.": (
            write(masks, mixed(tokens, turn=reshaped))
        ),
    }
    if use:
        wrong |= {
            "The first norm of the tokens is missing.": write(masks, mixed(tokens, first=False)),
            "The second norm of the tokens is missing.": write(masks, mixed(tokens, last=False)),
        }
    return wrong


@exercise
def check_masked_pooling(answer):
    """Check `masked_pooling(logits, grid, exists)`; `exists` is `(batch, height, width)`, bool."""

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
            "exp(0) is 1: mask with a large negative logit.": right(logits, grid, exists, out=0),
            "Weights sum to less than 1: mask the logits.": _read(maps * exists[..., None], grid),
            "The mask is not used: cells that do not exist still have weight.": _read(maps, grid),
            "The mask is the wrong way round: True is a real cell.": right(logits, grid, ~exists),
            COMPETE: right(logits, grid, exists, axis=3),
            "Wrong axis: each row of a map sums to 1.": right(logits, grid, exists, axis=2),
            MEAN: tokens / exists[0].size,
            ORDER: tokens.swapaxes(1, 2),
        }

    cells = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    exists = np.array([[[True, False], [True, True]]])
    compare(answer, right, wrong, draw, (np.log(cells), cells, exists))
    # real cells near 0, 1000 and -1000, and a missing one that is far from them
    logits = np.array([[0, 998, -1000], [1000, 0, 0], [1, 999, -999], [2, 1000, -998.0]])
    logits = logits.reshape(1, 2, 2, 3)
    expected = right(logits, cells, exists)
    with np.errstate(all="ignore"):  # the box below says it better than NumPy
        got = numbers(answer(logits, cells, exists))
    if not same(got, expected):
        raise CheckError(
            "Missing cells have weight where all logits are low: mask with a lower logit."
            if np.isfinite(got).all() and got.all()
            else "exp overflows, or gives only zeros. Subtract the largest logit of each map, "
            "after masking, so that its largest exp is 1.",
            {
                "called with": f"logits = {shown(logits)}\nexists = {shown(exists)}",
                "expected": shown(expected),
                "got": shown(got),
            },
        )


@exercise
def check_merge_pairs(answer):
    """Check `merge_pairs(tokens, sizes, count)`, `(tokens - count, dim)`.

    First come the tokens at even places that were not merged, then those at odd places.
    """

    def draw(rng):
        count, dim = int(rng.integers(3, 6)), int(rng.integers(6, 9))
        kept = int(rng.integers(1, 3))
        # near copies of the second odd token, so that it gets several partners
        tokens = random(rng, 2 * (count + kept), dim)
        near = tokens[3] + 0.3 * random(rng, 2, dim)
        tokens[[0, 4]] = near * rng.uniform(0.5, 2, (2, 1))
        return tokens.astype("float32"), rng.integers(1, 6, len(tokens)).astype("float32"), count

    def once(x, index, y):
        x[index] += y

    def right(tokens, sizes, count, cosine=True, add=2 * (np.add.at,), sign=1, keep=False):
        even, odd = tokens[0::2], tokens[1::2].copy()
        units = [x / np.linalg.norm(x, axis=1, keepdims=True) if cosine else x for x in (even, odd)]
        likeness = units[0] @ units[1].T
        merged = np.argsort(-sign * likeness.max(axis=1))[:count]
        partners, added, weights = likeness[merged].argmax(axis=1), sizes[0::2][merged], sizes[1::2]
        if add is None:  # one after the other, with the sizes from before the first merge
            for i, j, size in zip(merged, partners, added, strict=True):
                odd[j] = (odd[j] * weights[j] + even[i] * size) / (weights[j] + size)
        else:
            sums, weights = odd * weights[:, None], weights.copy()
            add[0](sums, partners, even[merged] * added[:, None])
            add[1](weights, partners, added)
            odd = sums / weights[:, None]
        return np.concatenate([even if keep else np.delete(even, merged, axis=0), odd])

    def wrong(tokens, sizes, count):
        merge = partial(right, tokens, sizes, count)
        swapped = np.arange(len(tokens)) ^ 1  # 1, 0, 3, 2, …
        left = len(tokens) // 2 - count
        return {
            "A plain mean: weight each by its size.": right(tokens, np.ones_like(sizes), count),
            "Stale sizes: add the sizes up as well, and use the sum.": merge(add=None),
            "You divided by the old sizes.": merge(add=(np.add.at, lambda *_: None)),
            "The dot product prefers long tokens: divide by the length.": merge(cosine=False),
            "`x[index] += y` counts a repeated index once: use `np.add.at`.": merge(
                add=2 * (once,)
            ),
            "`sums[…] += y` counts a repeated index once.": merge(add=(once, np.add.at)),
            "`weights[…] += y` counts a repeated index once.": merge(add=(np.add.at, once)),
            "You merged the pairs that are least alike.": merge(sign=-1),
            "The merged tokens are still there: drop them.": merge(keep=True),
            "Even and odd places are swapped.": right(tokens[swapped], sizes[swapped], count),
            "The order is the other way round: even ones first.": np.roll(merge(), -left, axis=0),
        }

    # both even tokens that merge are most like the first odd one
    tokens = np.array([[4.0, 3.0], [1.0, 0.0], [2.0, 1.0], [0.0, 1.0], [3.0, 3.0], [-1.0, 0.0]])
    compare(answer, right, wrong, draw, small=(tokens, np.array([1.0, 2, 3, 1, 2, 1]), 2))
