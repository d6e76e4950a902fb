"""Checks for the exercises: compare an answer with the right one, and name the mistake.

Each `check_…` takes the learner's function. It calls it on a few random inputs whose sizes all
differ, so that no exchanged axes go unnoticed, and
- prints "not done yet" if the function returns None or `...`, or raises NotImplementedError;
- raises a `CheckError` if the answer is wrong. The typical mistakes are computed, too: where the
  answer equals the result of one, the message is the sentence that names it;
- prints "right" and what was checked otherwise.

Inputs are NumPy arrays. Answers may be NumPy arrays, tensors of Keras's backend, lists or numbers.
"""

from copy import deepcopy
from functools import partial, wraps

import keras
import numpy as np

from tlvit_utils.blocks import TransformerBlock
from tlvit_utils.vit import ViTConfig, build_vit

DRAWS = 3


class CheckError(AssertionError):
    """An answer is wrong; the message names the mistake where it is a typical one."""


def exercise(check):
    """Make a public check of a function that takes the guarded answer and says what was checked."""
    name = check.__name__.removeprefix("check_")  # as the notebook calls the function

    @wraps(check)
    def report(answer):
        try:
            checked = check(partial(_call, name, answer))
        except NotImplementedError:
            print(f"{name}: not done yet")
        else:
            print(f"{name}: right ({checked})")

    return report


def _call(name, answer, *arguments):
    """Return the answer to these arguments; raise NotImplementedError where there is none yet."""
    if answer is None or answer is ...:
        raise NotImplementedError
    try:
        result = answer(*arguments)
    except NotImplementedError:
        raise
    except Exception as error:
        raise CheckError(
            f"{name} was called with {_described(arguments)} and raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if result is None or result is ...:
        raise NotImplementedError
    return result


def _described(arguments):
    """Return the arguments in words: shapes of arrays, values of numbers."""
    words = []
    for x in arguments:
        if isinstance(x, np.ndarray):
            words.append(f"an array {x.shape}")
        else:
            words.append("a function" if callable(x) else f"{x}")
    return ", ".join(words)


def _to_numpy(x):
    return keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)


def _numbers(x):
    """Return an answer as an array; raise a CheckError if it is none."""
    try:
        array = _to_numpy(x)
    except (TypeError, ValueError):  # rows of different lengths, a symbolic tensor
        array = None
    if array is None or array.dtype.kind not in "biuf":
        raise CheckError(
            f"Your function returned a {type(x).__name__} that is no array of numbers."
        )
    return array


def _same(got, right):
    """Return whether two arrays agree: exactly if they count something, else nearly."""
    if got.shape != right.shape:
        return False
    if right.dtype.kind in "iu":
        return np.array_equal(got, right)
    return np.allclose(got, right, rtol=1e-4, atol=1e-5)


def _compare(answer, right, wrong, draw):
    """Raise a CheckError unless `answer` does on random arguments what `right` does.

    Args:
        answer: the guarded answer.
        right: the right function.
        wrong: function that returns the results of typical mistakes, each by its sentence.
        draw: function of a NumPy generator that returns the arguments.
    """
    for seed in range(DRAWS):
        arguments = draw(np.random.default_rng(seed))
        given = deepcopy(arguments)
        got = _numbers(answer(*given))
        for before, after in zip(arguments, given, strict=True):
            if isinstance(before, np.ndarray) and not np.array_equal(before, after):
                raise CheckError(
                    "Your function changes its input in place; whoever called it still needs the "
                    "old numbers. Work on a new array: `x = x + y` makes one, `x += y` and "
                    "`x[mask] = 0` do not."
                )
        expected = np.asarray(right(*arguments))
        if _same(got, expected):
            continue
        for sentence, result in wrong(*arguments).items():
            if _same(got, np.asarray(result)):
                raise CheckError(sentence)
        difference = _difference(got, expected)
        raise CheckError(f"{difference} It was called with {_described(arguments)}.")


