"""The MLP and the pre-norm Transformer block (notebook 02)."""

import keras
from keras import layers, ops

from tlvit_utils._composite import Composite
from tlvit_utils._validation import check_count, check_counts, check_flag, check_rate

LAYER_NORM_EPSILON = 1e-6


@keras.saving.register_keras_serializable(package="tlvit_utils")
class MLP(Composite):
    """Dense layers with GELU (tanh form) and dropout, applied to each token separately.

    `(..., dim)` becomes `(..., hidden_units[-1])`.

    Source: `mlp()` of the published Keras example, which also applies GELU after its last layer
    (`activate_last=True`); most Vision Transformers leave the last layer linear (`False`).

    Args:
        hidden_units: widths of the Dense layers, at least one.
        dropout_rate: dropout after each Dense layer, in training, in [0, 1).
        activate_last: whether the last layer is followed by GELU.
    """

    def __init__(self, hidden_units, dropout_rate, activate_last=True, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = check_counts("hidden_units", hidden_units)
        self.dropout_rate = check_rate("dropout_rate", dropout_rate)
        self.activate_last = check_flag("activate_last", activate_last)
        policy = self.dtype_policy
        self.dense_layers = [layers.Dense(units, dtype=policy) for units in self.hidden_units]
        self.dropout = layers.Dropout(self.dropout_rate, dtype=policy)

    def build(self, input_shape):
        for dense in self.dense_layers:
            dense.build(input_shape)
            input_shape = dense.compute_output_shape(input_shape)
        self.built = True

    def call(self, x, training=None):
        for dense in self.dense_layers:
            x = dense(x)
            if self.activate_last or dense is not self.dense_layers[-1]:
                x = ops.gelu(x, approximate=True)
            x = self.dropout(x, training=training)
        return x

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.hidden_units[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "dropout_rate": self.dropout_rate,
            "activate_last": self.activate_last,
        }


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TransformerBlock(Composite):
    """A pre-norm Transformer block: attention, then an MLP, each added to its input.

    `(batch, tokens, dim)` keeps its shape. With `return_attention_scores=True` the call also
    returns `(batch, num_heads, tokens, tokens)`, whose last axis, the tokens read, sums to 1.

    Source: the published Keras example. Its `key_dim` of 128 per head makes queries, keys and
    values four times as wide as the usual `key_dim = dim / num_heads`.

    Args:
        num_heads: attention heads, at least 1.
        key_dim: width of each head's queries, keys and values.
        mlp_units: widths of the MLP; the last must equal the tokens' width.
        dropout_rate: dropout of the attention weights and in the MLP, in [0, 1).
        activate_last: whether the MLP's last layer is followed by GELU.
    """

    def __init__(self, num_heads, key_dim, mlp_units, dropout_rate, activate_last=True, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = check_count("num_heads", num_heads)
        self.key_dim = check_count("key_dim", key_dim)
        self.mlp_units = check_counts("mlp_units", mlp_units)
        self.dropout_rate = check_rate("dropout_rate", dropout_rate)
        self.activate_last = check_flag("activate_last", activate_last)
        policy = self.dtype_policy
        self.norm1 = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=policy)
        self.attention = layers.MultiHeadAttention(
            self.num_heads, self.key_dim, dropout=self.dropout_rate, dtype=policy
        )
        self.norm2 = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=policy)
        self.mlp = MLP(self.mlp_units, self.dropout_rate, self.activate_last, dtype=policy)

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ValueError(
                f"The tokens have shape {tuple(input_shape)}; expected (batch, tokens, dim): "
                "reshape a grid to a sequence first."
            )
        if self.mlp_units[-1] != input_shape[-1]:
            raise ValueError(
                f"The MLP ends with {self.mlp_units[-1]} units, but the tokens have width "
                f"{input_shape[-1]}; the two are added, so they must be equal."
            )
        self.norm1.build(input_shape)
        self.attention.build(input_shape, input_shape)
        self.norm2.build(input_shape)
        self.mlp.build(input_shape)
        self.built = True

    def call(self, x, return_attention_scores=False, training=None):
        normed = self.norm1(x)  # (batch, tokens, dim)
        attended = self.attention(
            normed, normed, return_attention_scores=return_attention_scores, training=training
        )
        if return_attention_scores:
            attended, scores = attended  # scores: (batch, heads, tokens, tokens)
        x = x + attended
        x = x + self.mlp(self.norm2(x), training=training)
        return (x, scores) if return_attention_scores else x

    def compute_output_shape(self, input_shape, return_attention_scores=False):
        batch, tokens, _ = input_shape
        scores = (batch, self.num_heads, tokens, tokens)
        return (input_shape, scores) if return_attention_scores else input_shape

    def compute_output_spec(self, x, return_attention_scores=False, training=None):
        return self._tensors(self.compute_output_shape(tuple(x.shape), return_attention_scores))

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "mlp_units": self.mlp_units,
            "dropout_rate": self.dropout_rate,
            "activate_last": self.activate_last,
        }
