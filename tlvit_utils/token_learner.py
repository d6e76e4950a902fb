"""TokenLearner: a grid of tokens becomes a few learned ones (v1 in notebook 03, v1.1 in 07)."""

from functools import partial
from math import isqrt

import keras
from keras import layers, ops

from tlvit_utils._composite import Composite, warn_of_one_row
from tlvit_utils._validation import POOLINGS, check_choice, check_count, check_flag, check_rate
from tlvit_utils.blocks import LAYER_NORM_EPSILON, MLP

SUM_EPSILON = 1e-4  # added to the sum of a map, which may round to 0; float16 can hold it


def grid_shape(shape):
    """Return `(height, width, dim)` of the grid that an input of this shape stands for."""
    given = f"The input has shape {tuple(shape)}"
    if len(shape) not in (3, 4):
        raise ValueError(f"{given}; expected (batch, height, width, dim) or (batch, tokens, dim).")
    if None in shape[1:]:
        raise ValueError(
            f"{given}, but every size except the batch's must be known; give the model's Input a "
            "fixed shape."
        )
    if 0 in shape[1:]:
        raise ValueError(f"{given}, which holds no cells.")
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


def softmax_pooling(logits, values):
    """Pool a grid into tokens with maps that are a softmax over the grid.

    Logits `(batch, height, width, num_tokens)` and values `(batch, height, width, dim)` become
    tokens `(batch, num_tokens, dim)` and maps `(batch, num_tokens, height, width)`.
    """
    _, height, width, num_tokens = logits.shape
    logits = ops.reshape(logits, (-1, height * width, num_tokens))
    maps = ops.softmax(ops.transpose(logits, (0, 2, 1)))  # (batch, num_tokens, height * width)
    cells = ops.reshape(values, (-1, height * width, values.shape[-1]))
    tokens = ops.matmul(maps, cells)  # (batch, num_tokens, dim)
    return tokens, ops.reshape(maps, (-1, num_tokens, height, width))


