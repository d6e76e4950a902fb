"""Attention maps drawn over pictures, as arrays: fast enough for a slider.

Pictures are `(height, width, 3)`, uint8 or float 0..1; results are uint8.
"""

import io
import textwrap
from functools import cache

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

GAP = 4  # pixels between tiles
LINE = 18  # height of a line of text, in pixels


def render(
    image,
    attention_map,
    *,
    opacity: float = 0.6,
    limits: tuple[float, float] | None = None,
    size: int = 256,
) -> np.ndarray:
    """Draw a map `(rows, columns)` as heat over what the network saw, `(size, size, 3)`, uint8.

    From opacity 0.5 on the picture is grey, so that its colours are not taken for the map's.
    `opacity` is the weight of the map, from 0 (the picture alone) to 1; `limits` are the values
    that count as the lowest and the highest, by default the map's own.
    """
    low, high = limits or (np.min(attention_map), np.max(attention_map))
    level = (np.asarray(attention_map, "float32") - low) / max(high - low, 1e-12)
    picture = as_uint8(image).astype("float32")
    grey = picture.mean(axis=-1, keepdims=True)
    picture = (1 - opacity) * (picture + min(1, 2 * opacity) * (grey - picture))
    heat = 255 * opacity * colormaps["viridis"](np.clip(level, 0, 1))[..., :3]
    return np.rint(enlarge(picture, size) + enlarge(heat, size)).astype("uint8")


def tile_square(draw, titles, size: int) -> np.ndarray:
    """Return pictures `draw(index, side)` in a square, row by row, with their titles written in."""
    columns = int(np.ceil(len(titles) ** 0.5))
    side = (size + GAP) // columns - GAP
    sheet = Image.new("RGB", (size, size), "white")
    pen, font = ImageDraw.Draw(sheet), label_font()
    for i, title in enumerate(titles):
        row, column = divmod(i, columns)
        left, top = column * (side + GAP), row * (side + GAP)
        sheet.paste(Image.fromarray(draw(i, side)), (left, top))
        box = pen.textbbox((left + 4, top + 3), title, font=font)
        pen.rectangle(box, fill="black", outline="black", width=3)
        pen.text((left + 4, top + 3), title, fill="white", font=font)
    return np.asarray(sheet)


def captioned(picture, text: str) -> np.ndarray:
    """Return a picture with a text below it, whose lines are wrapped."""
    margin, (height, width, _) = 8, picture.shape
    lines = text.replace("×", "x").splitlines()  # Pillow's font has no ×
    text = "\n".join(textwrap.fill(line, width // 7) for line in lines)  # a letter takes about 7
    below = height + 2 * margin
    size = width + 2 * margin, below + LINE * (text.count("\n") + 1) + margin
    canvas = Image.new("RGB", size, "white")
    canvas.paste(Image.fromarray(picture), (margin, margin))
    ImageDraw.Draw(canvas).multiline_text((margin, below), text, fill="black", font=label_font(13))
    return np.asarray(canvas)


@cache
def label_font(size: int = 14):
    """Return the font of this size in pixels that comes with Pillow."""
    return ImageFont.load_default(size)


def enlarge(array, size: int) -> np.ndarray:
    """Return an array `(height, width, …)` at `size` × `size`, its pixels kept square."""
    rows, columns = (np.arange(size) * count // size for count in np.shape(array)[:2])
    return np.take(np.take(array, rows, axis=0), columns, axis=1)


def as_uint8(image) -> np.ndarray:
    """Return a picture of integers 0..255, or of floats 0..1, as uint8."""
    image = np.asarray(image)
    if image.dtype.kind in "ui":
        return image.astype("uint8", copy=False)
    return np.rint(255 * np.clip(image, 0, 1)).astype("uint8")


def encode_png(picture) -> bytes:
    """Return a picture as PNG, packed fast rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
