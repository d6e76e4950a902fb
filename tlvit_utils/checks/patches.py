"""Checks for the exercises of notebook 01."""

import numpy as np

from tlvit_utils.checks.comparison import compare, exercise, random, sizes


def _join(patches, shape, axes=(0, 2, 1, 3, 4)):
    """Return `patches` as an array of `shape` with the axes in this order, as one picture."""
    blocks = patches.reshape(shape).transpose(axes)
    height, size, width, other, channels = blocks.shape
    return blocks.reshape(height * size, width * other, channels)


@exercise
def check_join_patches(answer):
    """Check `join_patches(patches, rows, columns, patch_size)` (notebook 01).

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
            "You reshaped without a transpose: each patch was laid out as a strip, not as a "
            "square.": patches.reshape(rows * size, columns * size, 3),
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

    compare(answer, right, wrong, draw)
    return "pictures of 3 random shapes"


@exercise
def check_encode(answer):
    """Check `encode(images, kernel, bias, positions)` (notebook 01).

    `(batch, height, width, 3)`, `(size, size, 3, dim)`, `(dim,)` and `(tokens, dim)` to
    `(batch, tokens, dim)`.
    """

    def draw(rng):
        batch, rows, columns, size = sizes(rng, 4, high=6)
        dim = 3 * size * size  # positions can be added too early only where this is the width
        return (
            random(rng, batch, rows * size, columns * size, 3),
            random(rng, size, size, 3, dim),
            random(rng, dim),
            random(rng, rows * columns, dim),
        )

    def cut(images, size, axes=(0, 1, 3, 2, 4, 5)):
        batch, height, width, channels = images.shape
        blocks = images.reshape(batch, height // size, size, width // size, size, channels)
        return blocks.transpose(axes).reshape(batch, -1, size * size * channels)

    def right(images, kernel, bias, positions):
        return cut(images, len(kernel)) @ kernel.reshape(-1, len(bias)) + bias + positions

    def wrong(images, kernel, bias, positions):
        size, matrix = len(kernel), kernel.reshape(-1, len(bias))
        patches = cut(images, size)
        strips = cut(images, size, (0, 1, 2, 3, 4, 5))
        by_column = cut(images, size, (0, 3, 1, 2, 4, 5))
        shifted = np.roll(positions, -1, axis=0)
        return {
            "You added the positions before the projection, which mixes them with the pixels; add "
            "them to the projected patches.": (patches + positions) @ matrix + bias,
            "The positions are missing.": patches @ matrix + bias,
            "The bias of the projection is missing.": patches @ matrix + positions,
            "Off by one: patch 0 must get position 0.": patches @ matrix + bias + shifted,
            "You cut the images without a transpose: your patches are strips, not squares.": (
                strips @ matrix + bias + positions
            ),
            "Transposed axes: you numbered the patches column by column, not row by row.": (
                by_column @ matrix + bias + positions
            ),
        }

    compare(answer, right, wrong, draw)
    return "the projection and the positions, on images of 3 random shapes"


@exercise
def check_fixed_positions(answer):
    """Check `fixed_positions(grid_size, dim)`, `(grid_size**2, dim)` (notebook 01)."""

    def draw(rng):
        grid_size, quarter = sizes(rng, 2)
        return grid_size, 4 * quarter

    def waves(rows, columns, dim):
        frequencies = 100.0 ** (-np.arange(dim // 4) / (dim // 4))
        rows, columns = rows[:, None] * frequencies, columns[:, None] * frequencies
        parts = np.sin(rows), np.cos(rows), np.sin(columns), np.cos(columns)
        return np.concatenate(parts, axis=1)

    def right(grid_size, dim):
        return waves(*np.divmod(np.arange(grid_size**2), grid_size), dim)

    def wrong(grid_size, dim):
        numbers = np.arange(grid_size**2)
        rows, columns = np.divmod(numbers, grid_size)
        return {
            "Transposed axes: rows and columns are exchanged. Tokens are numbered row by row, and "
            "the row's numbers come first.": waves(columns, rows, dim),
            "Off by one: rows and columns count from 0.": waves(rows + 1, columns + 1, dim),
            "You used the token's number in place of its row and its column.": waves(
                numbers, numbers, dim
            ),
        }

    compare(answer, right, wrong, draw)
    return "grids and widths of 3 random sizes"
