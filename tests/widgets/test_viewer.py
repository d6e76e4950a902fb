"""The viewer: pictures, maps and predictions of one forward pass, and its controls."""

import io

import numpy as np
import pytest
from PIL import Image

from tlvit_utils.analysis.maps import describe_map, predict_with_maps
from tlvit_utils.figures.overlay import enlarge, render, tile_square
from tlvit_utils.widgets import AttentionViewer

NAMES = "abcdefghij"
SIDE = 320


@pytest.fixture(scope="module")
def images(shapes):
    return shapes.test.images[:4]


@pytest.fixture
def viewer(tiny_model, images):
    said = predict_with_maps(tiny_model, images)[0].argmax(axis=1)
    labels = [said[0], (said[1] + 1) % 10, *said[2:]]
    return AttentionViewer(tiny_model, images, labels, NAMES)


def right_half(viewer):
    picture = np.asarray(Image.open(io.BytesIO(viewer.picture.value)))
    assert picture.shape == (SIDE, 2 * SIDE + 12, 3)
    return picture[:, -SIDE:]


def set_to(viewer, **settings):
    for name, value in settings.items():
        viewer.controls[name].value = value


def test_it_shows_the_maps_of_the_pass_that_predicts(viewer, tiny_model, images):
    """Over the images themselves, which the tiny model sees as they are."""
    probabilities, maps = predict_with_maps(tiny_model, images)
    for i, token in ((0, 1), (3, 2)):
        set_to(viewer, image_index=i, token=token, opacity=0.25)
        expected = render(images[i], maps[i, token], opacity=0.25, size=SIDE)
        np.testing.assert_array_equal(right_half(viewer), expected)
        picture = np.asarray(Image.open(io.BytesIO(viewer.picture.value)))
        np.testing.assert_array_equal(picture[:, :SIDE], enlarge(images[i], SIDE))
        assert f"Image {i}: {NAMES[probabilities[i].argmax()]}, " in viewer.words
        assert f"token {token + 1}" in viewer.words and describe_map(maps[i, token]) in viewer.words
        assert f"{probabilities[i].max():.0%}" in viewer.words
    set_to(viewer, token="all")
    expected = tile_square(
        lambda token, side: render(images[3], maps[3, token], opacity=0.25, size=side),
        ["1", "2", "3"],
        SIDE,
    )
    np.testing.assert_array_equal(right_half(viewer), expected)


@pytest.mark.parametrize(("name", "value"), [("token", None), ("opacity", np.nan)])
def test_a_value_that_cannot_be_drawn_is_refused_and_undone(name, value, viewer):
    before = viewer.controls[name].value
    with pytest.raises(ValueError, match=name):
        viewer.controls[name].value = value
    assert viewer.controls[name].value == before


def test_it_says_what_is_right_and_what_is_wrong(viewer, tiny_model, images):
    assert "(right)" in viewer.words
    set_to(viewer, image_index=1)
    assert "(wrong, it is " in viewer.words
    unknown = AttentionViewer(tiny_model, images, class_names=NAMES)
    assert "right)" not in unknown.words and "wrong" not in unknown.words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((0, 32, 32, 3))}, "no images"),
        ({"labels": [0, 1]}, "one label per image"),
        ({"labels": [0, 1, 2, 10]}, "from 0 to 9"),
        ({"class_names": ["one"]}, "1 class names"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words, tiny_model, images):
    given = {"images": images, "labels": [0, 1, 2, 3], "class_names": NAMES, **changes}
    with pytest.raises(ValueError, match=words):
        AttentionViewer(tiny_model, **given)
