"""A learner's own picture, read as the model will see it, or a sentence on why not (notebook 06).

`read_picture` takes what people have: photos of any size and shape, drawings with transparent
parts, scans, animations. What it cannot read it does not guess at: it raises one sentence that
names the file, says what is wrong and what to do.
"""

import io
import os
import warnings
from codecs import getincrementaldecoder
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tlvit_utils.data.datasets import CIFAR10_CLASSES

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")  # no other reader of Pillow's is run
MAX_BYTES = 50_000_000
MAX_PIXELS = 64_000_000  # they take 256 MB once decoded
PREVIEW_SIZE = 256
GREY = 128  # behind transparent parts: neither a dark nor a light subject vanishes on it
SAVE_AGAIN = "open it in a picture editor and save it as PNG or JPEG"
BYTES = (bytes, bytearray, memoryview)

COLOURS = {"1": "black and white", "L": "grey", "LA": "grey", "P": "palette", "PA": "palette"}

# How files begin that are often taken for pictures, in lower case
BEGINNINGS = (
    (b"%pdf", "a PDF document"),
    (b"%!ps", "a PostScript document"),
    (b"8bps", "a Photoshop document"),
    (b"pk\x03\x04", "a zip archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file, as SVG drawings are"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)


class PictureError(ValueError):
    """A file that is no usable picture; the message is one sentence for the learner."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it was read.

    Attributes:
        name: the file's name.
        pixels: what the model gets, uint8 `(32, 32, 3)`.
        preview: the whole picture upright, at most 256 pixels wide and high, uint8
            `(height, width, 3)`.
        sentence: what was done to the file, and that the model knows these classes only.
    """

    name: str
    pixels: np.ndarray
    preview: np.ndarray
    sentence: str


def read_picture(source, class_names=CIFAR10_CLASSES, size: int = 32) -> Picture:
    """Read a picture of nearly any kind as the model will see it.

    It is turned upright (EXIF), of an animation the first frame is taken, and the largest square
    in the middle is cut out and resized. Cut and not padded, because the objects of CIFAR-10 fill
    their pictures, and the network has never seen bars beside one. Transparent parts become grey;
    palettes, CMYK and grey become RGB. Numbers of more than 8 bits are scaled to 0..255: whole
    ones from 0..65535, floats from 0..1, and where they leave that range, from the lowest to the
    highest.

    Args:
        source: a path, the bytes of a file, or the value of an ipywidgets `FileUpload`: in version
            7 a dict of name → `{"metadata", "content"}`, in version 8 a tuple of dicts with "name"
            and "content".
        class_names: the names of the classes that the model knows.
        size: side of the result in pixels.

    Raises:
        PictureError: a ValueError, for anything that is not one whole picture of at most 50 MB and
            64 million pixels in one of `FORMATS`. One kind of damage cannot be seen: JPEG has no
            checksum, so a few changed bits in its middle make another picture.
    """
    name, data = _name_and_bytes(source)
    if not data:
        raise _refusal(name, "is empty", "choose another file")
    if len(data) > MAX_BYTES:
        raise _refusal(name, f"is {len(data) / 1e6:,.0f} MB large", _smaller())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about oddities that do no harm here
            return _decode(name, data, class_names, size)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        remedy = "choose a picture, or save this as one, PNG or JPEG"
        raise _refusal(name, f"is {_kind(data)}", remedy) from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise _refusal(name, "is too large for this machine's memory", _smaller()) from error
    except Exception as error:  # on a damaged file Pillow raises nearly anything
        problem = "is damaged or incomplete and cannot be read"
        raise _refusal(name, problem, f"get a fresh copy, or {SAVE_AGAIN}") from error


def _refusal(name: str, problem: str, remedy: str) -> PictureError:
    return PictureError(f"{name!r} {problem}; {remedy}.")


def _smaller() -> str:
    return f"make it smaller: {MAX_BYTES / 1e6:.0f} MB and {MAX_PIXELS:,} pixels are the most"


def _name_and_bytes(source) -> tuple[str, bytes]:
    """Return the name and the content of a file, however it is given."""
    if isinstance(source, BYTES):
        return "picture", bytes(source)
    if isinstance(source, (str, os.PathLike)):
        return _read_file(source)
    files = source
    if isinstance(source, Mapping):
        single = isinstance(source.get("content"), BYTES)
        files = [source] if single else [_entry(*item) for item in source.items()]
    if not isinstance(files, (tuple, list)):
        problem = f"is a {type(source).__name__}, not a path, bytes or the value of a FileUpload"
        raise _refusal("picture", problem, "give one of these")
    if len(files) != 1:
        raise _refusal("upload", f"holds {len(files)} files", "choose one picture")
    try:
        return str(files[0]["name"]), bytes(memoryview(files[0]["content"]))
    except (KeyError, TypeError) as error:
        problem = "lacks a file's name and content"
        raise _refusal("upload", problem, "give the value of a FileUpload as it is") from error


def _entry(name, file) -> dict:
    """Return a file of ipywidgets 7 in the form of version 8."""
    return {"name": name, "content": file.get("content") if isinstance(file, Mapping) else None}


def _read_file(source) -> tuple[str, bytes]:
    name = str(source)
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            raise _refusal(name, "is a folder", "name a picture in it")
        if not path.exists():
            raise _refusal(name, "is not there", "check the name and the folder")
        if not path.is_file():
            raise _refusal(name, "is not a file", "name a picture")
        if path.stat().st_size > MAX_BYTES:
            raise _refusal(name, f"is {path.stat().st_size / 1e6:,.0f} MB large", _smaller())
        return path.name, path.read_bytes()
    except PictureError:
        raise
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise _refusal(name, f"cannot be opened ({error})", "check the name") from error


def _kind(data: bytes) -> str:
    """Say what a file is that Pillow knows no picture in."""
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF picture or a video, which cannot be read here"
    for beginning, kind in BEGINNINGS:
        if start.startswith(beginning):
            return f"{kind}, not a picture made of pixels"
    if _is_text(start):
        return "a text, not a picture"
    return f"not a whole picture in one of the formats {', '.join(FORMATS)}"


def _is_text(start: bytes) -> bool:
    """Whether this may be how a UTF-8 text begins; its last character may be cut."""
    try:
        text = getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter.isspace() for letter in text)


