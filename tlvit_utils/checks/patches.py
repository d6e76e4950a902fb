"""Checks for what the learner builds in notebook 01."""

import numpy as np
from keras import layers

from tlvit_utils.checks.comparison import CheckError, compare, exercise, numbers, random, sizes
from tlvit_utils.patches import PatchEncoder


def cut_patches(images, patch_size, axes=(0, 1, 3, 2, 4, 5)):
    """Return the patches of images `(batch, height, width, channels)`, row by row.

    `axes` is the order of (image, row, y inside, column, x inside, channel); the default brings
    together what belongs to one patch.

    Returns:
        `(batch, tokens, patch_size² · channels)`.
    """
    batch, height, width, channels = images.shape
    rows, columns = height // patch_size, width // patch_size
    blocks = images.reshape(batch, rows, patch_size, columns, patch_size, channels)
    return blocks.transpose(axes).reshape(batch, rows * columns, -1)


@exercise(ours=cut_patches)
def check_cut_patches(answer):
    """Check `cut_patches(images, patch_size)`."""

    def draw(rng):
        batch, rows, columns, size = sizes(rng, 4, high=6)
        return random(rng, batch, rows * size, columns * size, 3), size

    def wrong(images, size):
        return {
            "The transpose is missing, so your patches are strips of the picture, not squares.": (
                cut_patches(images, size, (0, 1, 2, 3, 4, 5))
            ),
            "Transposed axes: you numbered the patches column by column; count them row by row.": (
                cut_patches(images, size, (0, 3, 1, 2, 4, 5))
            ),
            "Transposed axes: inside each patch, rows and columns of pixels are exchanged.": (
                cut_patches(images, size, (0, 1, 3, 4, 2, 5))
            ),
            "Transposed axes: the colour must stay last. You moved it in front of the pixels.": (
                cut_patches(images, size, (0, 1, 3, 5, 2, 4))
            ),
        }

    small = np.arange(24.0).reshape(1, 2, 4, 3), 2
    compare(answer, cut_patches, wrong, draw, small)
    return "images of 3 random shapes"


@exercise(name="PatchEncoder", ours=PatchEncoder)
def check_patch_encoder(answer):
    """Check the class `PatchEncoder(num_patches, projection_dim)` with given positions."""

    def encoded(patches, positions):
        return numbers(_encoder(answer, positions)(patches))

    def draw(rng):
        batch, tokens, dim = sizes(rng, 3)
        return random(rng, batch, tokens, dim), random(rng, tokens, dim)

    def right(patches, positions):
        return patches + positions

    def wrong(patches, positions):
        return {
            "The positions are missing: your layer returns the patches as they came.": patches,
            "Your layer returns positions alone; add them to the patches.": (
                np.broadcast_to(positions, patches.shape)
            ),
            "You multiplied; add the positions to the patches.": patches * positions,
            "All patches got the same position; look up places 0 to num_patches - 1.": (
                patches + positions[0]
            ),
            "You appended the positions; add them, so that the width stays.": (
                np.concatenate([patches, np.broadcast_to(positions, patches.shape)], axis=-1)
            ),
        }

    small = (
        np.array([[[1.0, 2.0], [3.0, 4.0]]], "float32"),
        np.array([[10, 20], [30, 40.0]], "float32"),
    )
    compare(encoded, right, wrong, draw, small)
    return "positions added to patches of 3 random shapes"


def _encoder(answer, positions):
    """Return a layer of the class `answer` whose table of positions is `positions`."""
    layer = answer(*positions.shape)
    table = getattr(layer, "position_embedding", None)
    if not isinstance(table, layers.Embedding):
        raise CheckError(
            f"position_embedding is a {type(table).__name__}, but it must be a layers.Embedding."
        )
    if (table.input_dim, table.output_dim) != positions.shape:
        rows, dim = positions.shape
        raise CheckError(
            "The table of positions has another size: it needs one row for each place, and the "
            "width of a token.",
            {
                "made with": f"PatchEncoder(num_patches={rows}, projection_dim={dim})",
                "expected": f"Embedding({rows}, {dim})",
                "got": f"Embedding({table.input_dim}, {table.output_dim})",
            },
        )
    table.build((len(positions),))
    table.set_weights([positions])
    return layer


