"""Checks for what notebook 02 builds, and for its exercises."""

from functools import partial

import keras
import numpy as np

from tlvit_utils.blocks import MLP, TransformerBlock
from tlvit_utils.checks.answers import (
    CheckError,
    compare,
    exercise,
    random,
    sizes,
    softmax,
    to_numpy,
)
from tlvit_utils.checks.layers import check_dropout_of, check_option, compare_layers

TWO_TOKENS = np.array([[[1.0, 3.0], [2.0, 0.0]]], "float32")  # (batch = 1, tokens = 2, dim = 2)


def attention(queries, keys, values):
    """Return what each query reads, `(asking, dim)`."""
    scores = queries @ keys.T / np.sqrt(keys.shape[-1])
    return softmax(scores, axis=-1) @ values


@exercise(ours=attention)
def check_attention(answer):
    """Check `attention(queries, keys, values)`."""

    def draw(rng):
        asking, read, width, dim = sizes(rng, 4)
        return random(rng, asking, width), random(rng, read, width), random(rng, read, dim)

    def wrong(queries, keys, values):
        products = queries @ keys.T
        scores = products / np.sqrt(keys.shape[-1])
        powers = np.exp(scores)

        def weighted(scores):
            return softmax(scores, axis=-1) @ values

        return {
            "Softmax: each row must sum to 1, so take the last axis.": (
                softmax(scores, axis=0) @ values
            ),
            "Keep the sum's axis: each row must have its own.": powers / powers.sum() @ values,
            "The scores are not divided by the root of the width.": weighted(products),
            "You divided by the width; take its square root.": weighted(products / keys.shape[-1]),
            "You took the number of tokens for the width.": weighted(products / np.sqrt(len(keys))),
            "The weights do not sum to 1: divide the exponentials by their sum.": powers @ values,
            "The softmax is missing: the scores themselves weight the values.": scores @ values,
            "You returned the weights; multiply them by the values.": softmax(scores, -1),
        }

    queries = np.array([[1.0, 0.0], [1.0, 1.0]])
    small = queries, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 4.0]])
    compare(answer, attention, wrong, draw, small)


@exercise(name="MLP", ours=MLP)
def check_mlp(answer):
    """Check the layer `MLP(hidden_units, dropout_rate, activate_last)`."""
    for activate_last in (True, False):
        small = ((2, 2), 0.0, activate_last), {"x": TWO_TOKENS}
        large = ((7, 5, 3), 0.0, activate_last), [(2, 4, 3)]
        compare_layers(answer, MLP, ["dense_layers"], small, large, _wrong_mlp)
    layer, x = answer((64, 8), 0.5, False), random(np.random.default_rng(0), 2, 3, 8)
    check_dropout_of(layer, x.shape)
    still, dropped = to_numpy(layer(x)), to_numpy(layer(x, training=True))
    kept = dropped != 0
    if kept.all():
        raise CheckError("Dropout is missing after the last layer.")
    if np.allclose(dropped[kept], 2 * still[kept], rtol=1e-3):
        raise CheckError("Dropout is missing after the hidden layers.")


def _wrong_mlp(layer, x):
    """Return what the package's MLP makes of `x` with each mistake, by its sentence."""
    gelu, exact = (partial(keras.ops.gelu, approximate=each) for each in (True, False))
    last = layer.activate_last

    def variant(act, inner=True, last=last):
        *hidden, end = layer.dense_layers
        y = x
        for dense in hidden:
            y = act(dense(y)) if inner else dense(y)
        return to_numpy(act(end(y)) if last else end(y))

    at_the_end = (
        "GELU is missing after the last layer: `activate_last` is True."
        if last
        else "GELU after the last layer, although `activate_last` is False."
    )
    return {
        at_the_end: variant(gelu, last=not last),
        "GELU is missing inside: two Dense layers are one.": variant(gelu, inner=False),
        "You used ReLU instead of GELU.": variant(keras.ops.relu),
        "This is the exact GELU; the published code takes `approximate=True`.": variant(exact),
    }


@exercise(name="TransformerBlock", ours=TransformerBlock)
def check_transformer_block(answer):
    """Check the layer `TransformerBlock`."""
    parts = ["norm1", "attention", "norm2", "mlp"]
    small = (1, 2, (2, 2), 0.0), {"x": TWO_TOKENS}
    large = (3, 4, (7, 6), 0.0), [(2, 5, 6)]
    pair = compare_layers(answer, TransformerBlock, parts, small, large, _wrong_block)
    what = {"x": "what comes without it", "scores": "the weights that `attention` returns"}
    check_option(*pair, (2, 5, 6), "return_attention_scores", **what)
    check_dropout_of(answer(2, 4, (8,), 0.5), (2, 3, 8))


