"""Pictures of every kind as the model gets them, and files that are none."""

import io
import os
import re
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.widgets import pictures
from tlvit_utils.widgets.pictures import GREY, PictureError, read_picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quadrants(height=64, width=64):
    """Red, green; blue, white: a picture that shows how it was turned and cut."""
    pixels = np.empty((height, width, 3), "uint8")
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, WHITE
    return pixels


def encode(pixels, image_format="PNG", **options):
    """Return an array or a Pillow image as the bytes of a file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def corners(pixels):
    """Return the four colours of a picture's corners, row by row."""
    assert pixels.dtype == np.uint8
    return [tuple(map(int, pixels[y, x])) for y in (1, -2) for x in (1, -2)]


def check_quadrants(picture, tolerance=0):
    assert picture.pixels.shape == (32, 32, 3)
    difference = np.subtract(corners(picture.pixels), [RED, GREEN, BLUE, WHITE])
    assert np.abs(difference).max() <= tolerance


# what is read


@pytest.mark.parametrize(
    "image_format, options, tolerance",
    [
        ("PNG", {}, 0),
        ("PNG", {"interlace": 1}, 0),
        ("BMP", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {}, 12),
        ("JPEG", {"quality": 95}, 6),
        ("JPEG", {"progressive": True, "quality": 95}, 6),
    ],
)
def test_every_format_is_read(image_format, options, tolerance):
    picture = read_picture(encode(quadrants(), image_format, **options))
    check_quadrants(picture, tolerance)
    assert picture.preview.shape == (64, 64, 3) and picture.preview.dtype == np.uint8
    assert f"'picture', a {image_format} of 64 × 64 pixels" in picture.sentence


def test_a_picture_of_the_models_size_is_taken_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype="uint8")
    picture = read_picture(encode(pixels))
    np.testing.assert_array_equal(picture.pixels, pixels)
    np.testing.assert_array_equal(picture.preview, pixels)
    assert "32 × 32 pixels: taken as it is." in picture.sentence


def test_the_sentence_names_the_classes():
    sentence = read_picture(encode(quadrants())).sentence
    assert f"The model knows only 10 classes ({', '.join(CIFAR10_CLASSES)})" in sentence
    assert (
        "only 2 classes (disc, ring)"
        in read_picture(encode(quadrants()), ("disc", "ring")).sentence
    )


def test_another_size_can_be_asked_for():
    assert read_picture(encode(quadrants()), size=48).pixels.shape == (48, 48, 3)


@pytest.mark.parametrize("colour", [(0, 0, 0), WHITE])
@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_become_grey(image_format, colour):
    pixels = np.zeros((64, 64, 4), "uint8")
    pixels[..., :3] = colour
    pixels[:32, 32:, 3], pixels[32:, :32, 3], pixels[32:, 32:, 3] = 255, 51, 0
    options = {"lossless": True, "exact": True} if image_format == "WEBP" else {}
    picture = read_picture(encode(pixels, image_format, **options))
    blend = GREY + (colour[0] - GREY) / 5
    expected = [(GREY,) * 3, colour, (blend,) * 3, (GREY,) * 3]
    np.testing.assert_allclose(corners(picture.pixels), expected, atol=1)
    np.testing.assert_allclose(corners(picture.preview), expected, atol=1)
    assert "its transparent parts laid on grey" in picture.sentence


def test_hidden_colours_do_not_bleed_into_the_edge_of_transparency():
    pixels = np.zeros((64, 64, 4), "uint8")
    pixels[..., 0] = 255  # red wherever it cannot be seen
    pixels[:, 32:] = (GREY, GREY, GREY, 255)
    np.testing.assert_allclose(read_picture(encode(pixels)).pixels, GREY, atol=3)


def test_an_opaque_alpha_channel_is_not_spoken_of():
    pixels = np.concatenate([quadrants(), np.full((64, 64, 1), 255, "uint8")], axis=-1)
    picture = read_picture(encode(pixels))
    check_quadrants(picture)
    assert "transparent" not in picture.sentence


