import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.figures.overlay import render, tile
from tlvit_utils.widgets import scrubber
from tlvit_utils.widgets.export import to_html
from tlvit_utils.widgets.scrubber import EpochScrubber, accuracy_curve


@pytest.fixture
def epoch_maps():
    """Three epochs, two images, four tokens."""
    maps = np.random.default_rng(0).random((3, 2, 4, 8, 8))
    return EpochMaps("cifar10", "validation", [5, 9], maps, [0.25, 0.75, 0.5])


# the curve


def points(svg):
    """Return the points of the curve, the cursor's x and the point that is marked."""
    root = ElementTree.fromstring(svg)
    curve = [tuple(map(float, p.split(","))) for p in root.find("polyline").get("points").split()]
    cursor = float(re.match(r"M([\d.]+) ", root.find("path[@class='cursor']").get("d"))[1])
    circle = root.find("circle")
    return curve, cursor, (float(circle.get("cx")), float(circle.get("cy")))


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_the_cursor_stands_on_the_curve(epoch):
    accuracy = [0.25, 0.75, 0.5]
    curve, cursor, marked = points(accuracy_curve(accuracy, epoch, width=300, height=200))
    assert marked == curve[epoch - 1] and cursor == marked[0]
    x, y = np.transpose(curve)
    assert 0 < x[0] < x[1] < x[2] < 300
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)
    assert 0 < y[1] < y[2] < y[0] < 200  # up is more
    assert y[0] - y[2] == pytest.approx(y[2] - y[1], abs=0.11)


def test_the_curve_is_labelled():
    root = ElementTree.fromstring(accuracy_curve(np.array([0.25, 0.61, 0.5], "f4"), 2))
    assert [each.text for each in root.iter("text")] == ["70%", "20%", "1", "3", "epoch"]
    assert root.get("role") == "img"
    words = "Validation accuracy over the epochs; 61.0% after epoch 2"
    assert root.get("aria-label") == words
    assert not re.search("#[0-9a-f]{3}|rgb|black|white", ElementTree.tostring(root, "unicode"))


@pytest.mark.parametrize("accuracy", [[0.5], [0.5, 0.5]])
def test_a_curve_that_does_not_rise_is_drawn(accuracy):
    curve, cursor, marked = points(accuracy_curve(accuracy, 1))
    assert len(curve) == len(accuracy) and np.isfinite(curve).all()
    assert cursor == marked[0]


# the widget


@pytest.fixture(scope="module")
def views():
    return np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype="uint8")


@pytest.fixture
def epoch_scrubber(epoch_maps, views):
    return EpochScrubber(epoch_maps, views, size=128)


def pixels(epoch_scrubber):
    """Return what the picture shows."""
    return np.asarray(Image.open(io.BytesIO(epoch_scrubber.picture.value)))


def test_it_begins_with_the_last_epoch_and_all_tokens(epoch_scrubber):
    assert (epoch_scrubber.epoch, epoch_scrubber.token) == (3, "all")


@pytest.mark.parametrize("shared", [True, False])
def test_the_picture_is_the_map_of_the_epoch(epoch_scrubber, epoch_maps, views, shared):
    epoch_scrubber.shared_scale = shared
    for epoch, image, token in ((1, 0, 3), (2, 1, 0), (3, 0, 1)):
        epoch_scrubber.epoch, epoch_scrubber.image_index = epoch, image
        epoch_scrubber.token = token
        maps = epoch_maps.maps[:, image, token].astype("f4")
        limits = (maps.min(), maps.max()) if shared else None
        expected = render(views[image], maps[epoch - 1], limits=limits, size=128)
        np.testing.assert_array_equal(pixels(epoch_scrubber), expected)
        words = epoch_scrubber.text.value
        assert (
            f"Token {token + 1}: {describe_map(maps[epoch - 1])}.".replace("'", "&#x27;") in words
        )
        if shared:
            assert f"({limits[0]:.3f}) to " in words and f"({limits[1]:.3f})" in words
        else:
            assert "each map on its own scale" in words
        accuracy = epoch_maps.val_accuracy[epoch - 1]
        assert f"After epoch {epoch} of 3: validation accuracy {accuracy:.1%}." in words


@pytest.mark.parametrize("shared", [True, False])
def test_all_tokens_are_tiles(epoch_scrubber, epoch_maps, views, shared):
    epoch_scrubber.shared_scale, epoch_scrubber.epoch = shared, 2
    maps = epoch_maps.maps[:, 0].astype("f4")
    limits = (maps.min(), maps.max()) if shared else None
    tiles = [render(views[0], each, limits=limits, size=62) for each in maps[1]]
    expected = tile(np.stack(tiles), ["1", "2", "3", "4"], 2)
    np.testing.assert_array_equal(pixels(epoch_scrubber), expected)
    assert "Tokens 1 to 4, row by row" in epoch_scrubber.text.value


