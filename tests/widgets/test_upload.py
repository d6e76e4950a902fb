"""The upload widget, with files as the browser sends them to ipywidgets 7 and 8."""

import io
from html import escape

import ipywidgets
import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from tlvit_utils.figures.overlay import enlarge
from tlvit_utils.widgets import upload
from tlvit_utils.widgets.pictures import PictureError, read_picture
from tlvit_utils.widgets.upload import SEEN_SIZE, PictureUpload

VERSION = int(ipywidgets.__version__.split(".")[0])


def png(seed=0, shape=(40, 60)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype="uint8")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def send(widget, name, data):
    """Do what the browser's message does when a file has been chosen."""
    file = {"name": name, "type": "image/png", "size": len(data)}
    if VERSION >= 8:
        file |= {"last_modified": 0, "content": memoryview(data)}
        widget.upload.set_state({"value": [file]})
    else:
        state = {"metadata": [file | {"lastModified": 0}], "data": [memoryview(data)]}
        widget.upload.set_state({**state, "_counter": widget.upload._counter + 1})


def shown(image):
    """Return the pixels of a `widgets.Image`, or None where it is hidden."""
    if image.layout.display == "none":
        return None
    return np.asarray(Image.open(io.BytesIO(image.value)))


@pytest.fixture
def widget():
    return PictureUpload()


@pytest.fixture
def seen(widget):
    """The values that an observer of `picture` was told."""
    values = []
    widget.observe(lambda change: values.append((widget.name, change.new)), "picture")
    return values


def test_at_first_there_is_no_picture(widget):
    assert widget.picture is None and widget.name == ""
    assert shown(widget.preview) is None and shown(widget.seen) is None
    assert widget.text.value == ""
    assert widget.upload.description and not widget.upload.multiple
    for part in (widget.upload, widget.text):
        assert part in widget.children


def test_a_chosen_picture_is_shown_and_told(widget, seen):
    send(widget, "cat.png", png())
    expected = read_picture(({"name": "cat.png", "content": png()},))
    np.testing.assert_array_equal(widget.picture, expected.pixels)
    np.testing.assert_array_equal(shown(widget.preview), expected.preview)
    np.testing.assert_array_equal(shown(widget.seen), enlarge(expected.pixels, SEEN_SIZE))
    assert escape(expected.sentence) in widget.text.value
    ((name, pixels),) = seen
    assert name == "cat.png" and pixels is widget.picture


def test_a_second_picture_takes_the_place_of_the_first(widget, seen):
    send(widget, "cat.png", png(0))
    before = widget.preview.value, widget.seen.value, widget.text.value
    send(widget, "dog.png", png(1))
    assert [name for name, _ in seen] == ["cat.png", "dog.png"]
    assert (seen[0][1] != seen[1][1]).any()
    after = widget.preview.value, widget.seen.value, widget.text.value
    assert all(new != old for new, old in zip(after, before, strict=True))


def test_a_file_that_is_no_picture_leaves_the_old_one(widget, seen):
    send(widget, "notes.txt", b"no picture")
    assert widget.picture is None and seen == []
    assert escape("'notes.txt' is a text, not a picture; ") in widget.text.value
    assert "stays" not in widget.text.value
    send(widget, "cat.png", png())
    old = widget.picture, widget.preview.value, widget.seen.value
    send(widget, "half.png", png(1)[:200])
    assert (widget.picture, widget.preview.value, widget.seen.value) == old
    assert widget.name == "cat.png" and len(seen) == 1
    assert escape("'half.png' is damaged or incomplete") in widget.text.value
    assert escape("'cat.png' stays.") in widget.text.value
    send(widget, "cat.png", png())
    assert "stays" not in widget.text.value


def test_a_name_is_escaped(widget):
    send(widget, "<img src=x onerror=alert(1)>.png", b"no picture")
    assert "<img" not in widget.text.value
    send(widget, "<b>.png", png())
    assert "<b>" not in widget.text.value


def test_the_file_is_not_kept(widget):
    send(widget, "cat.png", png())
    send(widget, "bad.png", b"no picture")
    state = widget.upload.get_state()
    assert not state["value" if VERSION >= 8 else "data"]


def test_code_can_load_a_path(widget, seen, tmp_path):
    (tmp_path / "cat.png").write_bytes(png())
    widget.load(tmp_path / "cat.png")
    assert [name for name, _ in seen] == ["cat.png"]
    with pytest.raises(PictureError, match="is not there"):
        widget.load(tmp_path / "dog.png")
    assert widget.name == "cat.png" and len(seen) == 1


def test_classes_and_size_are_passed_on(tmp_path):
    widget = PictureUpload(("disc", "ring"), size=48)
    send(widget, "cat.png", png())
    assert widget.picture.shape == (48, 48, 3)
    assert "only 2 classes (disc, ring)" in widget.text.value


def test_the_traits_are_not_set_from_outside(widget):
    for trait, value in (("picture", np.zeros((32, 32, 3), "uint8")), ("name", "cat.png")):
        with pytest.raises(TraitError):
            setattr(widget, trait, value)


def test_other_errors_are_errors(widget, monkeypatch):
    def broken(*args):
        raise RuntimeError("cannot read")

    monkeypatch.setattr(upload, "read_picture", broken)
    with pytest.raises(RuntimeError, match="cannot read"):
        send(widget, "cat.png", png())
