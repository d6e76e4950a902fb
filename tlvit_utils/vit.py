"""The whole Vision Transformer, with TokenLearner after any block or none (notebook 04)."""

from dataclasses import dataclass, replace
from functools import partial
from math import prod

import keras
from keras import layers

from tlvit_utils._validation import POOLINGS, check_choice, check_count, check_fields, check_rate
from tlvit_utils.augment import RandomCropFlip
from tlvit_utils.blocks import LAYER_NORM_EPSILON, TransformerBlock
from tlvit_utils.patches import PatchEncoder, convolutional_tokenizer
from tlvit_utils.reductions import (
    AveragePooling,
    GroupedTokenLearner,
    PatchMerger,
    StridedConvolution,
    TopKTokens,
    window_grid,
)
from tlvit_utils.token_learner import TokenLearner, TokenLearnerV11

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)  # of red, green and blue, 0..1, over the 50,000 images
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
VARIANTS = {
    "v1": lambda config: TokenLearner(config.num_tokens, config.pooling, name="token_learner"),
    "v1.1": lambda config: TokenLearnerV11(config.num_tokens, name="token_learner"),
    "grouped": lambda config: GroupedTokenLearner(
        config.num_tokens, config.num_groups, name="token_learner"
    ),
    "patch_merger": lambda config: PatchMerger(config.num_tokens, name="patch_merger"),
    "top_k": lambda config: TopKTokens(config.num_tokens, name="top_k"),
    "average": lambda config: AveragePooling(config.num_tokens, name="average_pooling"),
    "strided": lambda config: StridedConvolution(config.num_tokens, name="strided_convolution"),
}
WINDOWS = ("average", "strided")  # the variants that cut the grid into windows and have no maps


