"""From an image to a sequence: learned positions (notebook 01), convolutions (notebook 09)."""

import keras
from keras import layers, ops

from tlvit_utils._composite import Composite
from tlvit_utils._validation import check_count


@keras.saving.register_keras_serializable(package="tlvit_utils")
class PatchEncoder(Composite):
    """Add to each patch, `(batch, num_patches, projection_dim)`, a learned vector for its position.

    Source: the published Keras example, whose positions are Keras's `Embedding` with its default
    initialiser, U(-0.05, 0.05).
    """

    def __init__(self, num_patches, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = check_count("num_patches", num_patches)
        self.projection_dim = check_count("projection_dim", projection_dim)
        self.position_embedding = layers.Embedding(
            self.num_patches, self.projection_dim, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        if tuple(input_shape[1:]) != (self.num_patches, self.projection_dim):
            raise ValueError(
                f"The patches have shape {tuple(input_shape)}, but this PatchEncoder expects "
                f"(batch, {self.num_patches}, {self.projection_dim}): project each patch to "
                "projection_dim numbers before encoding."
            )
        self.input_spec = layers.InputSpec(
            ndim=3, axes={1: self.num_patches, 2: self.projection_dim}
        )
        self.position_embedding.build((self.num_patches,))
        self.built = True

    def call(self, patches):
        positions = ops.arange(self.num_patches)
        return patches + self.position_embedding(positions)  # (batch, tokens, dim)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_patches": self.num_patches,
            "projection_dim": self.projection_dim,
        }


def convolutional_tokenizer(images, convolutions):
    """Turn images into a grid of tokens with a few small convolutions `(filters, stride)`.

    Each convolution covers the `stride` × `stride` pixels of its output and one more on each side,
    so the grid stays centred on its cells where the strides divide the image. Batch normalisation
    and ReLU follow. Keras tensors `(batch, height, width, channels)` become `(batch, rows, columns,
    filters)`.

    Source: Xiao et al. 2021, "Early convolutions help transformers see better" (arXiv
    2106.14881). Departures: the steps that halve the resolution have 4×4 kernels in place of 3×3,
    which lie off centre; no 1×1 convolution follows; any numbers of channels are allowed.
    """
    x = images
    for i, (filters, stride) in enumerate(convolutions):
        x = layers.Conv2D(
            filters,
            stride + 2,
            stride,
            padding="same",
            data_format="channels_last",
            use_bias=False,
            name=f"convolution_{i}",
        )(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"convolution_{i}_norm")(x)
        x = layers.ReLU(name=f"convolution_{i}_relu")(x)
    return x  # (batch, height / strides, width / strides, filters)
