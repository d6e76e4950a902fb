"""Checks for the exercises of notebook 02."""

from functools import partial

import numpy as np

from tlvit_utils.checks.comparison import (
    compare,
    exercise,
    random,
    sizes,
    softmax,
    to_numpy,
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

    for training in (True, False):
        compare(answer, right, wrong, partial(draw, training=training))
    return "in training and at inference, 3 random shapes each"


@exercise
def check_post_norm_block(answer):
    """Check `post_norm_block(x, attention, norm1, mlp, norm2)` (notebook 02).

    An array `(batch, tokens, dim)` and four functions that keep its shape, to this shape.
    """

    def draw(rng):
        batch, tokens, dim = sizes(rng, 3, low=3)
        mix, weights = random(rng, tokens, tokens), random(rng, dim, dim)

        def norm(scale, x):
            x = to_numpy(x)
            return scale * (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)

        return (
            random(rng, batch, tokens, dim),
            lambda x: mix @ to_numpy(x),
            partial(norm, 2),
            lambda x: np.tanh(to_numpy(x) @ weights),
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

    compare(answer, right, wrong, draw)
    return "both residuals and both norms, 3 random shapes"


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

    compare(answer, right, wrong, draw)
    return "the softmax, the scale and the heads, 3 random shapes"
