"""TokenLearner v1.1: maps from each cell alone that sum to 1 over the grid (notebook 07)."""

import keras
from keras import layers, ops

from tlvit_utils.blocks import LAYER_NORM_EPSILON, MLP, check_rate
from tlvit_utils.token_learner import check_count, check_num_tokens, grid_shape, to_grid


def softmax_pooling(logits, values):
    """Pool a grid into tokens with maps that are a softmax over the grid.

    The pooling is one matrix product: the product of every map with every channel is never in
    memory.

    Args:
        logits: `(batch, height, width, num_tokens)`, float.
        values: `(batch, height, width, dim)`, the same dtype.

    Returns:
        Tokens `(batch, num_tokens, dim)` and maps `(batch, num_tokens, height, width)`, each map
        with the sum 1.
    """
    _, height, width, num_tokens = logits.shape
    logits = ops.reshape(logits, (-1, height * width, num_tokens))
    maps = ops.softmax(ops.transpose(logits, (0, 2, 1)))  # (batch, num_tokens, height * width)
    cells = ops.reshape(values, (-1, height * width, values.shape[-1]))
    tokens = ops.matmul(maps, cells)  # (batch, num_tokens, dim)
    return tokens, ops.reshape(maps, (-1, num_tokens, height, width))


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TokenLearnerV11(layers.Layer):
    """TokenLearner v1.1: each learned token is a softmax-weighted mean of the whole grid.

    LayerNorm, then an MLP (a bottleneck with GELU, tanh form, and one output per token) applied
    to each cell alone, then a softmax over the grid: every map sums to 1. Each map weights the
    raw, not the normalised, grid.

    The MLP's last bias adds one number to a whole map, which the softmax undoes: it never learns.
    It is here because the source has it.

    Source: `TokenLearnerModuleV11` in google-research/scenic (2023), no departures. An earlier
    version of it, ported to Keras by the published example's authors, is `GroupedTokenLearner`.

    Args:
        num_tokens: number of learned tokens S, at least 1.
        bottleneck_dim: width of the MLP's hidden layer, at least 1.
        dropout_rate: dropout after each of the MLP's layers in training, in [0, 1).

    Call arguments:
        x: `(batch, height, width, dim)`, or `(batch, tokens, dim)` with a square number of
            tokens.
        return_attention_maps: whether to return the maps too.

    Returns:
        Tokens `(batch, num_tokens, dim)`, or these and maps `(batch, num_tokens, height, width)`.

    Raises:
        ValueError: a size below 1, a rate outside [0, 1), or an input that is no grid.
    """

    def __init__(self, num_tokens, bottleneck_dim=64, dropout_rate=0.0, **kwargs):
        super().__init__(**kwargs)
        check_rate(dropout_rate)
        self.num_tokens = check_num_tokens(num_tokens)
        self.bottleneck_dim = check_count("bottleneck_dim", bottleneck_dim)
        self.dropout_rate = dropout_rate
        policy = self.dtype_policy
        self.norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=policy)
        self.mlp = MLP(
            (self.bottleneck_dim, self.num_tokens), dropout_rate, activate_last=False, dtype=policy
        )

    def build(self, input_shape):
        shape = (None, *grid_shape(input_shape))
        self.norm.build(shape)
        self.mlp.build(shape)
        self.built = True

    def call(self, x, return_attention_maps=False, training=None):
        grid = to_grid(x)
        logits = self.mlp(self.norm(grid), training=training)  # (batch, height, width, num_tokens)
        tokens, maps = softmax_pooling(logits, grid)
        return (tokens, maps) if return_attention_maps else tokens

    def get_config(self):
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "bottleneck_dim": self.bottleneck_dim,
            "dropout_rate": self.dropout_rate,
        }


class GroupedPointwiseConv2D(layers.Conv2D):
    """A 1×1 convolution in groups, computed as one matrix product per group.

    Same weights and same result as `Conv2D(filters, 1, groups=..., use_bias=False)`, whose gradient
    on a CPU takes TensorFlow several times as long. Only for `GroupedTokenLearner`: it knows no
    other kernel size or stride, no bias and no activation.
    """

    def call(self, x):
        _, height, width, dim = x.shape
        x = ops.reshape(x, (-1, height, width, self.groups, dim // self.groups))
        kernel = ops.reshape(self.kernel, (-1, self.groups, self.filters // self.groups))
        x = ops.einsum("bhwgc,cgf->bhwgf", x, kernel)
        return ops.reshape(x, (-1, height, width, self.filters))


@keras.saving.register_keras_serializable(package="tlvit_utils")
class GroupedTokenLearner(layers.Layer):
    """The early v1.1 of the published example's authors, with grouped 1×1 convolutions.

    LayerNorm, a 1×1 convolution in groups to the input's width, a 1×1 convolution to `num_tokens`
    maps, and a softmax over the grid. The maps weight the raw grid after another 1×1 convolution
    in groups. No convolution has a bias.

    Nothing stands between the two convolutions behind the maps, so together they are one linear
    map from `dim` numbers to `num_tokens`: the first adds weights and multiply-adds, but no maps
    that the second could not draw alone. `TokenLearnerV11`, the official v1.1 of today, has GELU
    there. LayerNorm's offset adds one number to a whole map, which the softmax undoes: it never
    learns.

    Source: `TokenLearner-V1.1.ipynb` in ariG23498/TokenLearner, no departures.

    Args:
        num_tokens: number of learned tokens S, at least 1.
        num_groups: groups of the grouped convolutions; it must divide the input's width.

    Call arguments:
        x: `(batch, height, width, dim)`, or `(batch, tokens, dim)` with a square number of
            tokens.
        return_attention_maps: whether to return the maps too.

    Returns:
        Tokens `(batch, num_tokens, dim)`, or these and maps `(batch, num_tokens, height, width)`,
        each map with the sum 1.

    Raises:
        ValueError: a number below 1, groups that do not divide the width, or an input that is no
            grid.
    """

    def __init__(self, num_tokens, num_groups, **kwargs):
        super().__init__(**kwargs)
        self.num_tokens = check_num_tokens(num_tokens)
        self.num_groups = check_count("num_groups", num_groups)

    def build(self, input_shape):
        shape = (None, *grid_shape(input_shape))
        dim = shape[-1]
        if dim % self.num_groups:
            raise ValueError(
                f"num_groups is {self.num_groups}, which does not divide the input's width {dim}; "
                "choose a divisor."
            )
        # Made here, where the width is known; Keras lists weights in the order of assignment.
        options = {
            "use_bias": False,
            "data_format": "channels_last",
            "dtype": self.dtype_policy,
        }
        self.norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype_policy)
        self.mixing = GroupedPointwiseConv2D(dim, 1, groups=self.num_groups, **options)
        self.to_logits = layers.Conv2D(self.num_tokens, 1, **options)
        self.to_values = GroupedPointwiseConv2D(dim, 1, groups=self.num_groups, **options)
        for layer in (self.norm, self.mixing, self.to_logits, self.to_values):
            layer.build(shape)
        self.built = True

    def call(self, x, return_attention_maps=False):
        grid = to_grid(x)
        logits = self.to_logits(self.mixing(self.norm(grid)))  # (batch, height, width, num_tokens)
        tokens, maps = softmax_pooling(logits, self.to_values(grid))
        return (tokens, maps) if return_attention_maps else tokens

    def get_config(self):
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "num_groups": self.num_groups,
        }