def _difference(got, right):
    """Return in a sentence where two arrays differ."""
    if got.shape != right.shape:
        return f"Your answer has shape {got.shape}, but it must have shape {right.shape}."
    if not right.shape:
        return f"Your answer is {got}, but it must be {right}."
    place = np.unravel_index(np.argmax(np.abs(got - right)), right.shape)
    at = ", ".join(map(str, place))
    return (
        f"The shape of your answer is right, but the numbers are not: at [{at}] stands "
        f"{got[place]:.4g} in place of {right[place]:.4g}."
    )


def _sizes(rng, count, low=2, high=8):
    """Return `count` different sizes from `low` to `high` - 1."""
    return rng.choice(np.arange(low, high), count, replace=False).tolist()


def _random(rng, *shape):
    return rng.normal(size=shape).astype("float32")


# Notebook 01


def _join(patches, shape, axes=(0, 2, 1, 3, 4)):
    """Return `patches` as an array of `shape` with the axes in this order, as one picture."""
    blocks = patches.reshape(shape).transpose(axes)
    height, size, width, other, channels = blocks.shape
    return blocks.reshape(height * size, width * other, channels)


@exercise
def check_join_patches(answer):
    """Check `join_patches(patches, rows, columns, patch_size)` (notebook 01).

    `(rows * columns, patch_size**2 * 3)` to `(rows * patch_size, columns * patch_size, 3)`.
    """

    def draw(rng):
        rows, columns, size = _sizes(rng, 3)
        return _random(rng, rows * columns, size * size * 3), rows, columns, size

    def right(patches, rows, columns, size):
        return _join(patches, (rows, columns, size, size, 3))

    def wrong(patches, rows, columns, size):
        by_row, by_column = (rows, columns, size, size, 3), (columns, rows, size, size, 3)
        return {
            "You reshaped without a transpose: each patch was laid out as a strip, not as a "
            "square.": patches.reshape(rows * size, columns * size, 3),
            "You laid the patches out column by column; they are numbered row by row.": _join(
                patches, by_column, (1, 2, 0, 3, 4)
            ),
            "Transposed axes: inside each patch, rows and columns of pixels are exchanged.": _join(
                patches, by_row, (0, 3, 1, 2, 4)
            ),
            "Transposed axes: the whole picture lies on its side, (width, height, 3).": _join(
                patches, by_row, (1, 3, 0, 2, 4)
            ),
        }

    _compare(answer, right, wrong, draw)
    return "pictures of 3 random shapes"


