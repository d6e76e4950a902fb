import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.widgets import export
from tlvit_utils.widgets.export import to_html, write_html

EPOCHS, IMAGES, TOKENS, ROWS, COLUMNS = SHAPE = (2, 3, 4, 5, 6)
NAMES = ["cat", "dog"]


@pytest.fixture(scope="module")
def views():
    return np.random.default_rng(0).integers(0, 256, (IMAGES, 20, 24, 3), dtype="uint8")


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(1).random(SHAPE) * np.arange(1, 5)[:, None, None]


class Page(HTMLParser):
    """The elements of a page, and what its scripts and its title hold."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.inside = {"script": [], "title": []}
        self.open = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in self.inside:
            self.open = tag
            self.inside[tag].append("")

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open:
            self.inside[self.open][-1] += data

    @property
    def data(self):
        return json.loads(self.inside["script"][0])


def test_the_maps_are_in_the_page(views, maps):
    data = Page(to_html(views, maps)).data
    assert data["shape"] == list(SHAPE)
    levels = np.frombuffer(base64.b64decode(data["levels"]), "uint8").reshape(SHAPE)
    low, high = np.moveaxis(np.reshape(data["limits"], (*SHAPE[:3], 1, 1, 2)), -1, 0)
    kept = low + (high - low) * (levels / 255)
    assert (np.abs(kept - maps) <= (high - low) / 255 / 2 + 1e-5).all()
    assert (levels.max((3, 4)) == 255).all() and (levels.min((3, 4)) == 0).all()
    for words, each in zip(data["words"], maps.astype("f4").reshape(-1, *SHAPE[3:]), strict=True):
        assert words == describe_map(each)


def test_the_images_are_in_the_page(views, maps):
    pictures = Page(to_html(views, maps)).data["pictures"]
    for picture, view in zip(pictures, views, strict=True):
        decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))
        np.testing.assert_array_equal(decoded, view)


def test_what_is_known_of_the_images_is_in_the_page(views, maps):
    facts = Page(
        to_html(
            views,
            maps,
            labels=np.array([1, 0, 1], "uint8"),
            probabilities=np.array([[0.25, 0.75], [1, 0], [0.5, 0.5]], "float32"),
            class_names=NAMES,
            val_accuracy=np.array([0.5, 0.8205], "float32"),
        )
    ).data
    assert facts["labels"] == [1, 0, 1]
    assert facts["probabilities"] == [[0.25, 0.75], [1, 0], [0.5, 0.5]]
    assert facts["classes"] == NAMES
    assert facts["accuracy"] == [0.5, float(np.float32(0.8205))]  # so "82.1%", as in Python
    unknown = Page(to_html(views, maps)).data
    assert unknown["labels"] is unknown["probabilities"] is unknown["accuracy"] is None


def test_maps_without_epochs_are_those_of_one(views, maps):
    assert to_html(views, maps[0]) == to_html(views, maps[:1])


def test_a_map_that_is_the_same_everywhere_is_kept(views):
    data = Page(to_html(views, np.full(SHAPE, 0.25))).data
    assert set(base64.b64decode(data["levels"])) == {0}
    assert data["limits"][0] == [0.25, 0.25]


def test_the_page_asks_for_nothing_from_elsewhere(views, maps):
    text = to_html(views, maps)
    assert not re.search(r"https?:|//\w+\.|@import|url\(", text)
    page = Page(text)
    assert not [e for e in page.elements if {"src", "href"} & set(e[1]) or e[0] == "link"]
    (policy,) = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policy.startswith("default-src 'none';")


def test_every_control_has_a_label(views, maps):
    page = Page(to_html(views, maps))
    named = {attributes.get("for") for tag, attributes in page.elements if tag == "label"}
    controls = {a["id"] for tag, a in page.elements if tag in ("input", "select")}
    assert named == controls == {"image", "token", "epoch", "opacity", "style", "scale"}


@pytest.mark.parametrize("hostile", ["</script><script>alert(1)", "<!--<script>", "{{data}} &amp;"])
def test_names_cannot_leave_their_place(views, maps, hostile):
    ordinary = Page(to_html(views, maps, class_names=NAMES))
    page = Page(to_html(views, maps, class_names=[hostile, "dog"], title=hostile))
    assert page.elements == ordinary.elements
    assert page.data["classes"] == [hostile, "dog"]
    assert page.inside["title"] == [hostile]
    assert page.inside["script"][1] == ordinary.inside["script"][1]


@pytest.mark.parametrize(
    "error, changes, message",
    [
        (TypeError, {"views": np.zeros((3, 20, 24, 3))}, "views are float64, but .* uint8"),
        (ValueError, {"views": np.zeros((3, 20, 24), "uint8")}, r"views have shape \(3, 20, 24\)"),
        (ValueError, {"views": np.zeros((0, 20, 24, 3), "uint8")}, "at least one image"),
        (ValueError, {"maps": np.zeros((4, 5, 6))}, r"maps have shape \(4, 5, 6\)"),
        (ValueError, {"maps": np.zeros((2, 4, 5, 6))}, r"must be \(3, tokens, rows, columns\)"),
        (ValueError, {"labels": [0, 1]}, r"labels have shape \(2,\), but it must be \(3,\)"),
        (ValueError, {"probabilities": np.zeros((3, 9))}, r"probabilities have shape \(3, 9\)"),
        (ValueError, {"val_accuracy": [0.5]}, r"accuracies have shape \(1,\), .* be \(2,\)"),
        (ValueError, {"maps": np.full(SHAPE, np.nan)}, "maps hold values that are not finite"),
    ],
)
def test_what_does_not_fit_is_refused(views, maps, error, changes, message):
    with pytest.raises(error, match=message):
        to_html(**{"views": views, "maps": maps, **changes})


def test_the_file_is_the_page(views, maps, tmp_path):
    write_html(tmp_path / "new" / "viewer.html", views, maps, title="größer")
    expected = to_html(views, maps, title="größer")
    assert (tmp_path / "new" / "viewer.html").read_text(encoding="utf-8") == expected


def test_a_page_that_cannot_be_made_leaves_the_file_before(views, maps, tmp_path, monkeypatch):
    path = tmp_path / "viewer.html"
    path.write_text("before")

    def broken(*args, **options):
        raise RuntimeError("cannot describe")

    monkeypatch.setattr(export, "describe_map", broken)
    with pytest.raises(RuntimeError, match="cannot describe"):
        write_html(path, views, maps)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