def _wrong_block(block, x):
    """Return what the package's block makes of `x` with each mistake, by its sentence."""
    norm1, norm2, mlp, attend = block.norm1, block.norm2, block.mlp, block.attention
    x = keras.ops.convert_to_tensor(x)
    normed = norm1(x)
    attended = attend(normed, normed)
    y = x + attended
    post = norm1(x + attend(x, x))

    def with_mlp(y):
        return y + mlp(norm2(y))

    wrong = {
        "You used `norm1` twice: the MLP has its own norm, `norm2`.": y + mlp(norm1(y)),
        "Attention read `x` without its norm: pass `normed`, twice.": with_mlp(x + attend(x, x)),
        "Keys and values come from `x`; pass `normed`, twice.": with_mlp(x + attend(normed, x)),
        "The queries come from `x`; pass `normed`, twice.": with_mlp(x + attend(x, normed)),
        "The MLP read `x` without its norm.": y + mlp(y),
        "The first residual is missing: add what attention gives to `x`.": with_mlp(attended),
        "The second residual is missing: add what the MLP gives to `x`.": mlp(norm2(y)),
        "Both residuals are missing: each step must be added to `x`.": mlp(norm2(attended)),
        "A residual adds `x` as it came in, not the normed tokens.": with_mlp(normed + attended),
        "The MLP must read the result of the first step, and be added to it.": with_mlp(x),
        "The MLP is added to `x`; add it to the result of the first step.": x + mlp(norm2(y)),
        "The two steps run side by side; the MLP must read what attention gave.": y + mlp(norm2(x)),
        "This is a post-norm block: the norms come before each step.": norm2(post + mlp(post)),
        "The MLP's step is missing.": y,
    }
    return {sentence: to_numpy(result) for sentence, result in wrong.items()}


@exercise
def check_dropout(answer):
    """Check `dropout(x, rate, noise, training)`, arrays `(batch, dim)`."""

    def draw(rng, training):
        shape = sizes(rng, 2, low=4)
        return random(rng, *shape), rng.uniform(0.2, 0.4), rng.uniform(size=shape), training

    def dropped(x, rate, noise):
        return np.where(noise < rate, 0, x / (1 - rate))

    def right(x, rate, noise, training):
        return dropped(x, rate, noise) if training else x

    def wrong(x, rate, noise, training):
        return {
            "There is dropout at inference: `x` must come out unchanged.": dropped(x, rate, noise),
            "In training nothing was dropped.": x,
            "The rest must be scaled up by 1 / (1 - rate).": np.where(noise < rate, 0, x),
            "It is the other way round: drop `rate`.": np.where(noise < rate, x / (1 - rate), 0),
            "Scale up in training, and leave inference alone.": x * (1 - rate),
        }

    x, noise = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[0.9, 0.1, 0.6, 0.4]])
    for training in (True, False):
        compare(answer, right, wrong, partial(draw, training=training), (x, 0.25, noise, training))


@exercise
def check_attention_with_heads(answer):
    """Check `attention_with_heads(queries, keys, values, num_heads)`."""

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

    def strided(x, heads):
        return x.reshape(*x.shape[:2], -1, heads).transpose(0, 3, 1, 2)

    def join_strided(x):  # undoes `strided`
        return x.transpose(0, 2, 3, 1).reshape(len(x), x.shape[2], -1)

    def right(queries, keys, values, heads, axis=-1, width=None, split=split, join=join):
        queries, keys, values = (split(x, heads) for x in (queries, keys, values))
        scores = queries @ keys.swapaxes(2, 3) / np.sqrt(width or queries.shape[-1])
        return join(softmax(scores, axis) @ values)

    def wrong(queries, keys, values, heads):
        one_head = right(queries, keys, values, 1)
        attend = partial(right, queries, keys, values, heads)
        return {
            "Softmax over the wrong axis: sum over the tokens that are read.": attend(axis=-2),
            "Softmax over the wrong axis: the heads must not compete.": attend(axis=1),
            "The scores were not divided by the root of the width.": attend(width=1),
            "That is the whole width: a head has dim / num_heads.": attend(width=queries.shape[-1]),
            "All heads were treated as one: each must have its own weights.": one_head,
            "Transposed axes: undo the transpose before the last reshape.": attend(join=flatten),
            "Split the width, and then transpose it.": attend(split=cut_tokens, join=flatten),
            "You split the tokens among the heads; split the width.": attend(split=cut_tokens),
            "Split the width into (num_heads, dim / num_heads).": attend(split=strided),
            "A head is a block of the width, not every h-th number.": attend(
                split=strided, join=join_strided
            ),
        }

    queries = np.array([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]]])  # width 4 for 2 heads
    compare(answer, right, wrong, draw, small=(queries, queries, 4 * queries, 2))
