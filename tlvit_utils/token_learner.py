"""TokenLearner: a grid of tokens becomes a few learned ones (notebook 03)."""

from functools import partial
from math import isqrt
from numbers import Integral

import keras
from keras import layers, ops

from tlvit_utils.blocks import LAYER_NORM_EPSILON


def check_count(name, count, advice=""):
    """Return `count`, called `name` in the message, as an int.

    Raises:
        ValueError: it is no whole number of at least 1.
    """
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise ValueError(
            f"{name} is {count!r}, but it must be a whole number of at least 1{advice}."
        )
    return int(count)


def check_num_tokens(num_tokens):
    """Return `num_tokens` as an int, as `check_count` does."""
    advice = "; for a network without TokenLearner use ViTConfig(num_tokens=None)"
    return check_count("num_tokens", num_tokens, advice)


def check_pooling(pooling):
    """Raise a ValueError unless `pooling` is "mean" or "sum"."""
    if pooling not in ("mean", "sum"):
        raise ValueError(f"pooling is {pooling!r}, but it must be 'mean' or 'sum'.")


def grid_shape(shape):
    """Return `(height, width, dim)` of the grid that an input of this shape stands for.

    Args:
        shape: `(batch, height, width, dim)`, or `(batch, tokens, dim)` with a square number.

    Raises:
        ValueError: another number of axes, a size other than the batch's that is not known, or a
            number of tokens that is not square.
    """
    if len(shape) not in (3, 4):
        raise ValueError(
            f"The input has shape {tuple(shape)}, but TokenLearner expects (batch, height, width, "
            "dim) or (batch, tokens, dim)."
        )
    if None in shape[1:]:
        raise ValueError(
            f"The input has shape {tuple(shape)}, but TokenLearner must know every size except "
            "the batch's; give the model's Input a fixed shape."
        )
    if len(shape) == 4:
        return tuple(shape[1:])
    tokens, dim = shape[1:]
    side = isqrt(tokens)
    if side * side != tokens:
        raise ValueError(
            f"The input has {tokens} tokens, which is not a square number, so its grid is "
            "unknown; reshape it to (batch, height, width, dim)."
        )
    return side, side, dim


def to_grid(x):
    """Return `x` as `(batch, height, width, dim)`; see `grid_shape` for what `x` may be."""
    return ops.reshape(x, (-1, *grid_shape(x.shape)))


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TokenLearner(layers.Layer):
    """TokenLearner v1: each learned token is a weighted sum over the whole grid.

    LayerNorm, then four 3×3 "same" convolutions without bias and with as many filters as tokens
    (GELU after three, sigmoid after the last) give one spatial map per token. Each map weights
    the raw, not the normalised, grid, and the mean or the sum over the grid is the token.

    Source: Ryoo et al. 2021 (arXiv 2106.11297), section 2.2; `TokenLearnerModule` in
    google-research/scenic, which sums by default; the published Keras example takes the mean.
    The pooling is one matrix product here: same result, without the product of every map with
    every channel in memory.

    Args:
        num_tokens: number of learned tokens S, at least 1.
        pooling: "mean" divides by the grid's size, "sum" does not.
        approximate_gelu: tanh form of GELU (as both sources) or the exact one.

    Call arguments:
        x: `(batch, height, width, dim)`, or `(batch, tokens, dim)` with a square number of
            tokens.
        return_attention_maps: whether to return the maps too.

    Returns:
        Tokens `(batch, num_tokens, dim)`, or these and maps `(batch, num_tokens, height, width)`
        with values in (0, 1).

    Raises:
        ValueError: `num_tokens` that is no whole number of at least 1, an unknown pooling, or an
            input that is no grid.
    """

    def __init__(self, num_tokens, pooling="mean", approximate_gelu=True, **kwargs):
        super().__init__(**kwargs)
        check_pooling(pooling)
        self.num_tokens = check_num_tokens(num_tokens)
        self.pooling = pooling
        self.approximate_gelu = approximate_gelu
        gelu = partial(ops.gelu, approximate=approximate_gelu)
        policy = self.dtype_policy
        self.norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=policy)
        self.convs = [
            layers.Conv2D(
                self.num_tokens,
                3,
                padding="same",
                data_format="channels_last",
                use_bias=False,
                activation=activation,
                dtype=policy,
            )
            for activation in (gelu, gelu, gelu, "sigmoid")
        ]

    def build(self, input_shape):
        height, width, dim = grid_shape(input_shape)
        self.norm.build((None, height, width, dim))
        for conv in self.convs:
            conv.build((None, height, width, dim))
            dim = self.num_tokens
        self.built = True

    def call(self, x, return_attention_maps=False):
        grid = to_grid(x)
        _, height, width, dim = grid.shape
        maps = self.norm(grid)
        for conv in self.convs:
            maps = conv(maps)  # (batch, height, width, num_tokens)
        maps = ops.reshape(maps, (-1, height * width, self.num_tokens))
        maps = ops.transpose(maps, (0, 2, 1))  # (batch, num_tokens, height * width)
        cells = ops.reshape(grid, (-1, height * width, dim))
        tokens = ops.matmul(maps, cells)  # (batch, num_tokens, dim)
        if self.pooling == "mean":
            tokens = tokens / (height * width)
        if return_attention_maps:
            return tokens, ops.reshape(maps, (-1, self.num_tokens, height, width))
        return tokens

    def get_config(self):
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "pooling": self.pooling,
            "approximate_gelu": self.approximate_gelu,
        }