@exercise
def check_encode(answer):
    """Check `encode(images, kernel, bias, positions)` (notebook 01).

    `(batch, height, width, 3)`, `(size, size, 3, dim)`, `(dim,)` and `(tokens, dim)` to
    `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, rows, columns, size = _sizes(rng, 4, high=6)
        dim = 3 * size * size  # positions can be added too early only where this is the width
        return (
            _random(rng, batch, rows * size, columns * size, 3),
            _random(rng, size, size, 3, dim),
            _random(rng, dim),
            _random(rng, rows * columns, dim),
        )

    def cut(images, size, axes=(0, 1, 3, 2, 4, 5)):
        batch, height, width, channels = images.shape
        blocks = images.reshape(batch, height // size, size, width // size, size, channels)
        return blocks.transpose(axes).reshape(batch, -1, size * size * channels)

    def right(images, kernel, bias, positions):
        return cut(images, len(kernel)) @ kernel.reshape(-1, len(bias)) + bias + positions

    def wrong(images, kernel, bias, positions):
        size, matrix = len(kernel), kernel.reshape(-1, len(bias))
        patches = cut(images, size)
        strips = cut(images, size, (0, 1, 2, 3, 4, 5))
        by_column = cut(images, size, (0, 3, 1, 2, 4, 5))
        shifted = np.roll(positions, -1, axis=0)
        return {
            "You added the positions before the projection, which mixes them with the pixels; add "
            "them to the projected patches.": (patches + positions) @ matrix + bias,
            "The positions are missing.": patches @ matrix + bias,
            "The bias of the projection is missing.": patches @ matrix + positions,
            "Off by one: patch 0 must get position 0.": patches @ matrix + bias + shifted,
            "You cut the images without a transpose: your patches are strips, not squares.": (
                strips @ matrix + bias + positions
            ),
            "Transposed axes: you numbered the patches column by column, not row by row.": (
                by_column @ matrix + bias + positions
            ),
        }

    _compare(answer, right, wrong, draw)
    return "the projection and the positions, on images of 3 random shapes"


@exercise
def check_fixed_positions(answer):
    """Check `fixed_positions(grid_size, dim)`, `(grid_size**2, dim)` (notebook 01)."""

    def draw(rng):
        grid_size, quarter = _sizes(rng, 2)
        return grid_size, 4 * quarter

    def waves(rows, columns, dim):
        frequencies = 100.0 ** (-np.arange(dim // 4) / (dim // 4))
        rows, columns = rows[:, None] * frequencies, columns[:, None] * frequencies
        parts = np.sin(rows), np.cos(rows), np.sin(columns), np.cos(columns)
        return np.concatenate(parts, axis=1)

    def right(grid_size, dim):
        return waves(*np.divmod(np.arange(grid_size**2), grid_size), dim)

    def wrong(grid_size, dim):
        numbers = np.arange(grid_size**2)
        rows, columns = np.divmod(numbers, grid_size)
        return {
            "Transposed axes: rows and columns are exchanged. Tokens are numbered row by row, and "
            "the row's numbers come first.": waves(columns, rows, dim),
            "Off by one: rows and columns count from 0.": waves(rows + 1, columns + 1, dim),
            "You used the token's number in place of its row and its column.": waves(
                numbers, numbers, dim
            ),
        }

    _compare(answer, right, wrong, draw)
    return "grids and widths of 3 random sizes"


# Notebook 02


@exercise
def check_dropout(answer):
    """Check `dropout(x, rate, noise, training)`, arrays `(batch, dim)` (notebook 02)."""

    def draw(rng, training):
        shape = _sizes(rng, 2, low=4)
        return _random(rng, *shape), rng.uniform(0.2, 0.4), rng.uniform(size=shape), training

    def right(x, rate, noise, training):
        return np.where(noise < rate, 0, x / (1 - rate)) if training else x

    def wrong(x, rate, noise, training):
        return {
            "Dropout at inference: unless `training`, the input must come out as it went in.": (
                np.where(noise < rate, 0, x / (1 - rate))
            ),
            "In training nothing was dropped.": x,
            "The numbers that stay were not scaled up by 1 / (1 - rate).": (
                np.where(noise < rate, 0, x)
            ),
            "You dropped the share 1 - rate and kept the rest; it is the other way round.": (
                np.where(noise < rate, x / (1 - rate), 0)
            ),
            "You scaled down at inference; scale up in training, and leave inference alone.": (
                x * (1 - rate)
            ),
        }

    for training in (True, False):
        _compare(answer, right, wrong, partial(draw, training=training))
    return "in training and at inference, 3 random shapes each"


@exercise
def check_post_norm_block(answer):
    """Check `post_norm_block(x, attention, norm1, mlp, norm2)` (notebook 02).

    An array `(batch, tokens, dim)` and four functions that keep its shape, to this shape.
    """

    def draw(rng):
        batch, tokens, dim = _sizes(rng, 3, low=3)
        mix, weights = _random(rng, tokens, tokens), _random(rng, dim, dim)

        def norm(scale, x):
            x = _to_numpy(x)
            return scale * (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)

        return (
            _random(rng, batch, tokens, dim),
            lambda x: mix @ _to_numpy(x),
            partial(norm, 2),
            lambda x: np.tanh(_to_numpy(x) @ weights),
            partial(norm, 3),
        )

    def right(x, attention, norm1, mlp, norm2):
        x = norm1(x + attention(x))
        return norm2(x + mlp(x))

    def wrong(x, attention, norm1, mlp, norm2):
        unadded = norm1(attention(x))
        first = norm1(x + attention(x))
        pre_norm = x + attention(norm1(x))
        early = x + unadded
        return {
            "A residual is missing: the attention's result must be added to what came in.": norm2(
                unadded + mlp(unadded)
            ),
            "A residual is missing: the MLP's result must be added to what it read.": norm2(
                mlp(first)
            ),
            "Both residuals are missing: add what came in at each step.": norm2(mlp(unadded)),
            "This is the pre-norm block: you normalised before each step, not after the "
            "addition.": pre_norm + mlp(norm2(pre_norm)),
            "You normalised before the addition; normalise the sum.": early + norm2(mlp(early)),
            "The second residual adds the block's input; add what the first step gave.": norm2(
                x + mlp(first)
            ),
        }

    _compare(answer, right, wrong, draw)
    return "both residuals and both norms, 3 random shapes"


def _softmax(x, axis):
    x = np.exp(x - x.max(axis=axis, keepdims=True))
    return x / x.sum(axis=axis, keepdims=True)


@exercise
def check_attention_with_heads(answer):
    """Check `attention_with_heads(queries, keys, values, num_heads)` (notebook 02).

    `(batch, tokens, dim)` and twice `(batch, others, dim)` to `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, tokens, others, heads = _sizes(rng, 4)
        dim = heads * int(rng.integers(2, 5))
        queries = _random(rng, batch, tokens, dim)
        return queries, _random(rng, batch, others, dim), _random(rng, batch, others, dim), heads

    def split(x, heads):  # (batch, tokens, dim) to (batch, heads, tokens, dim / heads)
        return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)

    def cut_tokens(x, heads):
        return x.reshape(len(x), heads, x.shape[1], -1)

    def join(x):  # undoes `split`
        return x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1)

    def flatten(x):  # undoes `cut_tokens`
        return x.reshape(len(x), x.shape[2], -1)

    def right(queries, keys, values, heads, axis=-1, width=None, split=split, join=join):
        queries, keys, values = (split(x, heads) for x in (queries, keys, values))
        scores = queries @ keys.swapaxes(2, 3) / np.sqrt(width or queries.shape[-1])
        return join(_softmax(scores, axis) @ values)

    def wrong(queries, keys, values, heads):
        one_head = right(queries, keys, values, 1)
        attend = partial(right, queries, keys, values, heads)
        return {
            "Softmax over the wrong axis: the weights of a token that asks must sum to 1 over the "
            "tokens that are read, the last axis.": attend(axis=-2),
            "Softmax over the wrong axis: the heads must not compete; take the last axis, the "
            "tokens that are read.": attend(axis=1),
            "The scores were not divided by the root of the width.": attend(width=1),
            "You divided by the root of the whole width; a head is only dim / num_heads wide.": (
                attend(width=queries.shape[-1])
            ),
            "All heads were taken as one: each must have weights of its own.": one_head,
            "Transposed axes: bring the heads next to the width again before the last reshape.": (
                attend(join=flatten)
            ),
            "Transposed axes: you reshaped straight to (batch, heads, tokens, …), which cuts up "
            "the tokens; split the width, then transpose.": attend(split=cut_tokens, join=flatten),
        }

    _compare(answer, right, wrong, draw)
    return "the softmax, the scale and the heads, 3 random shapes"


# Notebook 03


def _pool(grid, maps):
    """Return the sum over cells of map times grid, `(batch, num_tokens, dim)`."""
    return np.einsum("bshw,bhwc->bsc", maps, grid)


@exercise
def check_weighted_mean(answer):
    """Check `weighted_mean(grid, maps)` (notebook 03).

    `(batch, height, width, dim)` and `(batch, tokens, height, width)` to `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, height, width, dim, tokens = _sizes(rng, 5, high=9)
        maps = rng.uniform(0.1, 1, (batch, tokens, height, width)).astype("float32")
        return _random(rng, batch, height, width, dim), maps

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

    _compare(answer, right, wrong, draw)
    return "grids and maps of 3 random shapes"


