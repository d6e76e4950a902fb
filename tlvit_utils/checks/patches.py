"""Checks for what the learner builds in notebook 01."""

from functools import partial

import numpy as np
from keras import layers

from tlvit_utils.checks.answers import CheckError, compare, exercise, numbers, random, sizes
from tlvit_utils.patches import PatchEncoder

INSIDE = "Transposed axes: inside each patch, rows and columns of pixels are swapped."


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
        cut = partial(cut_patches, images, size)
        return {
            "The transpose is missing: these are strips of the picture.": cut((0, 1, 2, 3, 4, 5)),
            "Transposed axes: you numbered the patches column by column.": cut((0, 3, 1, 2, 4, 5)),
            INSIDE: cut((0, 1, 3, 4, 2, 5)),
            "Transposed axes: the colour must stay last.": cut((0, 1, 3, 5, 2, 4)),
        }

    compare(answer, cut_patches, wrong, draw, small=(np.arange(24.0).reshape(1, 2, 4, 3), 2))


@exercise(name="PatchEncoder", ours=PatchEncoder)
def check_patch_encoder(answer):
    """Check the class `PatchEncoder(num_patches, projection_dim)` with given positions."""

    def encoded(patches, positions):
        return numbers(_encoder(answer, positions)(patches))

    def draw(rng):
        batch, tokens, dim = sizes(rng, 3)
        return random(rng, batch, tokens, dim), random(rng, tokens, dim)

    def wrong(patches, positions):
        return {
            "The positions are missing: your layer returns the patches unchanged.": patches,
            "Your layer returns only positions.": np.broadcast_to(positions, patches.shape),
            "You multiplied; add the positions to the patches.": patches * positions,
            "All patches got the same position; look up one for each.": patches + positions[0],
        }

    small = np.array([[[1.0, 2.0], [3.0, 4.0]]], "float32"), np.array([[10, 20], [30, 40.0]])
    compare(encoded, np.add, wrong, draw, small)


def _encoder(answer, positions):
    """Return a layer of the class `answer` whose table of positions is `positions`."""
    rows, dim = positions.shape
    layer = answer(rows, dim)
    table = getattr(layer, "position_embedding", None)
    if not isinstance(table, layers.Embedding):
        raise CheckError(
            f"position_embedding is a {type(table).__name__}, but it must be a layers.Embedding."
        )
    if (table.input_dim, table.output_dim) != (rows, dim):
        raise CheckError(
            "The table of positions has the wrong size: it needs one row for each place, and the "
            "width of a token.",
            {
                "made with": f"PatchEncoder(num_patches={rows}, projection_dim={dim})",
                "expected": f"Embedding({rows}, {dim})",
                "got": f"Embedding({table.input_dim}, {table.output_dim})",
            },
        )
    table.build((rows,))
    table.set_weights([positions])
    return layer


def _join(patches, rows, columns, size, axes=(0, 2, 1, 3, 4)):
    """Return patches `(rows * columns, size * size * 3)` with their axes in this order, joined."""
    blocks = patches.reshape(rows, columns, size, size, 3).transpose(axes)
    height, y, width, x, channels = blocks.shape
    return blocks.reshape(height * y, width * x, channels)


@exercise
def check_join_patches(answer):
    """Check `join_patches(patches, rows, columns, patch_size)`."""

    def draw(rng):
        rows, columns, size = sizes(rng, 3)
        return random(rng, rows * columns, size * size * 3), rows, columns, size

    def wrong(patches, rows, columns, size):
        join = partial(_join, patches, rows, columns, size)
        return {
            "The transpose is missing.": patches.reshape(rows * size, columns * size, 3),
            "These go column by column.": _join(patches, columns, rows, size, (1, 2, 0, 3, 4)),
            INSIDE: join((0, 3, 1, 2, 4)),
            "Transposed axes: the whole picture lies on its side.": join((1, 3, 0, 2, 4)),
        }

    compare(answer, _join, wrong, draw, small=(np.arange(24.0).reshape(2, 12), 1, 2, 2))


def _waves(rows, columns, dim, exponents=None):
    """Return `(tokens, 4, dim / 4)`: sine and cosine of the rows, then of the columns."""
    k = np.arange(dim // 4)
    frequencies = 100.0 ** (-4 * k / dim if exponents is None else exponents)
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
        places, k = np.arange(grid_size**2), np.arange(dim // 4)
        rows, columns = np.divmod(places, grid_size)
        waves = _waves(rows, columns, dim)
        pairs = waves.reshape(len(places), 2, 2, -1).swapaxes(2, 3)  # sin, cos, sin, cos, …
        results = {
            "Rows and columns are swapped: rows come first.": _waves(columns, rows, dim),
            "Off by one: rows and columns count from 0.": _waves(rows + 1, columns + 1, dim),
            "You used the token's number for its row and column.": _waves(places, places, dim),
            "Do not interleave: first come all the sines, then all the cosines.": pairs,
            "Interleaved: you put a frequency's four numbers together.": waves.swapaxes(1, 2),
            "Wrong exponent: it is -4k/C. You used -k/C.": _waves(rows, columns, dim, -k / dim),
            "The exponent's sign is missing.": _waves(rows, columns, dim, 4 * k / dim),
        }
        return {sentence: each.reshape(-1, dim) for sentence, each in results.items()}

    compare(answer, right, wrong, draw, small=(2, 8))