def test_transparency_in_a_palette_and_in_one_colour_is_seen():
    in_palette = Image.fromarray(quadrants()).quantize(4)
    red = in_palette.getpixel((0, 0))
    for file in (
        encode(in_palette, transparency=red),
        encode(in_palette, "GIF", transparency=red),
        encode(quadrants(), transparency=RED),
    ):
        assert corners(read_picture(file).pixels) == [(GREY,) * 3, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    "image, levels, words",
    [
        (Image.fromarray(np.uint8([[0, 80], [160, 255]])), [0, 80, 160, 255], "its grey colours"),
        (Image.fromarray(np.array([[0, 1], [1, 0]], bool)), [0, 255, 255, 0], "black and white"),
        (
            Image.fromarray(np.uint8([[[0, 255], [80, 255]], [[160, 255], [9, 0]]]), "LA"),
            [0, 80, 160, GREY],
            "its grey colours",
        ),
        (
            Image.fromarray(np.uint16([[0, 257], [32896, 65535]])),
            [0, 1, 128, 255],
            "scaled from 0 to 65535 to 0 to 255",
        ),
    ],
    ids=["grey", "black and white", "grey with alpha", "16 bits"],
)
def test_grey_pictures_become_rgb(image, levels, words):
    image = image.resize((64, 64), Image.Resampling.NEAREST)
    picture = read_picture(encode(image))
    assert corners(picture.pixels) == [(level,) * 3 for level in levels]
    assert words in picture.sentence


@pytest.mark.parametrize(
    "values, levels, words",
    [
        (np.float32([[0, 0.2], [0.5, 1]]), [0, 51, 128, 255], "from 0 to 1"),
        (np.float32([[0, 10], [25, 50]]), [0, 51, 128, 255], "from 0 to 50"),
        (np.float32([[-1, 0], [0, 1]]), [0, 128, 128, 255], "from -1 to 1"),
        (np.int32([[0, 257], [32896, 65535]]), [0, 1, 128, 255], "from 0 to 65535"),
        (np.int32([[-100, 0], [0, 100]]), [0, 128, 128, 255], "from -100 to 100"),
        (np.full((2, 2), 7, "float32"), [0, 0, 0, 0], "from 7 to 7"),
    ],
)
def test_many_bits_are_scaled_and_not_clipped(values, levels, words):
    picture = read_picture(encode(np.kron(values, np.ones((32, 32), values.dtype)), "TIFF"))
    assert corners(picture.pixels) == [(level,) * 3 for level in levels]
    assert f"its numbers scaled {words} to 0 to 255" in picture.sentence


@pytest.mark.parametrize("image_format", ["TIFF", "JPEG"])
def test_cmyk_becomes_rgb(image_format):
    cmyk = Image.fromarray(quadrants()).convert("CMYK")
    picture = read_picture(encode(cmyk, image_format))
    check_quadrants(picture, tolerance=12)
    assert "its CMYK colours turned into RGB" in picture.sentence


STORED = {  # how a camera stores an upright picture, by the orientation that it notes
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("image_format, tolerance", [("JPEG", 6), ("PNG", 0), ("WEBP", 12)])
def test_pictures_are_turned_upright(image_format, tolerance, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](quadrants(64, 96)))
    options = {} if image_format == "PNG" else {"quality": 95}
    picture = read_picture(encode(stored, image_format, exif=exif, **options))
    check_quadrants(picture, tolerance)
    assert picture.preview.shape == (64, 96, 3)
    assert ("turned upright" in picture.sentence) == (orientation > 1)


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_is_taken(image_format):
    others = [Image.new("RGB", (64, 64), colour) for colour in ("black", "yellow")]
    options = {"lossless": True} if image_format == "WEBP" else {}
    file = encode(quadrants(), image_format, save_all=True, append_images=others, **options)
    picture = read_picture(file)
    check_quadrants(picture)
    assert "its first frame taken" in picture.sentence


@pytest.mark.parametrize("shape", [(64, 200), (200, 64)])
def test_the_square_in_the_middle_is_cut_out(shape):
    pixels = np.zeros((*shape, 3), "uint8")
    top, left = (shape[0] - 64) // 2, (shape[1] - 64) // 2
    pixels[top : top + 64, left : left + 64] = quadrants()
    picture = read_picture(encode(pixels))
    check_quadrants(picture)
    assert picture.preview.shape == (*shape, 3)
    assert "cut to the square in its middle, shrunk to 32 × 32" in picture.sentence


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (3, 2)])
def test_tiny_and_thin_pictures_are_read(shape):
    picture = read_picture(encode(np.full((*shape, 3), (10, 200, 90), "uint8")))
    assert (picture.pixels == (10, 200, 90)).all() and picture.pixels.shape == (32, 32, 3)
    assert (picture.preview == (10, 200, 90)).all() and max(picture.preview.shape[:2]) <= 256
    assert "enlarged to 32 × 32" in picture.sentence