def _decode(name: str, data: bytes, class_names, size: int) -> Picture:
    image = _open(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _refusal(name, f"has {width:,} × {height:,} pixels", _smaller())
    image.verify()  # PNG's checksums, which loading does not look at
    image = _open(data)
    kind = f"{image.format} of {width:,} × {height:,} pixels"
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    image.draft(None, (2 * PREVIEW_SIZE, 2 * PREVIEW_SIZE))  # a large JPEG: small at once
    ImageOps.exif_transpose(image, in_place=True)
    steps = ["turned upright"] if turned else []
    if getattr(image, "is_animated", False):
        steps.append("its first frame taken")
    image, step = _to_eight_bits(name, image)
    steps += step
    if image.mode == "RGBA" and image.getextrema()[3][0] < 255:
        steps.append("its transparent parts laid on grey")
    if width != height:
        steps.append("cut to the square in its middle")
    if min(width, height) != size:
        steps.append(f"{'shrunk' if min(width, height) > size else 'enlarged'} to {size} × {size}")
    scale = min(1, PREVIEW_SIZE / max(image.size))
    small = [max(1, round(scale * side)) for side in image.size]
    return Picture(
        name=name,
        pixels=_opaque(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)),
        preview=_opaque(image.resize(small, Image.Resampling.LANCZOS)),
        sentence=(
            f"{name!r}, a {kind}: {', '.join(steps) or 'taken as it is'}. The model knows only "
            f"{len(class_names)} classes ({', '.join(class_names)}) and answers with one of them, "
            "whatever the picture shows."
        ),
    )


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _to_eight_bits(name: str, image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return the image as RGB, or as RGBA where it has transparency, and words for what was done.

    Raises:
        PictureError: numbers or a kind of colour that have no place on a screen.
    """
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode == mode:
        return image, []
    if not image.mode.startswith(("I", "F")):
        step = f"its {COLOURS.get(image.mode, image.mode)} colours turned into RGB"
        try:
            return image.convert(mode), [] if image.mode == "RGB" else [step]
        except ValueError as error:
            problem = f"has {image.mode} colours, which cannot be shown as RGB here"
            raise _refusal(name, problem, SAVE_AGAIN) from error
    values = np.array(image, "float32")
    if not np.isfinite(values).all():
        problem = "holds numbers that are not finite (NaN or infinity)"
        raise _refusal(name, problem, "replace them, or save it with 8 bits per number")
    low, high = 0, 1 if image.mode == "F" else 65535
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    values -= low  # in place: there may be 64 million of them
    values *= 255 / max(high - low, 1e-12)
    levels = np.rint(values, out=values).astype("uint8")
    step = f"its numbers scaled from {low:g} to {high:g} to 0 to 255"
    return Image.fromarray(levels).convert("RGB"), [step]


def _opaque(image: Image.Image) -> np.ndarray:
    """Return the image, RGB or RGBA, on grey, uint8 `(height, width, 3)`."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (GREY,) * 3 + (255,)), image)
    return np.array(image.convert("RGB"))