def test_places_without_a_token_are_white(epoch_maps, views):
    three = EpochMaps("cifar10", "test", [0, 1], epoch_maps.maps[:, :, :3], [0.1, 0.2, 0.3])
    shown = pixels(EpochScrubber(three, views, size=129))
    assert shown.shape == (129, 129, 3)
    assert (shown[66:, 66:] == 255).all()


@pytest.mark.parametrize(
    "trait, value", [("epoch", 2), ("image_index", 1), ("token", 3), ("shared_scale", False)]
)
def test_controls_and_traits_follow_each_other(epoch_scrubber, trait, value):
    control = epoch_scrubber.controls[trait]
    before = getattr(epoch_scrubber, trait), epoch_scrubber.picture.value
    assert control.value == before[0] != value
    assert control.description
    setattr(epoch_scrubber, trait, value)
    assert control.value == value
    assert epoch_scrubber.picture.value != before[1]
    control.value = before[0]
    assert (getattr(epoch_scrubber, trait), epoch_scrubber.picture.value) == before


def test_play_moves_the_epoch(epoch_scrubber):
    playing = "playing" if epoch_scrubber.player.has_trait("playing") else "_playing"
    assert "role='status'" in epoch_scrubber.text.value
    epoch_scrubber.play.value = True
    assert getattr(epoch_scrubber.player, playing)
    assert epoch_scrubber.play.description == "Stop"
    for epoch in (1, 2):
        before = epoch_scrubber.picture.value
        epoch_scrubber.player.value = epoch  # as the browser does
        assert epoch_scrubber.epoch == epoch_scrubber.controls["epoch"].value == epoch
        assert epoch_scrubber.picture.value != before
        assert "role='status'" not in epoch_scrubber.text.value  # not read out at every step
    setattr(epoch_scrubber.player, playing, False)  # as the browser does at the end
    assert not epoch_scrubber.play.value
    assert epoch_scrubber.play.description == "Play"
    assert "role='status'" in epoch_scrubber.text.value
    assert (epoch_scrubber.player.min, epoch_scrubber.player.max) == (1, 3)


@pytest.mark.parametrize(
    "trait, value, message",
    [
        ("epoch", 0, "epoch is 0, but it must be from 1 to 3"),
        ("epoch", 4, "epoch is 4, but it must be from 1 to 3"),
        ("image_index", 2, "image_index is 2, but it must be from 0 to 1"),
        ("token", 4, "token is 4, but it must be 'all' or one of the indices 0 to 3"),
    ],
)
def test_what_is_not_there_is_refused(epoch_scrubber, trait, value, message):
    before = getattr(epoch_scrubber, trait), epoch_scrubber.picture.value
    with pytest.raises(TraitError, match=message):
        setattr(epoch_scrubber, trait, value)
    assert (getattr(epoch_scrubber, trait), epoch_scrubber.picture.value) == before
    assert epoch_scrubber.controls[trait].value == before[0]


def test_the_file_holds_every_epoch(epoch_scrubber, epoch_maps, views, tmp_path):
    epoch_scrubber.to_html(tmp_path / "epochs.html")
    expected = to_html(views, epoch_maps.maps, val_accuracy=epoch_maps.val_accuracy)
    assert (tmp_path / "epochs.html").read_text(encoding="utf-8") == expected


def test_views_that_do_not_fit_are_refused(epoch_maps, views):
    with pytest.raises(ValueError, match="There are 1 views, but the maps are of 2 images"):
        EpochScrubber(epoch_maps, views[:1])


def test_an_error_while_drawing_is_an_error(epoch_scrubber, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("cannot draw")

    monkeypatch.setattr(scrubber, "render", broken)
    with pytest.raises(RuntimeError, match="cannot draw"):
        epoch_scrubber.controls["epoch"].value = 1


def test_without_a_widget_there_is_a_picture_with_the_words(epoch_scrubber):
    epoch_scrubber.epoch = 2
    data, metadata = epoch_scrubber._repr_mimebundle_()
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == epoch_scrubber.model_id
    shown = np.asarray(Image.open(io.BytesIO(data["image/png"])))
    np.testing.assert_array_equal(shown[8:136, 8:136], epoch_scrubber.pixels())
    words = data["text/plain"]
    assert words == metadata["image/png"]["alt"] == epoch_scrubber.words
    first, *rest = words.splitlines()
    assert first == "After epoch 2 of 3: validation accuracy 75.0%."
    assert len(rest) == 2 and "<" not in words
