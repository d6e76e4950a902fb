import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from traitlets import TraitError

from tlvit_utils import figures, viewer
from tlvit_utils.attention import describe_map, predict_with_maps, seen_images
from tlvit_utils.figures import overlay
from tlvit_utils.viewer import AttentionViewer, FigureSlider, contact_sheet, encode_png

NAMES = [f"class {i}" for i in range(10)]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype="uint8")


@pytest.fixture
def attention_viewer(tiny_model, images):
    return AttentionViewer(tiny_model, images, np.arange(4), NAMES, size=128)


def pixels(picture):
    """Return what a `widgets.Image` shows."""
    assert picture.format == "png"
    return np.asarray(Image.open(io.BytesIO(picture.value)))


# the traits and the controls


@pytest.mark.parametrize(
    "trait, value", [("image_index", 3), ("token", 1), ("opacity", 0.25), ("shared_scale", True)]
)
def test_controls_and_traits_follow_each_other(attention_viewer, trait, value):
    control = attention_viewer.controls[trait]
    before = getattr(attention_viewer, trait)
    assert control.value == before != value
    setattr(attention_viewer, trait, value)
    assert control.value == value
    control.value = before
    assert getattr(attention_viewer, trait) == before


def test_every_control_is_shown_and_named(attention_viewer):
    def leaves(widget):
        children = getattr(widget, "children", ())
        return [leaf for child in children for leaf in leaves(child)] or [widget]

    shown = leaves(attention_viewer)
    for part in (attention_viewer.seen, attention_viewer.picture, attention_viewer.text):
        assert part in shown
    for control in attention_viewer.controls.values():
        assert control in shown
        assert control.description


@pytest.mark.parametrize(
    "trait, value, message",
    [
        ("image_index", 4, "image_index is 4, but the 4 images have the indices 0 to 3"),
        ("image_index", -1, "image_index is -1"),
        ("token", 3, "token is 3, but it must be 'all' or one of the indices 0 to 2"),
        ("token", -1, "token is -1"),
        ("token", "1", "token is '1'"),
        ("opacity", 1.5, "opacity is 1.5, but it must be from 0 to 1"),
        ("opacity", float("nan"), "opacity is nan"),
    ],
)
def test_what_is_not_there_is_refused(attention_viewer, trait, value, message):
    before = getattr(attention_viewer, trait), attention_viewer.picture.value
    with pytest.raises(TraitError, match=re.escape(message)):
        setattr(attention_viewer, trait, value)
    assert (getattr(attention_viewer, trait), attention_viewer.picture.value) == before
    assert attention_viewer.controls[trait].value == before[0]


