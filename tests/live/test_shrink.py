"""An own picture, made small in the page, against Pillow."""

import numpy as np
import pytest
from PIL import Image, ImageOps

SHRINK = """
const answer = (given) => given.map((each) => {
  each.data = Uint8ClampedArray.from(each.data);
  return Array.from(shrink(each, each.size));
});
"""
SIZES = [(640, 480), (97, 121), (33, 32), (20, 11), (32, 32), (31, 150), (500, 20)]


def photo(width, height, mode, seed=0):
    """Return a picture with soft and hard edges and noise."""
    rng = np.random.default_rng(seed)
    channels = len(mode)
    coarse = rng.integers(0, 256, (5, 7, channels), dtype="uint8")
    coarse = Image.fromarray(coarse, mode).resize((width, height), Image.Resampling.BILINEAR)
    noise = rng.integers(-60, 61, (height, width, channels)) * (
        rng.random((height, width, 1)) < 0.3
    )
    pixels = np.asarray(coarse) + noise
    pixels[height // 3 : height // 2, width // 3 :, :3] = 250
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"), mode)


def on_grey(picture):
    """Return a picture in RGBA on the grey that the page lays transparent parts on."""
    pixels = np.asarray(picture, "float64")
    opacity = pixels[..., 3:] / 255
    mixed = opacity * pixels[..., :3] + (1 - opacity) * 128
    return Image.fromarray(np.rint(mixed).astype("uint8"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_picture_is_made_small_as_pillow_does(javascript, source):
    given, expected = [], []
    for size in (32, 64):
        for width, height in SIZES:
            for mode in ("RGB", "RGBA"):
                picture = photo(width, height, mode)
                data = np.asarray(picture.convert("RGBA")).ravel().tolist()
                given.append({"width": width, "height": height, "size": size, "data": data})
                fit = ImageOps.fit(on_grey(picture.convert("RGBA")), (size, size))
                expected.append(np.asarray(fit))
    answers = javascript(source("shrink.js") + SHRINK, given)
    for facts, answer, pixels in zip(given, answers, expected, strict=True):
        difference = np.abs(np.subtract(answer, pixels.ravel().astype(int))).max()
        assert difference <= 1, f"{facts['width']} × {facts['height']} to {facts['size']}"