def test_a_large_jpeg_is_decoded_small(monkeypatch):
    decoded = []
    transpose = pictures.ImageOps.exif_transpose
    monkeypatch.setattr(
        pictures.ImageOps,
        "exif_transpose",
        lambda image, **options: (decoded.append(image.size), transpose(image, **options)),
    )
    picture = read_picture(encode(quadrants(4000, 6000), "JPEG"))
    assert decoded == [(1500, 1000)]
    check_quadrants(picture, tolerance=6)
    assert picture.preview.shape == (171, 256, 3)
    assert "JPEG of 6,000 × 4,000 pixels" in picture.sentence


def test_the_content_counts_and_not_the_name(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encode(quadrants(), "PNG"))
    picture = read_picture(tmp_path / "photo.jpg")
    check_quadrants(picture)
    assert picture.name == "photo.jpg"
    assert picture.sentence.startswith("'photo.jpg', a PNG of")


def test_a_file_can_be_given_in_every_way(tmp_path):
    data = encode(quadrants())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    version7 = {"a.png": {"metadata": {"name": "a.png", "size": len(data)}, "content": data}}
    entry = {"name": "a.png", "type": "image/png", "content": memoryview(data)}
    for source in (path, str(path), version7, (entry,), [entry], entry):
        picture = read_picture(source)
        assert picture.name == "a.png"
        check_quadrants(picture)
    for source in (data, bytearray(data), memoryview(data)):
        check_quadrants(read_picture(source))


def test_an_upload_called_content_is_no_riddle():
    data = encode(quadrants())
    assert read_picture({"content": {"metadata": {}, "content": data}}).name == "content"


# what is refused


def check_refusal(source, problem, name=None):
    """The message is one sentence: the name, what is wrong (a pattern), and what to do."""
    with pytest.raises(ValueError) as raised:
        read_picture(source)
    message = str(raised.value)
    assert raised.type is PictureError
    assert re.fullmatch(r"'.*' [^;\n]+; [^;\n]+\.", message)
    assert re.search(problem, message)
    if name is not None:
        assert message.startswith(f"{name!r} ")


