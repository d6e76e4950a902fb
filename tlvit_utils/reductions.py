"""Other layers that turn many tokens into few, to hold TokenLearner against."""

import keras
from keras import layers, ops

from tlvit_utils._validation import check_count, check_num_tokens
from tlvit_utils.blocks import LAYER_NORM_EPSILON
from tlvit_utils.token_learner import grid_shape, softmax_pooling, to_grid


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