def _join(patches, shape, axes=(0, 2, 1, 3, 4)):
    """Return `patches` as an array of `shape` with the axes in this order, as one picture."""
    blocks = patches.reshape(shape).transpose(axes)
    height, size, width, other, channels = blocks.shape
    return blocks.reshape(height * size, width * other, channels)


@exercise
def check_join_patches(answer):
    """Check `join_patches(patches, rows, columns, patch_size)`.

    `(rows * columns, patch_size**2 * 3)` to `(rows * patch_size, columns * patch_size, 3)`.
    """

    def draw(rng):
        rows, columns, size = sizes(rng, 3)
        return random(rng, rows * columns, size * size * 3), rows, columns, size

    def right(patches, rows, columns, size):
        return _join(patches, (rows, columns, size, size, 3))

    def wrong(patches, rows, columns, size):
        by_row, by_column = (rows, columns, size, size, 3), (columns, rows, size, size, 3)
        return {
            "The transpose is missing: each patch was laid out as a strip, not as a square.": (
                patches.reshape(rows * size, columns * size, 3)
            ),
            "You laid the patches out column by column; they are numbered row by row.": _join(
                patches, by_column, (1, 2, 0, 3, 4)
            ),
            "Transposed axes: inside each patch, rows and columns of pixels are exchanged.": _join(
                patches, by_row, (0, 3, 1, 2, 4)
            ),
            "Transposed axes: the whole picture lies on its side, (width, height, 3).": _join(
                patches, by_row, (1, 3, 0, 2, 4)
            ),
        }

    small = np.arange(24.0).reshape(2, 12), 1, 2, 2
    compare(answer, right, wrong, draw, small)
    return "pictures of 3 random shapes"


def _waves(rows, columns, dim, frequencies=None):
    """Return `(tokens, 4, dim / 4)`: sine and cosine of the rows, then of the columns."""
    if frequencies is None:
        frequencies = 100.0 ** (-np.arange(dim // 4) / (dim // 4))
    rows, columns = rows[:, None] * frequencies, columns[:, None] * frequencies
    return np.stack([np.sin(rows), np.cos(rows), np.sin(columns), np.cos(columns)], axis=1)


@exercise
def check_fixed_positions(answer):
    """Check `fixed_positions(grid_size, dim)`, `(grid_size**2, dim)`."""

    def draw(rng):
        grid_size, quarter = sizes(rng, 2)
        return grid_size, 4 * quarter

    def right(grid_size, dim):
        return _waves(*np.divmod(np.arange(grid_size**2), grid_size), dim).reshape(-1, dim)

    def wrong(grid_size, dim):
        places = np.arange(grid_size**2)
        rows, columns = np.divmod(places, grid_size)
        waves, k = _waves(rows, columns, dim), np.arange(dim // 4)
        pairs = waves.reshape(len(places), 2, 2, -1).swapaxes(2, 3)  # sin, cos, sin, cos, …
        results = {
            "Rows and columns are exchanged. Tokens are numbered row by row, and the row's numbers "
            "come first.": _waves(columns, rows, dim),
            "Off by one: rows and columns count from 0.": _waves(rows + 1, columns + 1, dim),
            "You used the token's number in place of its row and its column.": _waves(
                places, places, dim
            ),
            "Interleaved: you put the sine and cosine of one frequency side by side. First come "
            "the sines of all frequencies, then all the cosines.": pairs,
            "Interleaved: you put the four numbers of one frequency side by side. First come the "
            "sines of the row for all frequencies.": waves.swapaxes(1, 2),
            "Wrong exponent: it is -4k/C, so that the slowest wave is about 100 times slower than "
            "the fastest. You used -k/C.": _waves(rows, columns, dim, 100.0 ** (-k / dim)),
            "Wrong exponent: it is -4k/C. You used -k, which makes the waves far too slow.": _waves(
                rows, columns, dim, 100.0**-k
            ),
            "The exponent's sign is missing: waves get slower with k.": _waves(
                rows, columns, dim, 100.0 ** (4 * k / dim)
            ),
        }
        return {sentence: each.reshape(-1, dim) for sentence, each in results.items()}

    compare(answer, right, wrong, draw, small=(2, 8))
    return "grids and widths of 3 random sizes"
