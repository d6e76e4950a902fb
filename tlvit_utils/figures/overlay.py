"""Attention maps drawn over pictures, as arrays: fast enough for a slider.

Pictures are `(height, width, 3)`, uint8 or float 0..1; results are uint8.
"""

import io
from functools import cache

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

STYLES = ("heat", "contours", "spotlight")
COLORMAPS = {
    "viridis": "dark purple to yellow",
    "cividis": "dark blue to yellow",
    "grey": "black to white",
}
CONTOUR_LEVELS = (0.25, 0.5, 0.75)  # of the way from the lowest to the highest value
GAP = 4  # pixels between tiles


@cache
def colour_table(colormap: str) -> np.ndarray:
    """Return the 256 colours of a colour map, `(256, 3)`, float32, 0..255."""
    _check("colormap", colormap, COLORMAPS)
    return 255 * colormaps[colormap](np.arange(256))[:, :3].astype("float32")


def render(
    image,
    attention_map,
    *,
    style: str = "heat",
    colormap: str = "viridis",
    opacity: float = 0.6,
    limits: tuple[float, float] | None = None,
    size: int = 256,
) -> np.ndarray:
    """Draw a map `(rows, columns)` over the picture that the network saw: `(size, size, 3)`, uint8.

    - "heat": square cells in colours ("viridis", "cividis" or "grey") over the picture in grey.
    - "contours": thin, medium and thick lines where the linearly interpolated map passes a
      quarter, a half and three quarters of the way from its lowest to its highest value. From
      opacity 0.5 on they are opaque.
    - "spotlight": the picture in its own colours, darker where the map is lower.

    `opacity` is the weight of the map, from 0 (the picture alone) to 1; `limits` are the values
    that count as the lowest and the highest, by default the map's own.
    """
    _check("style", style, STYLES)
    low, high = limits or (np.min(attention_map), np.max(attention_map))
    level = (np.asarray(attention_map, "float32") - low) / max(high - low, 1e-12)
    level = np.clip(level, 0, 1)
    picture = as_uint8(image)
    result = enlarge(picture, size)
    if style == "heat":
        picture = picture.astype("float32")
        grey = picture.mean(axis=-1, keepdims=True)
        picture = (1 - opacity) * ((1 - opacity) * picture + opacity * grey)
        heat = opacity * colour_table(colormap)[np.rint(255 * level).astype(int)]
        return np.rint(enlarge(picture, size) + enlarge(heat, size)).astype("uint8")
    if style == "spotlight":
        light = 1 - opacity * (1 - enlarge(level, size))
        return np.rint(result * light[..., None]).astype("uint8")
    lines, edges = _contours(level, size)
    firm = min(2 * opacity, 1)
    for pixels, shade in ((edges & ~lines, 255), (lines, 0)):
        result[pixels] = np.rint((1 - firm) * result[pixels] + firm * shade)
    return result


def _contours(level, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where contour lines and their white edges are, each `(size, size)`, bool."""
    smooth = np.asarray(Image.fromarray(level).resize((size, size), Image.Resampling.BILINEAR))
    lines = np.zeros((size, size), bool)
    for i, threshold in enumerate(CONTOUR_LEVELS):
        lines |= _boundary(smooth >= threshold, i)
    return lines, _thicken(lines, 1)


def _boundary(inside, width: int) -> np.ndarray:
    """Return the pixels at which `inside` changes, thickened by `width`."""
    edge = np.zeros_like(inside)
    edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    edge[1:] |= inside[1:] != inside[:-1]
    return _thicken(edge, width)


def _thicken(pixels, width: int) -> np.ndarray:
    """Return the pixels and those that are at most `width` away in a row and in a column."""
    for _ in range(width):
        wide = pixels.copy()
        wide[:, 1:] |= pixels[:, :-1]
        wide[:, :-1] |= pixels[:, 1:]
        pixels = wide.copy()
        pixels[1:] |= wide[:-1]
        pixels[:-1] |= wide[1:]
    return pixels


def describe_scale(style: str, colormap: str, limits: tuple[float, float]) -> str:
    """Return in words how `render` draws the values between two limits."""
    low, high = limits
    if style == "contours":
        values = [low + share * (high - low) for share in CONTOUR_LEVELS]
        return "thin, medium and thick lines at " + ", ".join(f"{v:.3f}" for v in values)
    if style == "spotlight":
        return f"dark ({low:.3f}) to bright ({high:.3f})"
    dark, bright = COLORMAPS[colormap].split(" to ")
    return f"{dark} ({low:.3f}) to {bright} ({high:.3f})"


def draw_outline(picture, mask) -> np.ndarray:
    """Return a picture with the outline of a mask `(height, width)` in black and white dashes."""
    picture = picture.copy()
    small = len(picture) < 128
    edge = _boundary(enlarge(np.asarray(mask, bool), len(picture)), 0 if small else 1)
    rows, columns = np.nonzero(edge)
    white = (rows + columns) // (4 if small else 6) % 2
    picture[rows, columns] = 255 * white[:, None]
    return picture


def draw_cell(picture, cell: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Return the picture with a cell of a grid of `(rows, columns)` framed, black in white."""
    frame = Image.fromarray(picture)
    draw = ImageDraw.Draw(frame)
    steps = [len(picture) / count for count in grid]
    top, left = (round(place * step) for place, step in zip(cell, steps, strict=True))
    bottom, right = (round((place + 1) * step) - 1 for place, step in zip(cell, steps, strict=True))
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="white", width=4)
    draw.rectangle((left, top, right, bottom), outline="black", width=2)
    return np.asarray(frame)


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


def captioned(columns, margin: int = 8) -> np.ndarray:
    """Return pictures side by side, each with lines of text, which are wrapped, below it."""
    font = label_font(13)
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


def _check(name, value, choices):
    """Raise a ValueError unless `value`, called `name` in the message, is one of the choices."""
    if value not in choices:
        raise ValueError(
            f"{name} is {value!r}, but it must be one of {', '.join(map(repr, choices))}."
        )