class GridToTokens(Composite):
    """Base of the layers that make `num_tokens` tokens, at least 1, from a grid.

    A subclass builds its layers in `build_for`; what else it expects of a grid is in `check_grid`,
    and `values` is what it pools.
    """

    def __init__(self, num_tokens, **kwargs):
        super().__init__(**kwargs)
        self.num_tokens = check_count("num_tokens", num_tokens)

    def build(self, input_shape):
        height, width, dim = grid_shape(input_shape)
        self.check_grid(height, width, dim)
        self.input_spec = layers.InputSpec(axes={-1: dim})
        self.build_for(height, width, dim)
        self.built = True

    def build_for(self, height, width, dim):
        """Build the layers inside, if there are any, for such a grid."""

    def check_grid(self, height, width, dim):
        """Raise a ValueError if the layer, as it was built, cannot take such a grid."""
        built_for = self.input_spec.axes[-1] if self.input_spec else dim
        if dim != built_for:
            raise ValueError(f"The input has width {dim}, but the layer was built for {built_for}.")

    def values(self, grid):
        """Return what the maps weight: the grid itself, or what the layer makes of it."""
        return grid

    def compute_output_shape(self, input_shape, return_attention_maps=False):
        height, width, dim = grid_shape(input_shape)
        self.check_grid(height, width, dim)
        tokens = (input_shape[0], self.num_tokens, dim)
        maps = (input_shape[0], self.num_tokens, height, width)
        return (tokens, maps) if return_attention_maps else tokens

    def compute_output_spec(self, x, return_attention_maps=False, training=None):
        return self._tensors(self.compute_output_shape(x.shape, return_attention_maps))

    def get_config(self):
        return {**super().get_config(), "num_tokens": self.num_tokens}


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TokenLearner(GridToTokens):
    """TokenLearner v1: each learned token is a weighted sum over the whole grid.

    LayerNorm, then four 3×3 "same" convolutions without bias and with as many filters as tokens
    (GELU after three, sigmoid after the last) give one map per token. It weights the raw grid, not
    the normalised one, and the mean or the sum over the grid is the token.

    The grid is `(batch, height, width, dim)`, or `(batch, tokens, dim)` with a square number of
    tokens. Tokens are `(batch, num_tokens, dim)`; with `return_attention_maps=True` the call also
    returns the sigmoid's maps `(batch, num_tokens, height, width)`, in (0, 1) with any pooling.

    Source: Ryoo et al. 2021 (arXiv 2106.11297), section 2.2; `TokenLearnerModule` in
    google-research/scenic, which sums by default; the published Keras example takes the mean.
    Neither has the weighted mean. The pooling here is one matrix product, with the same result but
    without the product of every map with every channel in memory.

    Args:
        num_tokens: tokens to make, S, at least 1.
        pooling: "mean" divides each map by the number of cells, "sum" by nothing, "weighted_mean"
            by its own sum plus 0.0001, so that a map that is high everywhere does not make a token
            longer.
        approximate_gelu: tanh form of GELU (as in google-research/scenic, and the example as it
            runs under Keras 3) or the exact one (as in the authors' notebook of 2021).
    """

    def __init__(self, num_tokens, pooling="mean", approximate_gelu=True, **kwargs):
        super().__init__(num_tokens, **kwargs)
        self.pooling = check_choice("pooling", pooling, POOLINGS)
        self.approximate_gelu = check_flag("approximate_gelu", approximate_gelu)
        gelu = partial(ops.gelu, approximate=self.approximate_gelu)
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

    def build_for(self, height, width, dim):
        self.norm.build((None, height, width, dim))
        for conv in self.convs:
            conv.build((None, height, width, dim))
            dim = self.num_tokens

    def call(self, x, return_attention_maps=False):
        grid = to_grid(x)
        _, height, width, dim = grid.shape
        maps = self.norm(grid)
        for conv in self.convs:
            maps = conv(maps)  # (batch, height, width, num_tokens)
        maps = ops.reshape(maps, (-1, height * width, self.num_tokens))
        maps = ops.transpose(maps, (0, 2, 1))  # (batch, num_tokens, height * width)
        weights = maps  # divided before the product, whose sums may be too large for float16
        if self.pooling == "mean":
            weights = maps / (height * width)
        elif self.pooling == "weighted_mean":
            weights = maps / (ops.sum(maps, axis=-1, keepdims=True) + SUM_EPSILON)
        cells = ops.reshape(grid, (-1, height * width, dim))
        tokens = ops.matmul(weights, cells)  # (batch, num_tokens, dim)
        if return_attention_maps:
            return tokens, ops.reshape(maps, (-1, self.num_tokens, height, width))
        return tokens

    def get_config(self):
        return {
            **super().get_config(),
            "pooling": self.pooling,
            "approximate_gelu": self.approximate_gelu,
        }


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TokenLearnerV11(GridToTokens):
    """TokenLearner v1.1: each learned token is a softmax-weighted mean of the whole grid.

    LayerNorm, then an MLP (a bottleneck with GELU, tanh form, and one output per token) applied
    to each cell separately, then a softmax over the grid, so every map sums to 1. Each map weights
    the raw grid, not the normalised one. Shapes are those of `TokenLearner`.

    Source: `TokenLearnerModuleV11` in google-research/scenic (2023), no departures. The MLP's
    last layer therefore has a bias, which never learns because the softmax undoes it.

    Args:
        num_tokens: tokens to make, S, at least 1.
        bottleneck_dim: width of the MLP's hidden layer.
        dropout_rate: dropout in the MLP, in training, in [0, 1).
    """

    def __init__(self, num_tokens, bottleneck_dim=64, dropout_rate=0.0, **kwargs):
        super().__init__(num_tokens, **kwargs)
        self.bottleneck_dim = check_count("bottleneck_dim", bottleneck_dim)
        self.dropout_rate = check_rate("dropout_rate", dropout_rate)
        policy = self.dtype_policy
        self.norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=policy)
        self.mlp = MLP(
            (self.bottleneck_dim, self.num_tokens),
            self.dropout_rate,
            activate_last=False,
            dtype=policy,
        )

    def build_for(self, *grid):
        warn_of_one_row(grid)
        self.norm.build((None, *grid))
        self.mlp.build((None, *grid))

    def call(self, x, return_attention_maps=False, training=None):
        grid = to_grid(x)
        logits = self.mlp(self.norm(grid), training=training)  # (batch, height, width, num_tokens)
        tokens, maps = softmax_pooling(logits, grid)
        return (tokens, maps) if return_attention_maps else tokens

    def get_config(self):
        return {
            **super().get_config(),
            "bottleneck_dim": self.bottleneck_dim,
            "dropout_rate": self.dropout_rate,
        }