@exercise
def check_softmax_maps(answer):
    """Check `softmax_maps(logits)` (notebook 03).

    `(batch, height, width, tokens)` to `(batch, tokens, height, width)`.
    """

    def draw(rng):
        return (_random(rng, *_sizes(rng, 4)),)

    def right(logits, axis=(1, 2)):
        return _softmax(logits, axis).transpose(0, 3, 1, 2)

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
                _softmax(logits, (1, 2)).reshape(maps.shape)
            ),
            "Transposed axes: the order is (batch, tokens, height, width).": maps.transpose(
                0, 2, 3, 1
            ),
            "Transposed axes: height and width are exchanged.": maps.swapaxes(2, 3),
        }

    _compare(answer, right, wrong, draw)
    return "each map sums to 1, 3 random shapes"


@exercise
def check_tokens_of_video(answer):
    """Check `tokens_of_video(video, token_learner)` (notebook 03).

    `(batch, frames, height, width, dim)` to `(batch, frames * tokens, dim)`, with a function from
    `(any, height, width, dim)` to `(any, tokens, dim)`.
    """

    def draw(rng):
        batch, frames, height, width, dim, tokens = _sizes(rng, 6, high=9)
        filters = _random(rng, dim, tokens)

        def token_learner(grids):
            grids = _to_numpy(grids)
            if grids.shape[1:] != (height, width, dim):
                raise ValueError(
                    f"token_learner was given an array {grids.shape}, but it takes (any, {height}, "
                    f"{width}, {dim}): fold the frames into the first axis"
                )
            maps = 1 / (1 + np.exp(-grids @ filters))
            return _pool(grids, maps.transpose(0, 3, 1, 2)) / (height * width)

        return _random(rng, batch, frames, height, width, dim), token_learner

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

    _compare(answer, right, wrong, draw)
    return "videos of 3 random shapes"


