"""Checks for what notebook 02 builds, and for its exercises."""

from functools import partial

import keras
import numpy as np

from tlvit_utils.blocks import MLP, TransformerBlock
from tlvit_utils.checks.comparison import (
    CheckError,
    compare,
    exercise,
    random,
    sizes,
    softmax,
    to_numpy,
)
from tlvit_utils.checks.layers import IDENTITY, RANDOM, apply, check_dropout_of, layer_pairs

TWO_TOKENS = np.array([[[1.0, 3.0], [2.0, 0.0]]], "float32")  # (batch = 1, tokens = 2, dim = 2)


def attention(queries, keys, values):
    """Return what each query reads, `(asking, dim)`."""
    scores = queries @ keys.T / np.sqrt(keys.shape[-1])
    return softmax(scores, axis=-1) @ values


@exercise(ours=attention)
def check_attention(answer):
    """Check `attention(queries, keys, values)` (notebook 02).

    `(asking, width)`, `(read, width)` and `(read, dim)` to `(asking, dim)`.
    """

    def draw(rng):
        asking, read, width, dim = sizes(rng, 4)
        return random(rng, asking, width), random(rng, read, width), random(rng, read, dim)

    def wrong(queries, keys, values):
        products = queries @ keys.T
        scores = products / np.sqrt(keys.shape[-1])
        powers = np.exp(scores)
        return {
            "Softmax over the wrong axis: each row must sum to 1, so sum over the last axis.": (
                softmax(scores, axis=0) @ values
            ),
            "The sum must keep its axis (`keepdims=True`), and each row must have its own.": (
                powers / powers.sum() @ values
            ),
            "The scores are not divided by the root of the width.": softmax(products, -1) @ values,
            "You divided by the width; divide by its square root.": (
                softmax(products / keys.shape[-1], -1) @ values
            ),
            "You divided by the root of the number of tokens; the width is `keys.shape[-1]`.": (
                softmax(products / np.sqrt(len(keys)), -1) @ values
            ),
            "The weights do not sum to 1: divide the exponentials by their sum.": powers @ values,
            "The softmax is missing: the scores themselves weight the values.": scores @ values,
            "You returned the weights; multiply them with the values.": softmax(scores, -1),
        }

    queries = np.array([[1.0, 0.0], [1.0, 1.0]])
    small = queries, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 4.0]])
    compare(answer, attention, wrong, draw, small)
    return "3 random shapes"


@exercise(name="MLP", ours=MLP)
def check_mlp(answer):
    """Check the layer `MLP(hidden_units, dropout_rate, activate_last)` (notebook 02)."""
    for activate_last in (True, False):
        mine, theirs = layer_pairs(
            answer,
            MLP,
            ["dense_layers"],
            (((2, 2), 0.0, activate_last), (1, 2, 2)),
            (((7, 5, 3), 0.0, activate_last), (2, 4, 3)),
        )
        dense = {name: layer.dense_layers for name, layer in theirs.items()}

        def variant(x, weights, act, last=activate_last, first=True, dense=dense):
            *hidden, end = dense[weights]
            for each in hidden:
                x = act(each(x)) if first else each(x)
            return to_numpy(act(end(x)) if last else end(x))

        def wrong(x, weights, variant=variant, activate_last=activate_last):
            gelu = partial(keras.ops.gelu, approximate=True)
            last = (
                "GELU is missing after the last layer: `activate_last` is True."
                if activate_last
                else "GELU after the last layer, although `activate_last` is False."
            )
            return {
                last: variant(x, weights, gelu, last=not activate_last),
                "No GELU after the hidden layers; without it, two Dense layers are one.": variant(
                    x, weights, gelu, first=False
                ),
                "ReLU in place of GELU.": variant(x, weights, keras.ops.relu),
                "This is the exact GELU; the published code takes `approximate=True`.": variant(
                    x, weights, partial(keras.ops.gelu, approximate=False)
                ),
            }

        def draw(rng):
            return random(rng, *sizes(rng, 2), 3), RANDOM

        compare(
            lambda x, weights, mine=mine: apply(mine[weights], x),
            lambda x, weights, theirs=theirs: apply(theirs[weights], x),
            wrong,
            draw,
            small=(TWO_TOKENS, IDENTITY),
        )
    dropping = answer((64, 8), 0.5, False)
    check_dropout_of(dropping, np.ones((2, 3, 8), "float32"))
    return "both ends, with the package's weights, and dropout"


