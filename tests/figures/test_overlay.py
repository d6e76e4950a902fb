import numpy as np
import pytest
from matplotlib import colormaps

from tlvit_utils.figures.overlay import enlarge, render, tile_square

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (32, 32, 3), dtype="uint8")
MAP = RNG.random((8, 8), dtype="float32")
GREY = np.full((32, 32, 3), 128, "uint8")


def test_limits_scale_the_map():
    np.testing.assert_array_equal(
        render(IMAGE, MAP, limits=(0, 2)), render(IMAGE, MAP / 2, limits=(0, 1))
    )


def test_a_flat_map_is_drawn():
    flat = render(IMAGE, np.full((8, 8), 0.25))
    np.testing.assert_array_equal(flat, render(IMAGE, np.zeros((8, 8)), limits=(0, 1)))


@pytest.mark.parametrize("opacity", [0, 0.3, 1])
def test_heat_mixes_picture_and_colours(opacity):
    level = (MAP - MAP.min()) / np.ptp(MAP)
    heat = colormaps["viridis"](level)[..., :3].repeat(8, 0).repeat(8, 1)
    grey = IMAGE.mean(axis=-1, keepdims=True) / 255
    share = min(1, 2 * opacity)  # grey under half a map or more
    faded = (1 - share) * IMAGE / 255 + share * grey
    mixed = (1 - opacity) * faded.repeat(2, 0).repeat(2, 1) + opacity * heat
    result = render(IMAGE, MAP, opacity=opacity, size=64)
    assert result.dtype == np.uint8
    np.testing.assert_allclose(result, 255 * mixed, atol=3 * (opacity > 0))  # 256 colours


@pytest.mark.parametrize("size", [32, 48, 50, 320])
def test_enlarge_repeats_pixels(size):
    enlarged = enlarge(np.arange(16 * 8).reshape(16, 8), size)
    rows, columns = np.divmod(enlarged, 8)
    assert (rows == rows[:, :1]).all() and (columns == columns[:1]).all()
    for found, number in ((rows[:, 0], 16), (columns[0], 8)):
        assert (np.diff(found) >= 0).all()
        counts = np.bincount(found, minlength=number)
        assert counts.min() == size // number and counts.max() == -(-size // number)


def test_tiles_stand_in_rows_with_their_titles():
    sheet = tile_square(lambda i, side: GREY.repeat(2, 0).repeat(2, 1)[:side, :side], "898", 84)
    assert sheet.shape == (84, 84, 3)
    first, second, third = sheet[:40, :40], sheet[:40, 44:], sheet[44:, :40]
    assert (first != second).any() and (first == third).all()
    for each in (first, second):
        assert each.min() == 0 and each.max() > 200  # white on black
        assert (each[24:] == 128).all()
    assert (sheet[:, 40:44] == 255).all() and (sheet[44:, 44:] == 255).all()
