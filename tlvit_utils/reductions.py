"""Other layers that turn many tokens into a few, for comparison with TokenLearner (notebook 08).

Each is called like `TokenLearner`: `(batch, height, width, dim)`, or `(batch, tokens, dim)` with a
square number of tokens, becomes `(batch, num_tokens, dim)`; `return_attention_maps=True` adds
maps `(batch, num_tokens, height, width)`. `AveragePooling` and `StridedConvolution` have no maps.
"""

from math import sqrt

import keras
from keras import layers, ops

from tlvit_utils._composite import warn_of_one_row
from tlvit_utils._validation import check_count
from tlvit_utils.blocks import LAYER_NORM_EPSILON
from tlvit_utils.token_learner import GridToTokens, softmax_pooling, to_grid


class GroupedPointwiseConv2D(layers.Conv2D):
    """`Conv2D(filters, 1, groups=..., use_bias=False)` as one matrix product per group.

    On a CPU, the gradient of Keras's own layer takes TensorFlow several times as long.
    """

    def call(self, x):
        _, height, width, dim = x.shape
        x = ops.reshape(x, (-1, height, width, self.groups, dim // self.groups))
        kernel = ops.reshape(self.kernel, (-1, self.groups, self.filters // self.groups))
        x = ops.einsum("bhwgc,cgf->bhwgf", x, kernel)
        return ops.reshape(x, (-1, height, width, self.filters))


@keras.saving.register_keras_serializable(package="tlvit_utils")
class GroupedTokenLearner(GridToTokens):
    """The early v1.1 of the published example's authors, with grouped 1×1 convolutions.

    LayerNorm, a 1×1 convolution in groups to the input's width, a 1×1 convolution to `num_tokens`
    maps, and a softmax over the grid. The maps weight the raw grid after another 1×1 convolution
    in groups. No convolution has a bias. `num_groups` must divide the input's width.

    The two convolutions behind the maps are one linear map; `TokenLearnerV11` has GELU between
    them. LayerNorm's offset never learns, because it adds one number to a whole map and the softmax
    undoes that.

    Source: `TokenLearner-V1.1.ipynb` in ariG23498/TokenLearner, no departures.

    Args:
        num_tokens: tokens to make, S, at least 1.
        num_groups: groups of channels in the two grouped convolutions.
    """

    def __init__(self, num_tokens, num_groups, **kwargs):
        super().__init__(num_tokens, **kwargs)
        self.num_groups = check_count("num_groups", num_groups)

    def build_for(self, height, width, dim):
        if dim % self.num_groups:
            raise ValueError(
                f"num_groups is {self.num_groups}, which does not divide the input's width {dim}; "
                "choose a divisor."
            )
        # Made here, where the width is known; Keras lists weights in the order of assignment.
        options = {"use_bias": False, "data_format": "channels_last", "dtype": self.dtype_policy}
        self.norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype_policy)
        self.mixing = GroupedPointwiseConv2D(dim, 1, groups=self.num_groups, **options)
        self.to_logits = layers.Conv2D(self.num_tokens, 1, **options)
        self.to_values = GroupedPointwiseConv2D(dim, 1, groups=self.num_groups, **options)
        for layer in (self.norm, self.mixing, self.to_logits, self.to_values):
            layer.build((None, height, width, dim))

    def values(self, grid):
        return self.to_values(grid)

    def call(self, x, return_attention_maps=False):
        grid = to_grid(x)
        logits = self.to_logits(self.mixing(self.norm(grid)))  # (batch, height, width, num_tokens)
        tokens, maps = softmax_pooling(logits, self.values(grid))
        return (tokens, maps) if return_attention_maps else tokens

    def get_config(self):
        return {**super().get_config(), "num_groups": self.num_groups}


@keras.saving.register_keras_serializable(package="tlvit_utils")
class PatchMerger(GridToTokens):
    """PatchMerger: attention from learned queries, one for each token, to the cells.

    LayerNorm, then the product of each cell with each query, divided by the square root of the
    width, then a softmax over the grid, so every map sums to 1. They weight the normalised grid.

    Source: Renggli et al. 2022 (arXiv 2202.12015), whose formula is softmax(W Xᵀ) X; the LayerNorm
    and the division are those of the common PyTorch code (vit-pytorch).

    Args:
        num_tokens: tokens to make, S, at least 1.
    """

    def __init__(self, num_tokens, **kwargs):
        super().__init__(num_tokens, **kwargs)
        policy = self.dtype_policy
        self.norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=policy)
        self.queries = layers.Dense(
            self.num_tokens,
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
            dtype=policy,
        )

    def build_for(self, *grid):
        warn_of_one_row(grid)
        self.norm.build((None, *grid))
        self.queries.build((None, *grid))

    def values(self, grid):
        return self.norm(grid)

    def call(self, x, return_attention_maps=False):
        values = self.values(to_grid(x))  # (batch, height, width, dim)
        logits = self.queries(values) / sqrt(values.shape[-1])  # (batch, height, width, num_tokens)
        tokens, maps = softmax_pooling(logits, values)
        return (tokens, maps) if return_attention_maps else tokens


@keras.saving.register_keras_serializable(package="tlvit_utils")
class TopKTokens(GridToTokens):
    """Keep the cells with the longest vectors, the longest first, and drop the others.

    There are no weights, and no gradient says which cells to keep; the network in front learns to
    make some vectors longer. A token's map is 1 at its own cell and 0 elsewhere.

    Args:
        num_tokens: tokens to make, S, at least 1 and at most the number of cells.
    """

    def check_grid(self, height, width, dim):
        super().check_grid(height, width, dim)
        if self.num_tokens > height * width:
            raise ValueError(
                f"num_tokens is {self.num_tokens}, but the grid has only {height * width} cells."
            )

    def call(self, x, return_attention_maps=False):
        grid = to_grid(x)
        _, height, width, dim = grid.shape
        self.check_grid(height, width, dim)
        cells = ops.reshape(grid, (-1, height * width, dim))
        lengths = ops.sum(ops.square(ops.cast(cells, "float32")), axis=-1)  # too large for float16
        _, kept = ops.top_k(lengths, self.num_tokens)  # (batch, num_tokens)
        tokens = ops.take_along_axis(cells, kept[..., None], axis=1)  # (batch, num_tokens, dim)
        if return_attention_maps:
            maps = ops.one_hot(kept, height * width, dtype=self.compute_dtype)
            return tokens, ops.reshape(maps, (-1, self.num_tokens, height, width))
        return tokens


def window_grid(height, width, num_tokens):
    """Return `(rows, columns)` of the squarest equal windows that cut a grid into `num_tokens`."""
    ways = [
        (rows, num_tokens // rows)
        for rows in range(1, num_tokens + 1)
        if num_tokens % rows == 0 and height % rows == 0 and width % (num_tokens // rows) == 0
    ]
    if not ways:
        raise ValueError(
            f"num_tokens is {num_tokens}, but {height} × {width} cells do not split into "
            f"{num_tokens} equal windows; choose another number."
        )
    return min(ways, key=lambda way: height // way[0] + width // way[1])


@keras.saving.register_keras_serializable(package="tlvit_utils")
class AveragePooling(GridToTokens):
    """The grid cut into equal windows, row by row; each token is the mean of one.

    Args:
        num_tokens: tokens to make, S, at least 1; so many equal windows must fill the grid.
    """

    def check_grid(self, height, width, dim):
        super().check_grid(height, width, dim)
        window_grid(height, width, self.num_tokens)

    def call(self, x):
        grid = to_grid(x)
        _, height, width, dim = grid.shape
        rows, columns = window_grid(height, width, self.num_tokens)
        cells = ops.reshape(grid, (-1, rows, height // rows, columns, width // columns, dim))
        return ops.reshape(ops.mean(cells, axis=(2, 4)), (-1, self.num_tokens, dim))


@keras.saving.register_keras_serializable(package="tlvit_utils")
class StridedConvolution(GridToTokens):
    """A convolution whose kernel and stride are one window of `AveragePooling`.

    Args:
        num_tokens: tokens to make, S, at least 1; so many equal windows must fill the grid.
    """

    def check_grid(self, *grid):
        height, width, _ = grid
        window_grid(height, width, self.num_tokens)
        if self.built and grid != self.grid:
            raise ValueError(
                f"The layer was built for the grid (height, width, dim) = {self.grid}, but the "
                f"input has {grid}; make another layer."
            )

    def build_for(self, *grid):
        self.grid = height, width, dim = grid
        rows, columns = window_grid(height, width, self.num_tokens)
        window = (height // rows, width // columns)
        self.conv = layers.Conv2D(
            dim, window, window, data_format="channels_last", dtype=self.dtype_policy
        )
        self.conv.build((None, height, width, dim))

    def call(self, x):
        grid = to_grid(x)
        self.check_grid(*grid.shape[1:])
        tokens = self.conv(grid)  # (batch, rows, columns, dim)
        return ops.reshape(tokens, (-1, self.num_tokens, tokens.shape[-1]))