@exercise(name="TransformerBlock", ours=TransformerBlock)
def check_transformer_block(answer):
    """Check the layer `TransformerBlock` (notebook 02)."""
    mine, theirs = layer_pairs(
        answer,
        TransformerBlock,
        ["norm1", "attention", "norm2", "mlp"],
        ((1, 2, (2, 2), 0.0), (1, 2, 2)),
        ((3, 4, (7, 6), 0.0), (2, 5, 6)),
    )

    def wrong(x, weights):
        block = theirs[weights]
        norm1, norm2, mlp, attend = block.norm1, block.norm2, block.mlp, block.attention
        x = keras.ops.convert_to_tensor(x)
        normed = norm1(x)
        attended = attend(normed, normed)
        y = x + attended
        raw, mixed, turned = x + attend(x, x), x + attend(normed, x), x + attend(x, normed)
        alone = attended + mlp(norm2(attended))
        wrong = {
            "`norm1` twice: the MLP has a norm of its own, `norm2`.": y + mlp(norm1(y)),
            "Attention read `x` without its norm: pass `normed`, twice.": raw + mlp(norm2(raw)),
            "Keys and values come from `x`; attention must read `normed`, twice.": (
                mixed + mlp(norm2(mixed))
            ),
            "The queries come from `x`; attention must read `normed`, twice.": (
                turned + mlp(norm2(turned))
            ),
            "The MLP read `x` without its norm.": y + mlp(y),
            "The first residual is missing: add what attention gives to `x`.": alone,
            "The second residual is missing: add what the MLP gives to `x`.": mlp(norm2(y)),
            "Both residuals are missing: each step must be added to `x`.": mlp(norm2(attended)),
            "You added the normed tokens: a residual adds `x` as it came in.": (
                normed + attended + mlp(norm2(normed + attended))
            ),
            "The MLP must read what the first step gave, and be added to that.": (
                x + mlp(norm2(x))
            ),
            "The MLP is added to the block's input; add it to what the first step gave.": (
                x + mlp(norm2(y))
            ),
            "The two steps run side by side; the MLP must read what attention gave.": (
                y + mlp(norm2(x))
            ),
            "This is a post-norm block: the norms stand before each step, not after it.": (
                norm2(norm1(x + attend(x, x)) + mlp(norm1(x + attend(x, x))))
            ),
            "The MLP's step is missing.": y,
        }
        return {sentence: to_numpy(result) for sentence, result in wrong.items()}

    def draw(rng):
        return random(rng, *sizes(rng, 2), 6), RANDOM

    compare(
        lambda x, weights: apply(mine[weights], x),
        lambda x, weights: apply(theirs[weights], x),
        wrong,
        draw,
        small=(TWO_TOKENS, IDENTITY),
    )
    _check_scores(mine[RANDOM], theirs[RANDOM])
    check_dropout_of(answer(2, 4, (8,), 0.5), random(np.random.default_rng(0), 2, 3, 8))
    return "both norms, both residuals, the scores and dropout"


def _check_scores(mine, theirs):
    """Raise a CheckError unless a block returns its attention weights when it is asked to."""
    x = keras.ops.convert_to_tensor(random(np.random.default_rng(0), 2, 5, 6))
    got = mine(x, return_attention_scores=True)
    if not isinstance(got, tuple) or len(got) != 2:
        raise CheckError("With return_attention_scores=True, return the pair `(x, scores)`.")
    for name, a, b in zip(
        ("x", "scores"), got, theirs(x, return_attention_scores=True), strict=True
    ):
        if to_numpy(a).shape != to_numpy(b).shape or not np.allclose(a, b, atol=1e-5):
            raise CheckError(
                f"With return_attention_scores=True, `{name}` is wrong.",
                {"expected": f"an array {b.shape}", "got": f"an array {a.shape}"},
            )


@exercise
def check_dropout(answer):
    """Check `dropout(x, rate, noise, training)`, arrays `(batch, dim)` (notebook 02)."""

    def draw(rng, training):
        shape = sizes(rng, 2, low=4)
        return random(rng, *shape), rng.uniform(0.2, 0.4), rng.uniform(size=shape), training

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

    x, noise = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[0.9, 0.1, 0.6, 0.4]])
    for training in (True, False):
        compare(answer, right, wrong, partial(draw, training=training), (x, 0.25, noise, training))
    return "in training and at inference, 3 random shapes each"


@exercise
def check_attention_with_heads(answer):
    """Check `attention_with_heads(queries, keys, values, num_heads)` (notebook 02).

    `(batch, tokens, dim)` and twice `(batch, others, dim)` to `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, tokens, others, heads = sizes(rng, 4)
        dim = heads * int(rng.integers(2, 5))
        queries = random(rng, batch, tokens, dim)
        return queries, random(rng, batch, others, dim), random(rng, batch, others, dim), heads

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
        return join(softmax(scores, axis) @ values)

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

    queries = np.array([[[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]]])  # width 4 for 2 heads
    compare(answer, right, wrong, draw, small=(queries, queries, 4 * queries, 2))
    return "the softmax, the scale and the heads, 3 random shapes"
