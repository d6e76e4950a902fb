"""Attention maps drawn over pictures, as arrays: fast enough for a slider.

Pictures are `(height, width, 3)`, uint8 or float 0..1; results are uint8.
"""

import io
from functools import cache

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

GAP = 4  # pixels between tiles


def render(
    image,
    attention_map,
    *,
    opacity: float = 0.6,
    limits: tuple[float, float] | None = None,
    size: int = 256,
) -> np.ndarray:
    """Draw a map `(rows, columns)` as heat over what the network saw, `(size, size, 3)`, uint8.

    The picture turns grey as the heat comes, so that its own colours are not taken for the map's.
    `opacity` is the weight of the map, from 0 (the picture alone) to 1; `limits` are the values
    that count as the lowest and the highest, by default the map's own.
    """
    low, high = limits or (np.min(attention_map), np.max(attention_map))
    level = (np.asarray(attention_map, "float32") - low) / max(high - low, 1e-12)
    picture = as_uint8(image).astype("float32")
    grey = picture.mean(axis=-1, keepdims=True)
    picture = (1 - opacity) * ((1 - opacity) * picture + opacity * grey)
    heat = 255 * opacity * colormaps["viridis"](np.clip(level, 0, 1))[..., :3]
    return np.rint(enlarge(picture, size) + enlarge(heat, size)).astype("uint8")


def tile(pictures, titles, columns: int = 4) -> np.ndarray:
    """Return pictures `(count, size, size, 3)`, uint8, in one, each with its title written in."""
    size = len(pictures[0])
    rows = -(-len(pictures) // columns)
    step = size + GAP
    sheet = Image.new("RGB", (columns * step - GAP, rows * step - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = label_font()
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left, top = i % columns * step, i // columns * step
        sheet.paste(Image.fromarray(picture), (left, top))
        box = draw.textbbox((left + 4, top + 3), title, font=font)
        draw.rectangle(box, fill="black", outline="black", width=3)
        draw.text((left + 4, top + 3), title, fill="white", font=font)
    return np.asarray(sheet)


def tile_square(draw, titles, size: int) -> np.ndarray:
    """Return pictures `draw(index, side)` in a square, row by row, with their titles written in."""
    columns = int(np.ceil(len(titles) ** 0.5))
    side = (size + GAP) // columns - GAP
    sheet = tile(np.stack([draw(i, side) for i in range(len(titles))]), titles, columns)
    canvas = np.full((size, size, 3), 255, "uint8")
    canvas[: sheet.shape[0], : sheet.shape[1]] = sheet
    return canvas


def captioned(columns) -> np.ndarray:
    """Return pictures side by side, each with lines of text, which are wrapped, below it."""
    font, margin = label_font(13), 8
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    height = max(len(picture) for picture, _ in columns)
    texts, text_height = [], 0
    for picture, lines in columns:
        texts.append("\n".join(_wrap(line, font, picture.shape[1]) for line in lines))
        text_height = max(text_height, draw.multiline_textbbox((0, 0), texts[-1], font=font)[3])
    width = sum(picture.shape[1] + margin for picture, _ in columns) + margin
    canvas = Image.new("RGB", (width, height + 3 * margin + int(text_height)), "white")
    draw = ImageDraw.Draw(canvas)
    left = margin
    for (picture, _), text in zip(columns, texts, strict=True):
        canvas.paste(Image.fromarray(picture), (left, margin))
        draw.multiline_text((left, height + 2 * margin), text, fill="black", font=font)
        left += picture.shape[1] + margin
    return np.asarray(canvas)


def _wrap(line: str, font, width: int) -> str:
    """Return the line broken between words where it would be wider than `width` pixels."""
    lines = [""]
    for word in line.replace("×", "x").split(" "):  # Pillow's font has no ×
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


@cache
def label_font(size: int = 14):
    """Return the font of this size in pixels that comes with Pillow."""
    return ImageFont.load_default(size)


def enlarge(array, size: int) -> np.ndarray:
    """Return an array `(height, width, …)` at `size` × `size`, its pixels kept square."""
    array = np.asarray(array)
    for axis in (0, 1):
        count = array.shape[axis]
        array = array.take(np.arange(size) * count // size, axis)
    return array


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