@pytest.mark.parametrize(
    "number, labels, names, message",
    [
        (0, None, NAMES, "There are 0 images and no labels"),
        (4, np.arange(3), NAMES, "There are 4 images and 3 labels"),
        (4, np.arange(4), NAMES[:9], "There are 9 class names, but the model tells 10"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_model, images, number, labels, names, message):
    with pytest.raises(ValueError, match=message):
        AttentionViewer(tiny_model, images[:number], labels, names)


def test_an_error_while_drawing_is_an_error(attention_viewer, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("cannot draw")

    monkeypatch.setattr(viewer, "overlay", broken)
    with pytest.raises(RuntimeError, match="cannot draw"):
        attention_viewer.controls["image_index"].value = 1


# the pictures


@pytest.mark.parametrize("size", [100, 128])
def test_the_picture_is_the_overlay_of_the_maps(tiny_model, images, size):
    shown = AttentionViewer(tiny_model, images, size=size)
    maps = predict_with_maps(tiny_model, images)[1]
    views = seen_images(tiny_model, images)
    for index in (0, 3):
        for token in (0, 2):
            for opacity in (0.0, 0.35, 1.0):
                shown.image_index, shown.token, shown.opacity = index, token, opacity
                expected = overlay(views[index], maps[index, token], opacity, size)
                np.testing.assert_array_equal(pixels(shown.picture), expected)
        np.testing.assert_array_equal(
            pixels(shown.seen), np.round(255 * figures.enlarge(views[index], size))
        )


def test_the_shared_scale_is_that_of_the_image(attention_viewer):
    attention_viewer.set_trait("image_index", 2)
    attention_viewer.set_trait("token", 1)
    attention_viewer.set_trait("shared_scale", True)
    maps, view = attention_viewer.maps[2], attention_viewer.views[2]
    expected = overlay(view, maps[1], 0.6, 128, limits=(maps.min(), maps.max()))
    np.testing.assert_array_equal(pixels(attention_viewer.picture), expected)


@pytest.mark.parametrize("shared_scale", [False, True])
def test_all_shows_each_token_in_its_tile(attention_viewer, shared_scale):
    """Two columns of 62 pixels and 4 between; the number covers a tile's upper left corner."""
    attention_viewer.shared_scale = shared_scale
    maps, view = attention_viewer.maps[0], attention_viewer.views[0]
    sheet = pixels(attention_viewer.picture)
    assert sheet.shape == (128, 128, 3)
    limits = (maps.min(), maps.max()) if shared_scale else None
    for each, (row, column) in zip(maps, [(0, 0), (0, 66), (66, 0)], strict=True):
        tile = sheet[row : row + 62, column : column + 62]
        expected = overlay(view, each, 0.6, 62, limits=limits)
        np.testing.assert_array_equal(tile[24:], expected[24:])
        np.testing.assert_array_equal(tile[:, 24:], expected[:, 24:])
        assert (tile[:24, :24] != expected[:24, :24]).any()
    assert (sheet[66:, 66:] == 255).all()


def test_contact_sheet_writes_the_titles():
    grey = np.full((2, 40, 40, 3), 128, "uint8")
    sheet = contact_sheet(grey, ["8", "9"], columns=2)
    first, second = sheet[:, :40], sheet[:, 44:]
    assert (first != second).any() and (first == second).any()
    for tile in (first, second):
        assert tile.min() == 0 and tile.max() > 200  # white on black
    assert (sheet[:, 40:44] == 255).all()


def test_png_keeps_every_pixel(images):
    decoded = np.asarray(Image.open(io.BytesIO(encode_png(images[0]))))
    np.testing.assert_array_equal(decoded, images[0])


def test_moving_a_control_runs_no_model(attention_viewer, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("the model was called")

    monkeypatch.setattr("keras.Model.__call__", refuse)
    monkeypatch.setattr("keras.Layer.__call__", refuse)
    seen = set()
    for trait, value in (
        ("image_index", 1),
        ("token", 2),
        ("shared_scale", True),
        ("opacity", 0.9),
        ("token", "all"),
    ):
        setattr(attention_viewer, trait, value)
        seen.add(attention_viewer.picture.value)
    assert len(seen) == 5


# the words


def test_describe_tells_prediction_truth_and_map(tiny_model, images):
    probabilities, maps = predict_with_maps(tiny_model, images)
    best = probabilities[0].argmax()
    for label, verdict in ((best, "right"), ((best + 1) % 10, "wrong")):
        shown = AttentionViewer(tiny_model, images[:1], [label], NAMES)
        words = shown.text.value
        assert f"Prediction: class {best}<" in words
        assert f"True class: class {label} ({verdict})" in words
        for c in np.argsort(probabilities[0])[-5:]:
            assert f"<td>class {c}</td>" in words
            assert f"<td>{probabilities[0, c]:.0%}</td>" in words
        assert "Tokens 1 to 3, row by row, each on its own colour scale" in words
    shown.token = 1
    low, high = maps[0, 1].min(), maps[0, 1].max()
    assert f"Token 2, from dark purple ({low:.3f}) to yellow ({high:.3f})" in shown.text.value
    assert describe_map(maps[0, 1]) in shown.text.value
    shown.shared_scale = True
    low, high = maps[0].min(), maps[0].max()
    assert f"from dark purple ({low:.3f}) to yellow ({high:.3f})" in shown.text.value


def test_without_labels_no_truth_is_claimed(tiny_model, images):
    words = AttentionViewer(tiny_model, images).text.value
    assert "Prediction: " in words
    assert not re.search("True class|right|wrong", words)


def test_class_names_are_escaped(tiny_model, images):
    names = [f"<img src=x onerror=alert({i})> & co" for i in range(10)]
    words = AttentionViewer(tiny_model, images, np.arange(4), names).text.value
    assert "<img" not in words
    assert words.count("&lt;img src=x onerror=alert(") == 7  # prediction, truth, the best five
    assert "&gt; &amp; co" in words


# FigureSlider


@pytest.fixture
def drawn():
    """The settings for which `square` was asked to draw."""
    return []


@pytest.fixture
def square(drawn):
    def draw(number):
        drawn.append(number)
        return Figure(figsize=(number, number), dpi=100), f"{number} < {number + 1}"

    return draw


def test_each_setting_is_drawn_once_when_chosen(square, drawn):
    slider = FigureSlider("side", [1, 2, 3], square, value=2)
    assert drawn == [2]
    shown = []
    for number in (3, 2, 3, 1):
        slider.slider.value = number
        assert pixels(slider.picture).shape[:2] == (100 * number, 100 * number)
        assert slider.text.value == f"{number} &lt; {number + 1}"
        shown.append(slider.picture.value)
    assert shown[0] == shown[2]
    assert drawn == [2, 3, 1]
    assert slider.slider.description == "side"


def test_the_first_setting_is_the_default(square, drawn):
    FigureSlider("side", [3, 2], square)
    FigureSlider("side", [("two", 2), ("three", 3)], square)
    assert drawn == [3, 2]


def test_a_setting_that_is_not_there_is_refused(square, drawn):
    with pytest.raises(TraitError, match="Invalid selection"):
        FigureSlider("side", [1, 2], square, value=3)
    slider = FigureSlider("side", [1, 2], square)
    with pytest.raises(TraitError, match="Invalid selection"):
        slider.slider.value = 3
    assert drawn == [1]


def test_an_error_in_draw_is_an_error_and_not_kept(drawn):
    def draw(number):
        drawn.append(number)
        if number == 2 and drawn.count(2) == 1:
            raise RuntimeError("cannot draw")
        return Figure(), str(number)

    slider = FigureSlider("side", [1, 2], draw)
    with pytest.raises(RuntimeError, match="cannot draw"):
        slider.slider.value = 2
    slider.slider.value = 1
    slider.slider.value = 2
    assert slider.text.value == "2"