def chunk(kind, data):
    """Return one chunk of a PNG file."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width, height, data=b"", bits=8, colour=2, extra=b""):
    """Return a PNG file with this header, whatever its data are."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def bmp(width, height):
    """Return the header of a BMP file, and no pixels."""
    head = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def gif(width, height, image=b""):
    """Return a GIF file with a screen of this size, and what else it holds."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + image + b";"


def noise(image_format, **options):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype="uint8")
    return encode(pixels, image_format, **options)


def with_nan(value):
    values = np.zeros((8, 8), "float32")
    values[3, 4] = value
    return encode(values, "TIFF")


WHOLE = {
    "PNG": noise("PNG"),
    "JPEG": noise("JPEG"),
    "progressive JPEG": noise("JPEG", progressive=True),
    "GIF": noise("GIF"),
    "WEBP": noise("WEBP"),
    "lossless WEBP": noise("WEBP", lossless=True),
    "BMP": noise("BMP"),
    "TIFF": noise("TIFF"),
    "LZW TIFF": noise("TIFF", compression="tiff_lzw"),
}
DAMAGED = "is damaged or incomplete"
NO_PICTURE = "is not a whole picture in one of the formats PNG, JPEG"
TOO_LARGE = "make it smaller: 50 MB and 64,000,000 pixels are the most"
ROWS = bytes(40 * (1 + 3 * 40))
BAD = {
    "empty.png": (b"", "is empty"),
    "one byte": (b"\x89", NO_PICTURE),
    "zeros.jpg": (bytes(4000), NO_PICTURE),
    "newlines.bmp": (b"\n" * 100, "is a text"),
    "text.png": (b"not a picture\n", "is a text, not a picture"),
    "utf8.jpg": ("\ufeffDas ist kein Bild.".encode(), "is a text"),
    "utf16.jpg": ("no picture".encode("utf-16"), NO_PICTURE),
    "table.csv": (b"a,b\n1,2\n", "is a text"),
    "data.json": (b'{"image": 1}', "is a text"),
    "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
    "page2.png": (b"\n <HTML></HTML>", "is a web page"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
    "drawing2.svg": (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "as SVG drawings are"),
    "paper.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is a PDF document"),
    "figure.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript document"),
    "layers.psd": (b"8BPS\0\1" + bytes(200), "is a Photoshop document"),
    "pictures.zip": (b"PK\x03\x04" + bytes(100), "is a zip archive"),
    "pictures.gz": (b"\x1f\x8b\x08" + bytes(100), "is a gzip archive"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC or AVIF picture or a video"),
    "film.mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0", "is a HEIC or AVIF picture or a video"),
    "sound.wav": (b"RIFF\x24\0\0\0WAVEfmt ", NO_PICTURE),
    "weights.npy": (b"\x93NUMPY\1\0v\0", NO_PICTURE),
    "icon.ico": (encode(quadrants(), "ICO"), NO_PICTURE),
    "portable.ppm": (b"P6 2 2 255\n" + bytes(12), "is a text|" + NO_PICTURE),
    "signature.png": (WHOLE["PNG"][:8], NO_PICTURE),
    "signature.jpg": (b"\xff\xd8\xff", f"{NO_PICTURE}|{DAMAGED}"),
    "signature.gif": (b"GIF89a", "is a text"),
    "signature.webp": (WHOLE["WEBP"][:16], f"{NO_PICTURE}|{DAMAGED}"),
    "signature.tif": (b"II*\0", f"{NO_PICTURE}|{DAMAGED}"),
    "turned.png": (WHOLE["PNG"][::-1], NO_PICTURE),
    "as text.png": (WHOLE["PNG"].replace(b"\r\n", b"\n"), NO_PICTURE),
    "no size.png": (png(0, 0), f"{NO_PICTURE}|{DAMAGED}"),
    "no width.bmp": (bmp(0, 5), f"{NO_PICTURE}|{DAMAGED}"),
    "no image.gif": (gif(5, 5), f"{NO_PICTURE}|{DAMAGED}"),
    "no rows.png": (png(40, 40), DAMAGED),
    "half of the rows.png": (png(40, 40, ROWS[:2000]), DAMAGED),
    "no zlib.png": (WHOLE["PNG"].replace(b"IDAT\x78", b"IDAT\x00"), DAMAGED),
    "wrong checksum.png": (WHOLE["PNG"][:-14] + b"\0\0" + WHOLE["PNG"][-12:], DAMAGED),
    "wrong bits.png": (png(40, 40, ROWS, bits=3), f"{NO_PICTURE}|{DAMAGED}"),
    "wrong colours.png": (png(40, 40, ROWS, colour=5), f"{NO_PICTURE}|{DAMAGED}"),
    "text bomb.png": (
        png(40, 40, ROWS, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))),
        f"{NO_PICTURE}|{DAMAGED}",
    ),
    "bomb.png": (png(50_000, 50_000), TOO_LARGE),
    "huge.png": (png(8_001, 8_000), "has 8,001 × 8,000 pixels; " + TOO_LARGE),
    "widest.png": (png(2**31 - 1, 1), TOO_LARGE),
    "largest.png": (png(2**31 - 1, 2**31 - 1), TOO_LARGE),
    "beyond.png": (png(2**32 - 1, 2**32 - 1), f"{TOO_LARGE}|{NO_PICTURE}|{DAMAGED}"),
    "bomb.gif": (
        gif(65_535, 65_535, b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\2\0"),
        TOO_LARGE,
    ),
    "bomb.bmp": (bmp(2**31 - 1, 2**31 - 1), TOO_LARGE),
    "bomb.webp": (
        WHOLE["lossless WEBP"].replace(
            struct.pack("<I", 39 | 39 << 14)[:3], struct.pack("<I", 16383 | 16383 << 14)[:3]
        ),
        f"{TOO_LARGE}|{DAMAGED}",
    ),
    "negative.bmp": (bmp(-5, 5), f"{TOO_LARGE}|{NO_PICTURE}|{DAMAGED}"),
    "nan.tif": (with_nan(np.nan), r"not finite \(NaN or infinity\)"),
    "infinite.tif": (with_nan(np.inf), r"not finite \(NaN or infinity\)"),
    "half a name.tif": (WHOLE["TIFF"][:40], f"{NO_PICTURE}|{DAMAGED}"),
    "no huffman table.jpg": (
        WHOLE["JPEG"].replace(b"\xff\xda", b"\xff\xd9", 1),
        f"{NO_PICTURE}|{DAMAGED}",
    ),
}


def test_there_are_many_bad_files():
    assert len(BAD) >= 40
    assert len({data for data, _ in BAD.values()}) == len(BAD)


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_a_sentence(name, tmp_path):
    data, problem = BAD[name]
    (tmp_path / name).write_bytes(data)
    check_refusal(tmp_path / name, problem, name)
    check_refusal({name: {"metadata": {"name": name}, "content": data}}, problem, name)
    check_refusal(({"name": name, "content": memoryview(data)},), problem, name)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_cut_off_file_is_refused_or_read_whole(kind):
    data = WHOLE[kind]
    whole = read_picture(data).pixels
    refused = 0
    for length in np.linspace(1, len(data) - 1, 60).astype(int):
        try:
            pixels = read_picture(data[:length]).pixels
        except PictureError:
            refused += 1
        else:
            np.testing.assert_array_equal(pixels, whole)
    assert refused > 50


def test_a_png_with_any_byte_changed_is_refused():
    """Checksums guard all of it; what stands in its last chunk, 12 bytes, is of no use anyway."""
    data = encode(np.arange(48, dtype="uint8").reshape(4, 4, 3))
    assert data[-8:-4] == b"IEND"
    for place in range(len(data) - 12):
        changed = bytearray(data)
        changed[place] ^= 0x15
        with pytest.raises(PictureError):
            read_picture(changed)


@pytest.mark.parametrize("kind", WHOLE)
def test_a_damaged_file_raises_nothing_but_the_sentence(kind):
    rng = np.random.default_rng(0)
    for _ in range(100):
        changed = np.frombuffer(WHOLE[kind], "uint8").copy()
        places = rng.integers(0, min(len(changed), rng.choice([60, 10**6])), rng.integers(1, 12))
        changed[places] = rng.integers(0, 256, len(places))
        try:
            picture = read_picture(changed.tobytes())
        except PictureError:
            continue
        assert picture.pixels.shape == (32, 32, 3) and picture.pixels.dtype == np.uint8


def test_what_is_no_file_gets_a_sentence(tmp_path):
    check_refusal(tmp_path, "is a folder")
    check_refusal(tmp_path / "cat.png", r"cat.png' is not there; check the name and the folder")
    check_refusal(str(tmp_path / "no" / "folder.png"), "is not there")
    check_refusal("a\0b.png", "is not there|cannot be opened")
    check_refusal("long" * 2000, "is not there|cannot be opened")
    check_refusal("~nobody_of_this_name/cat.png", "is not there|cannot be opened")
    check_refusal("https://example.org/cat.png", "is not there|cannot be opened")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    check_refusal(tmp_path / "pipe.png", "is not a file")


@pytest.mark.parametrize(
    "source, problem",
    [
        (None, "is a NoneType, not a path, bytes or the value of a FileUpload"),
        (3, "is a int, not a path"),
        (np.zeros((32, 32, 3)), "is a ndarray, not a path"),
        ({}, "holds 0 files; choose one picture"),
        ((), "holds 0 files"),
        ([{"name": "a"}, {"name": "b"}], "holds 2 files"),
        ({"a": {"content": b"1"}, "b": {"content": b"2"}}, "holds 2 files"),
        (({"content": b"1"},), "lacks a file's name and content"),
        (({"name": "a.png"},), "lacks a file's name and content"),
        (({"name": "a.png", "content": "text"},), "lacks a file's name and content"),
        ({"a.png": {"metadata": {}}}, "lacks a file's name and content"),
        ({"a.png": b"data"}, "lacks a file's name and content"),
        (("a.png",), "lacks a file's name and content"),
        (({"name": "", "content": b""},), "is empty"),
    ],
)
def test_what_is_no_upload_gets_a_sentence(source, problem):
    check_refusal(source, problem)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", 2_000_000)
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(3_000_000)
    problem = "is 3 MB large; make it smaller: 2 MB and 64,000,000 pixels are the most"
    check_refusal(bytes(3_000_000), problem)
    monkeypatch.setattr(pictures.Path, "read_bytes", lambda path: pytest.fail("it was read"))
    check_refusal(tmp_path / "large.png", problem, str(tmp_path / "large.png"))


def test_a_picture_too_large_for_the_memory_is_refused(monkeypatch):
    def no_memory(*args, **options):
        raise MemoryError

    monkeypatch.setattr(pictures.ImageOps, "exif_transpose", no_memory)
    check_refusal(WHOLE["PNG"], "is too large for this machine's memory; " + TOO_LARGE)


def test_colours_that_pillow_cannot_convert_are_refused(monkeypatch):
    """Which these are depends on its version: CIE Lab, in most."""

    def convert(image, mode):
        raise ValueError(f"conversion from {image.mode} to {mode} not supported")

    cmyk = encode(Image.fromarray(quadrants()).convert("CMYK"), "TIFF")
    monkeypatch.setattr(Image.Image, "convert", convert)
    check_refusal(cmyk, "has CMYK colours, which cannot be shown as RGB here")


def test_a_name_cannot_break_the_sentence(tmp_path):
    check_refusal(({"name": "a\n<b>; c", "content": b"x"},), r"^'a\\n<b>; c' is a text")
