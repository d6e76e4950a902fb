"""shapes10: a data set made by code, with a mask of the object in each picture.

A picture is 32×32 pixels and shows one textured object, of ten shapes, on a textured background
with scraps of clutter. Place, size, rotation, colours and textures are drawn in the same way for
all classes, and shapes of one size have one area, so that none of these gives the class away. Each
shape is its own mirror image, so that flips do not change it.

Shapes, scraps and textures are tables of integers, sampled along rotated grids, and the random
numbers are raw output of PCG64, which NumPy promises to keep, so a seed gives the same bytes on
every platform.
"""

import math
from functools import cache

import numpy as np

from tlvit_utils._validation import check_count

SHAPES10_CLASSES = (
    "disc", "ring", "crescent", "triangle", "square", "cross", "star", "heart", "arrow", "hourglass"
)  # fmt: skip
CHUNK = 50  # pictures drawn at a time: a multiple of ten, small enough for the processor's cache
SIDE = 32  # of a picture, in pixels
MIDDLE = np.array([8 * SIDE // 2], "int64")  # of a picture; places are in eighths of a pixel
SCRAPS = 9  # in a picture
DRAWS = 125  # random numbers that a picture takes, besides its grain
TABLE = 128  # side of the table of a shape, in texels; places on a table are in 1/64 texel
UNIT = 64  # a shape's area is UNIT × UNIT texels
TILE = 64  # side of the table of a texture, in texels, after which it repeats
FULL = 128  # weight of what covers a pixel wholly

# Sines of 256 directions, in units of 2**-14; none is so near a half that platforms could differ.
SINES = np.array([round(2**14 * math.sin(math.pi * i / 128)) for i in range(256)], "int64")


def make_shapes10(
    seed: int, num_images: int, *, stream: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures, their labels, and where their objects are, all uint8.

    Every ten pictures show each class once, in random order. The first pictures are the same
    however many are made. Each split takes its own independent `stream` of the seed.

    Returns:
        Images `(num_images, 32, 32, 3)`; labels `(num_images,)`, places in `SHAPES10_CLASSES`; and
        masks `(num_images, 32, 32)`, 1 where the object covers at least half of the pixel, else 0.
    """
    check_count("num_images", num_images, low=0)
    check_count("seed", seed, low=0)  # NumPy takes None, for other pictures each time
    source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream,)))
    chunks = [_draw_chunk(source) for _ in range(0, max(num_images, 1), CHUNK)]
    return tuple(np.concatenate(arrays)[:num_images] for arrays in zip(*chunks, strict=True))


def _draw_chunk(source):
    """Return the next `CHUNK` images, labels and masks."""
    raw = source.random_raw((CHUNK, DRAWS + SIDE * SIDE // 8))
    draw = Draws(raw[:, :DRAWS])
    labels = draw(0, 2**31).reshape(-1, 10).argsort(axis=1, kind="stable").reshape(-1)
    light = draw(0, 2)  # whether the object is light on dark, or dark on light

    # Two textures that meet in a wavy line
    turn, x, y = draw(0, 256), *_draw_place(draw, 8 * 9)
    weight = _sample(_wave(), 0, *_grid(turn, 64 * 8, x, y))
    canvas = _mix(_texture(draw, 1 - light), _texture(draw, 1 - light), weight)

    # Scraps, a quarter of them of the object's lightness
    for _ in range(SCRAPS):
        kind, turn, size = draw(0, len(_scraps())), draw(0, 256), draw(8 * 4, 8 * 7)
        x, y = _draw_place(draw, 8 * 18)
        weight = _sample(_scraps(), kind, *_grid(turn, UNIT * 64 * 4 // size, x, y))
        like_object = draw(0, 4) == 0
        canvas = _mix(canvas, _colour(draw, like_object == light)[..., None], weight)

    # The object: as large as a square of 9.5 to 15 pixels, never cut by the picture's border
    turn, size = draw(0, 256), draw(76, 121)
    x, y = _draw_place(draw, 8 * SIDE // 2 - size * 15 // 16)
    weight = _sample(_shapes(), labels, *_grid(turn, UNIT * 64 * 8 // size, x, y))
    canvas = _mix(canvas, _texture(draw, light), weight)

    canvas += _slope(draw)[:, None]
    grain = raw[:, DRAWS:].astype("<u8").view("uint8")
    canvas += (grain.astype("int16") % 13 - 6)[:, None]
    images = np.clip(canvas, 0, 255).astype("uint8").reshape(-1, 3, SIDE, SIDE)
    masks = (weight >= FULL // 2).astype("uint8").reshape(-1, SIDE, SIDE)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)), labels.astype("uint8"), masks


class Draws:
    """Random integers from raw ones, (pictures, draws): each call gives every picture its next."""

    def __init__(self, raw):
        self.columns = iter((raw >> 32).astype("int64").T)

    def __call__(self, low, high):
        """Return (pictures,) integers in low ≤ i < high, which may both differ by picture."""
        return low + (next(self.columns) * (high - low) >> 32)


def _draw_place(draw, spread):
    """Return x, y, each within `spread` of the picture's middle."""
    low, high = MIDDLE - spread, MIDDLE + spread + 1
    return draw(low, high), draw(low, high)


def _grid(turn, step, x, y):
    """Return u, v, each (chunk, pixels): where the pixels lie on a table, from its middle.

    `turn` is in 1/256 of a full turn, `step` in 1/64 texel; x, y is the place in the picture that
    lies on the table's middle.
    """
    pixels = 8 * np.arange(SIDE) + 4  # their centres
    cosine, sine = step * SINES[(turn + 64) % 256], step * SINES[turn]

    def along(factor, origin):
        return (factor[:, None] * (pixels - origin[:, None]) >> 3 + 14).astype("int16")

    u = along(cosine, x)[:, None] + along(sine, y)[:, :, None]
    v = along(cosine, y)[:, :, None] - along(sine, x)[:, None]
    return u.reshape(-1, SIDE * SIDE), v.reshape(-1, SIDE * SIDE)


def _sample(tables, kind, u, v):
    """Return the weights at u, v on the table `kind`, whose rim goes on outside."""
    u, v = (np.clip(w + TABLE * 64 // 2, 0, TABLE * 64 - 1) >> 6 for w in (u, v))
    return tables.take(v * TABLE + u + np.reshape(kind, (-1, 1)) * TABLE**2)


def _texture(draw, light):
    """Return (chunk, 3, pixels): textures in two colours, both of them light or both dark."""
    kind, turn, step = draw(0, len(_tiles())), draw(0, 256), draw(64 * 2, 64 * 6)
    u, v = _grid(turn, step, *_draw_place(draw, 8 * 16))
    u, v = u >> 6 & TILE - 1, v >> 6 & TILE - 1
    weight = _tiles().take(v * TILE + u + kind[:, None] * TILE**2)
    one, other = _colour(draw, light), _colour(draw, light)
    return _mix(one[..., None], other[..., None], weight)


def _colour(draw, light):
    """Return (chunk, 3) colours of any hue, from grey to vivid; light or dark."""
    luma, saturation = draw(45, 106) + 105 * light, draw(10, 80)
    colour = luma[:, None] + (_hues()[draw(0, 96)] * saturation[:, None] >> 7)
    return np.clip(colour, 0, 255).astype("int16")


def _slope(draw):
    """Return (chunk, pixels): light from one side, brighter there and darker across by up to 21."""
    turn, strength = draw(0, 256), draw(0, 16)
    u, _ = _grid(turn, 4 * strength, MIDDLE, MIDDLE)
    return u >> 6


def _mix(below, above, weight):
    """Return `below` where the weight (chunk, pixels) is 0, `above` where it is `FULL`."""
    return below + ((above - below) * weight[:, None] >> 7)  # 255 * FULL still fits into int16


@cache
def _hues():
    """Return 96 colours from around the colour wheel, less their luma: (96, 3)."""
    place = 16 * np.arange(96)[:, None] + np.array([0, 1024, 512])
    colours = np.clip(abs(place % 1536 - 768) - 256, 0, 256)
    return colours - (colours @ [77, 150, 29] >> 8)[:, None]


def _weights(tables, blur, rim):
    """Return tables (n, side, side) of 0 and 1 as weights, blurred so that edges are smooth."""
    side = tables.shape[-1]
    tables = np.pad(tables.astype("int16"), [(0, 0), *2 * [(blur // 2, blur // 2)]], rim)
    tables = sum(tables[:, i : i + side] for i in range(blur))
    return sum(tables[:, :, i : i + side] for i in range(blur)) * FULL // blur**2


def _raster(inside, unit):
    """Return a table of a shape: its area `unit` × `unit`, its centre of mass in the middle.

    `inside` is a function of integers x, y, true in the shape, which lies within ±1000.
    """
    y, x = np.mgrid[-1020:1021:8, -1020:1021:8]
    points = inside(x, y)
    area = int(points.sum())
    scale = 8 * math.isqrt(area << 16) // unit  # 256 times the side of a texel
    v, u = np.mgrid[1 - TABLE : TABLE : 2, 1 - TABLE : TABLE : 2]  # in half texels
    centre_x, centre_y = x[points].sum() // area, y[points].sum() // area
    return inside(u * scale // 512 + centre_x, v * scale // 512 + centre_y)


@cache
def _shapes():
    """Return the weights of the shapes, in the order of `SHAPES10_CLASSES`: (10, TABLE, TABLE)."""

    def disc(x, y, radius=1000):
        return x**2 + y**2 <= radius**2

    def ring(x, y):
        return disc(x, y) & ~disc(x, y, 550)

    def crescent(x, y):
        return disc(x, y) & ~disc(x - 500, y, 700)

    def triangle(x, y):
        return (y >= -500) & (abs(x) * 1000 <= (1000 - y) * 577)

    def square(x, y):
        return (abs(x) <= 1000) & (abs(y) <= 1000)

    def cross(x, y):
        return square(x, y) & (np.minimum(abs(x), abs(y)) <= 320)

    def star(x, y):
        arms = False
        for turn in (0, 51, 102, 154, 205):  # fifths of 256
            sine, cosine = SINES[turn], SINES[(turn + 64) % 256]
            along, across = x * cosine + y * sine >> 14, y * cosine - x * sine >> 14
            arms |= (along >= 0) & (abs(across) * 1000 <= (1000 - along) * 440)
        return arms

    def heart(x, y):  # two discs, and below them a wedge that touches both
        lobes = disc(abs(x) - 470, y - 330, 530)
        wedge = (abs(x) * 1000 <= (y + 1000) * 886) & (abs(x) <= 867) & (y <= 330)
        return lobes | wedge

    def arrow(x, y):
        tip = (y >= 0) & (abs(x) * 10 <= (1000 - y) * 8)
        return tip | (abs(x) <= 260) & (y <= 0) & (y >= -900)

    def hourglass(x, y):
        return (abs(y) <= 1000) & (abs(x) * 10 <= abs(y) * 8 + 800)

    shapes = disc, ring, crescent, triangle, square, cross, star, heart, arrow, hourglass
    return _weights(np.stack([_raster(shape, UNIT) for shape in shapes]), 5, "edge")


@cache
def _scraps():
    """Return the weights of the scraps of clutter: (n, TABLE, TABLE)."""
    scraps = (
        lambda x, y: (abs(x) <= 1000) & (abs(y) <= 180),  # a stroke
        lambda x, y: (abs(x) <= 1000) & (abs(y) <= 90),  # a hair
        lambda x, y: (abs(x) <= 800) & (abs(y - abs(x)) <= 220),  # an angle
        lambda x, y: (abs(x) <= 900) & (abs(abs(abs(x) - 450) - y - 220) <= 180),  # a zigzag
        lambda x, y: (x**2 + 4 * y**2 <= 500**2) | ((x - 500) ** 2 + y**2 <= 400**2),  # a drop
    )
    return _weights(np.stack([_raster(scrap, UNIT // 2) for scrap in scraps]), 7, "edge")


@cache
def _wave():
    """Return the weights of what lies on one side of a wavy line: (1, TABLE, TABLE)."""
    v, u = np.mgrid[:TABLE, :TABLE]
    return _weights((v >= TABLE // 2 + (SINES[u * 6 % 256] >> 11))[None], 9, "edge")


@cache
def _tiles():
    """Return the weights of the second colour in the textures: (n, TILE, TILE)."""
    y, x = np.mgrid[:TILE, :TILE]
    coin = np.random.PCG64(0).random_raw((TILE, TILE)) >> 63 == 1
    tiles = (
        x % 16 < 8,  # stripes
        x % 16 < 5,  # narrow stripes
        (x // 16 + y // 16) % 2 == 1,  # checks
        (y % 16 < 4) | ((x + y // 16 * 16) % 32 < 4),  # bricks
        (x % 16 - 8) ** 2 + (y % 16 - 8) ** 2 < 24,  # dots
        (y + (SINES[x * 8 % 256] >> 12)) % 16 < 8,  # waves
        coin[y // 2, x // 2],  # speckle
        coin[y // 8, x // 8],  # patches
    )
    return _weights(np.stack(tiles), 3, "wrap")
