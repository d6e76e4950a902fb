"""TokenFuser: learned tokens write back onto the grid that they came from (notebook 07)."""

from functools import partial

import keras
from keras import layers, ops

from tlvit_utils._composite import Composite, warn_of_one_row
from tlvit_utils._validation import check_count, check_flag, check_rate
from tlvit_utils.blocks import LAYER_NORM_EPSILON, MLP


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TokenFuser(Composite):
    """Every cell of the grid becomes its own mixture of the learned tokens.

    The tokens `(batch, num_tokens, dim)` are mixed with each other (LayerNorm, a Dense layer
    across tokens, LayerNorm). The grid, `(batch, height, width, dim)` or `(batch, cells, dim)`, is
    normalised and goes through an MLP (a bottleneck with GELU, tanh form, and one output per token)
    and a sigmoid, which give each cell's masks. A cell comes out as the sum of the mixed tokens,
    each times its mask. There is no residual inside: callers add the grid.

    The token mixing starts at zero, so in `grid + fuser(tokens, grid)` a new fuser changes
    nothing. With normalisation its bias never learns, because the second LayerNorm undoes it.

    Source: Ryoo et al. 2021 (arXiv 2106.11297), section 2.3; `TokenFuser` in
    google-research/scenic. One departure: that code returns `(batch, cells, dim)` even
    for a grid of four axes; here the output has the shape of the grid.

    Args:
        bottleneck_dim: width of the MLP's hidden layer.
        use_normalization: whether the tokens are normalised before and after their mixing. The
            source says this is needed where TokenLearner pools with a sum.
        dropout_rate: dropout in the MLP and of the output, in training, in [0, 1).
    """

    def __init__(self, bottleneck_dim=64, use_normalization=True, dropout_rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.bottleneck_dim = check_count("bottleneck_dim", bottleneck_dim)
        self.use_normalization = check_flag("use_normalization", use_normalization)
        self.dropout_rate = check_rate("dropout_rate", dropout_rate)

    def build(self, tokens_shape, grid_shape):
        if (
            len(tokens_shape) != 3
            or len(grid_shape) not in (3, 4)
            or tokens_shape[-1] != grid_shape[-1]
            or None in tokens_shape[1:]
        ):
            raise ValueError(
                f"The tokens have shape {tuple(tokens_shape)} and the grid {tuple(grid_shape)}, "
                "but TokenFuser expects tokens (batch, num_tokens, dim) and a grid (batch, height, "
                "width, dim) or (batch, cells, dim), with the same dim."
            )
        warn_of_one_row(grid_shape[1:])
        _, num_tokens, dim = tokens_shape
        # Made here, where num_tokens is known; Keras lists weights in the order of assignment.
        policy = self.dtype_policy
        new_norm = partial(layers.LayerNormalization, epsilon=LAYER_NORM_EPSILON, dtype=policy)
        if self.use_normalization:
            self.tokens_norm1 = new_norm()
            self.tokens_norm1.build(tokens_shape)
        self.token_mixing = layers.Dense(num_tokens, kernel_initializer="zeros", dtype=policy)
        self.token_mixing.build((None, dim, num_tokens))
        if self.use_normalization:
            self.tokens_norm2 = new_norm()
            self.tokens_norm2.build(tokens_shape)
        self.grid_norm = new_norm()
        self.grid_norm.build(grid_shape)
        self.mask_mlp = MLP(
            (self.bottleneck_dim, num_tokens), self.dropout_rate, activate_last=False, dtype=policy
        )
        self.mask_mlp.build(grid_shape)
        self.dropout = layers.Dropout(self.dropout_rate, dtype=policy)
        self.built = True

    def call(self, tokens, grid, training=None):
        if self.use_normalization:
            tokens = self.tokens_norm1(tokens)
        tokens = ops.transpose(tokens, (0, 2, 1))  # (batch, dim, num_tokens)
        tokens = self.token_mixing(tokens)
        tokens = ops.transpose(tokens, (0, 2, 1))  # (batch, num_tokens, dim)
        if self.use_normalization:
            tokens = self.tokens_norm2(tokens)
        masks = ops.sigmoid(self.mask_mlp(self.grid_norm(grid), training=training))
        fused = ops.einsum("b...s,bsc->b...c", masks, tokens)  # masks: (batch, ..., num_tokens)
        return self.dropout(fused, training=training)

    def compute_output_shape(self, tokens_shape, grid_shape):
        return grid_shape

    def get_config(self):
        return {
            **super().get_config(),
            "bottleneck_dim": self.bottleneck_dim,
            "use_normalization": self.use_normalization,
            "dropout_rate": self.dropout_rate,
        }