# Notebook 04


@exercise
def check_tokens_read(answer):
    """Check `tokens_read(num_layers, num_patches, num_tokens, after)` (notebook 04).

    A list with the number of tokens that each block reads.
    """

    def draw(rng):
        num_layers = int(rng.integers(5, 10))
        num_tokens, num_patches = sorted(_sizes(rng, 2, high=80))
        return num_layers, num_patches, num_tokens, int(rng.integers(1, num_layers - 2))

    def right(num_layers, num_patches, num_tokens, after):
        return np.where(np.arange(num_layers) > after, num_tokens, num_patches)

    def wrong(num_layers, num_patches, num_tokens, after):
        early, late = (right(num_layers, num_patches, num_tokens, after + i) for i in (-1, 1))
        return {
            "Off by one: TokenLearner stands after this block, which still reads all patches.": (
                early
            ),
            "Off by one: blocks count from 0, so the next block already reads the few tokens.": (
                late
            ),
            "These are the tokens before the first block and after each one; give those that each "
            "block reads.": np.append(num_patches, early),
        }

    _compare(answer, right, wrong, draw)
    return "3 random networks"


@exercise
def check_block_macs(answer):
    """Check `block_macs(num_tokens, dim, num_heads, key_dim, hidden)`, a number (notebook 04)."""

    def draw(rng):
        return tuple(_sizes(rng, 5, low=3, high=40))

    def right(num_tokens, dim, num_heads, key_dim, hidden, projections=4, products=2, dense=2):
        inner = num_heads * key_dim
        attention = projections * num_tokens * dim * inner + products * num_tokens**2 * inner
        return attention + dense * num_tokens * dim * hidden

    def wrong(num_tokens, dim, num_heads, key_dim, hidden):
        one_head = right(num_tokens, dim, 1, key_dim, hidden)
        macs = partial(right, num_tokens, dim, num_heads, key_dim, hidden)
        return {
            "Attention is missing, as in the published count.": macs(projections=0, products=0),
            "The scores and the weighted sum are missing: they need no weights, but work.": macs(
                products=0
            ),
            "You counted one of two products between tokens: the scores, and the weighted sum of "
            "the values.": macs(products=1),
            "You counted three projections; the output matrix is the fourth.": macs(projections=3),
            "The MLP has two Dense layers.": macs(dense=1),
            "key_dim is the width of each head; all heads together are num_heads times as wide.": (
                one_head
            ),
            "You counted multiplications and additions apart; a multiply-add is one of each.": (
                2 * macs()
            ),
        }

    _compare(answer, right, wrong, draw)
    return "blocks of 3 random sizes"


