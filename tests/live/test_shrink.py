"""An own picture, made small in the page, against Pillow."""

import numpy as np
import PIL
from PIL import Image, ImageOps

SHRINK = """
const answer = (given) => Promise.all(given.map(async (each) => {
  const rows = Array.from({ length: each.height }, (_, row) =>
    each.data.slice(4 * each.width * row, 4 * each.width * (row + 1)));
  const cut = (left, top, width, height) => rows.slice(top, top + height)
    .flatMap((row) => row.slice(4 * left, 4 * (left + width)));
  return Array.from(await shrink({ ...each, cut }, each.size));
}));
"""
LEVELS = 1 if int(PIL.__version__.split(".")[0]) >= 13 else 3  # Pillow itself rounds differently
SIZES = [(640, 480), (97, 121), (33, 32), (20, 11), (32, 32), (31, 150), (500, 20)]


def photo(width, height):
    """Return a picture with soft and hard edges and noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype="uint8")
    coarse = Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)
    noise = rng.integers(-60, 61, (height, width, 3)) * (rng.random((height, width, 1)) < 0.3)
    pixels = np.asarray(coarse) + noise
    pixels[height // 3 : height // 2, width // 3 :, :3] = 250
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))


def test_a_picture_is_made_small_as_pillow_does(javascript, source):
    given, expected = [], []
    for size in (32, 64):
        for width, height in SIZES:
            picture = photo(width, height)
            data = np.asarray(picture.convert("RGBA")).ravel().tolist()
            given.append({"width": width, "height": height, "size": size, "data": data})
            expected.append(np.asarray(ImageOps.fit(picture, (size, size))))
    in_parts = source("shrink.js").replace("1e6 / length", "1e4 / length")
    assert in_parts != source("shrink.js")
    answers = javascript(in_parts + SHRINK, given)
    for facts, answer, pixels in zip(given, answers, expected, strict=True):
        difference = np.abs(np.subtract(answer, pixels.ravel().astype(int))).max()
        assert difference <= LEVELS, f"{facts['width']} × {facts['height']} to {facts['size']}"