@dataclass(frozen=True)
class ViTConfig:
    """The fields that define a Vision Transformer; the defaults are the published model.

    Every field is checked: a ValueError names the one to change.

    Attributes:
        image_size: side of the square input images, in pixels.
        standardize: whether to standardise colours with CIFAR-10's means and standard deviations.
        resized_size: side to which the image is resized first.
        padding: zeros added on each side after resizing.
        crop_size: side of the view that is cut out (at random in training, else the centre).
        patch_size: pixels along one side of a grid cell; it must divide `crop_size`.
        convolutions: `(filters, stride)` of each one in `convolutional_tokenizer`, whose strides
            multiply to `patch_size`; empty for patches.
        projection_dim: width C of every token.
        num_layers: number of Transformer blocks.
        num_heads, key_dim: attention heads per block, and the width of each.
        mlp_units: widths of a block's MLP; the last must be `projection_dim`.
        activate_last: whether the MLP's last layer is followed by GELU.
        dropout_rate: dropout after the patch encoder, in attention and in the MLPs.
        num_tokens: tokens that TokenLearner keeps, or None for no TokenLearner.
        variant: which TokenLearner, or another layer in its place; a key of `VARIANTS`.
        pooling: how v1 pools the grid: "mean", "sum" or "weighted_mean".
        num_groups: number of groups in the grouped variant.
        token_learner_after: index (from 0) of the block after which TokenLearner comes.
        num_classes: width of the softmax.
    """

    image_size: int = 32
    standardize: bool = False
    resized_size: int = 52
    padding: int = 0
    crop_size: int = 48
    patch_size: int = 6
    convolutions: tuple[tuple[int, int], ...] = ()
    projection_dim: int = 128
    num_layers: int = 4
    num_heads: int = 4
    key_dim: int = 128
    mlp_units: tuple[int, ...] = (256, 128)
    activate_last: bool = True
    dropout_rate: float = 0.1
    num_tokens: int | None = 4
    variant: str = "v1"
    pooling: str = "mean"
    num_groups: int = 4
    token_learner_after: int = 2
    num_classes: int = 10

    def __post_init__(self):
        check_fields(
            self,
            padding=partial(check_count, low=0),
            dropout_rate=check_rate,
            num_tokens=_check_num_tokens,
            variant=partial(check_choice, choices=VARIANTS),
            pooling=partial(check_choice, choices=POOLINGS),
            token_learner_after=partial(check_count, low=0),
        )
        if self.crop_size > self.resized_size + 2 * self.padding:
            raise ValueError(
                f"crop_size is {self.crop_size}, but the padded image is only "
                f"{self.resized_size + 2 * self.padding} pixels wide."
            )
        if self.crop_size % self.patch_size:
            raise ValueError(
                f"patch_size is {self.patch_size}, which does not divide the {self.crop_size}-"
                "pixel view; choose a divisor, or change crop_size."
            )
        if self.convolutions:
            self._check_convolutions()
        if self.mlp_units[-1] != self.projection_dim:
            raise ValueError(
                f"mlp_units is {self.mlp_units}, but it must end with projection_dim = "
                f"{self.projection_dim}: a block adds the MLP's output to its input."
            )
        if self.token_learner_after >= self.num_layers:
            raise ValueError(
                f"token_learner_after is {self.token_learner_after}, but the network's "
                f"{self.num_layers} blocks have the indices 0 to {self.num_layers - 1}."
            )
        if self.num_tokens is None:
            return
        if self.num_tokens > self.num_patches:
            raise ValueError(
                f"num_tokens is {self.num_tokens}, but the grid has only {self.num_patches} cells "
                "to take them from."
            )
        if self.variant == "grouped" and self.projection_dim % self.num_groups:
            raise ValueError(
                f"num_groups is {self.num_groups}, which does not divide projection_dim = "
                f"{self.projection_dim}; choose a divisor."
            )
        if self.variant in WINDOWS:
            window_grid(self.grid_size, self.grid_size, self.num_tokens)

    def _check_convolutions(self):
        filters, strides = zip(*self.convolutions, strict=True)
        if prod(strides) != self.patch_size:
            raise ValueError(
                f"convolutions has the strides {strides}, which make {prod(strides)} pixels per "
                f"grid cell, but patch_size is {self.patch_size}; the two must be equal."
            )
        if filters[-1] != self.projection_dim:
            raise ValueError(
                f"convolutions ends with {filters[-1]} filters, but it must end with "
                f"projection_dim = {self.projection_dim}: its outputs are the tokens."
            )

    @property
    def grid_size(self) -> int:
        """Patches along one side of the view."""
        return self.crop_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Patches in the view, N."""
        return self.grid_size**2

    @property
    def has_maps(self) -> bool:
        """Whether the network makes attention maps on the grid."""
        return self.num_tokens is not None and self.variant not in WINDOWS

    @classmethod
    def published(cls, num_tokens: int | None = 4, num_layers: int = 4) -> "ViTConfig":
        """Return the model of the published Keras example: 1,349,946 parameters with 4 tokens."""
        return cls(
            num_tokens=num_tokens, num_layers=num_layers, token_learner_after=num_layers // 2
        )

    @classmethod
    def modern(cls, num_tokens: int | None = 8) -> "ViTConfig":
        """Return the course's own model: accurate after a few epochs, and fast on two cores.

        496,138 parameters and 23.8 M multiply-adds with 8 tokens. Notebook 09 says what each change
        from `published()` brought.
        """
        return cls(
            standardize=True,
            resized_size=32,
            padding=4,
            crop_size=32,
            patch_size=4,
            convolutions=((48, 2), (48, 1), (96, 2), (96, 1)),
            projection_dim=96,
            num_heads=3,
            key_dim=32,
            mlp_units=(192, 96),
            activate_last=False,
            dropout_rate=0.0,
            num_tokens=num_tokens,
            pooling="sum",
            token_learner_after=0,
        )

    @classmethod
    def scenes(cls, num_tokens: int | None = 8) -> "ViTConfig":
        """Return the network for scenes10: a small one with a grid of 16×16, N = 256.

        192,202 parameters and 29.3 M multiply-adds with 8 tokens, 77.1 M with none.
        """
        return cls(
            image_size=64,
            standardize=True,
            resized_size=64,
            crop_size=64,
            patch_size=4,
            convolutions=((32, 2), (64, 2)),
            projection_dim=64,
            key_dim=16,
            mlp_units=(128, 64),
            activate_last=False,
            dropout_rate=0.0,
            num_tokens=num_tokens,
            pooling="weighted_mean",
            token_learner_after=0,
        )

    def replace(self, **changes) -> "ViTConfig":
        """Return a copy with some fields changed, e.g. `config.replace(num_tokens=16)`."""
        return replace(self, **changes)


def _check_num_tokens(name, num_tokens):
    if num_tokens is None:
        return None
    return check_count(name, num_tokens, ", or None for no TokenLearner")


def build_vit(config: ViTConfig) -> keras.Model:
    """Build the Vision Transformer that `config` describes.

    It takes images `(batch, image_size, image_size, 3)` with values 0..255, float32 or uint8, and
    returns float32 probabilities `(batch, num_classes)`.

    Source: the published Keras example, `create_vit_classifier`; for the augmentation's two
    departures see `RandomCropFlip`.
    """
    size = config.image_size
    images = keras.Input((size, size, 3), dtype="float32", name="images")
    x = _rescaling(config.standardize)(images)
    x = RandomCropFlip(
        config.resized_size,
        config.crop_size,
        config.padding,
        name="augmentation",
    )(x)
    if config.convolutions:
        x = convolutional_tokenizer(x, config.convolutions)
    else:
        x = layers.Conv2D(
            config.projection_dim,
            config.patch_size,
            config.patch_size,
            data_format="channels_last",
            name="patch_projection",
        )(x)
    # (batch, grid_size, grid_size, projection_dim)
    x = layers.Reshape((config.num_patches, config.projection_dim), name="to_sequence")(x)
    x = PatchEncoder(config.num_patches, config.projection_dim, name="patch_encoder")(x)
    x = layers.Dropout(config.dropout_rate, name="dropout")(x)
    for i in range(config.num_layers):
        x = TransformerBlock(
            config.num_heads,
            config.key_dim,
            config.mlp_units,
            config.dropout_rate,
            config.activate_last,
            name=f"block_{i}",
        )(x)  # (batch, tokens, projection_dim)
        if config.num_tokens is not None and i == config.token_learner_after:
            reduction = VARIANTS[config.variant](config)
            if config.has_maps:
                x, _ = reduction(x, return_attention_maps=True)
            else:
                x = reduction(x)
    x = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, name="norm")(x)
    x = layers.GlobalAveragePooling1D("channels_last", name="mean_over_tokens")(x)
    x = layers.Dense(config.num_classes, activation="softmax", dtype="float32", name="classes")(x)
    return keras.Model(images, x, name="vit")


def _rescaling(standardize):
    """Return the layer that scales 0..255 to 0..1, or standardises each channel."""
    scale, offset = 1 / 255, 0.0
    if standardize:
        colours = list(zip(CIFAR10_MEAN, CIFAR10_STD, strict=True))
        # With four axes, since Keras moves fewer to the front under "channels_first"
        scale = [[[[1 / (255 * std) for _, std in colours]]]]
        offset = [[[[-mean / std for mean, std in colours]]]]
    return layers.Rescaling(scale, offset, name="rescaling")