@exercise
def check_create_pyramid(answer):
    """Check `create_pyramid(config, token_learners)`, a Keras model (notebook 04).

    `token_learners` says after which block how many tokens remain. With one of them it must be the
    network of `build_vit`; with two, each block must read the right number of tokens.
    """
    config = ViTConfig.light(num_tokens=3).replace(
        patch_size=8,
        projection_dim=8,
        num_layers=4,
        num_heads=2,
        key_dim=4,
        mlp_units=(12, 8),
        dropout_rate=0.4,
        token_learner_after=1,
    )
    _compare_blocks(_model(answer, config, {1: 9, 2: 4}), [16, 16, 9, 4])
    one = _model(answer, config, {1: 3})
    _compare_blocks(one, [16, 16, 3, 3])
    _compare_predictions(one, build_vit(config))
    return "the place of two TokenLearners, and build_vit's predictions with one"


def _model(answer, *arguments):
    model = answer(*arguments)
    if not isinstance(model, keras.Model) or not model.inputs:
        raise CheckError(
            "create_pyramid must return a Keras model that was made from its input and its output."
        )
    return model


def _compare_blocks(model, expected):
    """Raise a CheckError unless the model's blocks read so many tokens."""
    blocks = [layer for layer in model.layers if isinstance(layer, TransformerBlock)]
    read = [block.input.shape[1] for block in blocks]
    if read == expected:
        return
    for shifted, where in (
        ([*expected[1:], expected[-1]], "early"),
        ([expected[0], *expected[:-1]], "late"),
    ):
        if read == shifted:
            raise CheckError(
                f"Off by one: your TokenLearners stand one block too {where}. {{1: 9}} puts one "
                "after the block with index 1, the second."
            )
    raise CheckError(f"Your blocks read {read} tokens, but they must read {expected}.")


def _compare_predictions(model, reference):
    """Raise a CheckError unless the model predicts what the reference does with its weights."""
    shapes, expected = ([w.shape for w in each.weights] for each in (model, reference))
    if shapes != expected:
        raise CheckError(
            f"With one TokenLearner your network has other weights than create_vit's "
            f"({model.count_params():,} parameters in place of {reference.count_params():,}): "
            "compare their layers."
        )
    model.set_weights(reference.get_weights())
    size = reference.input.shape[1]
    images = np.random.default_rng(0).uniform(0, 255, (4, size, size, 3)).astype("float32")
    once, again, right = (_to_numpy(each(images)) for each in (model, model, reference))
    if not np.allclose(once, again, atol=1e-6):
        raise CheckError(
            "Dropout at inference: two calls on the same images give different predictions; do "
            "not pass `training=True` when you build."
        )
    if not np.allclose(once, right, atol=1e-5):
        raise CheckError(
            "Layers and places are right, but with build_vit's weights the predictions are not "
            "its own: check `pooling`, `activate_last` and the mean over tokens."
        )
