"""The page of `export` in Chromium or Chrome, driven by Playwright.

A module of its own, so that Playwright's event loop has ended when the notebooks' tests begin.
"""

import io

import numpy as np
import pytest
from PIL import Image

from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.figures.overlay import COLORMAPS, render
from tlvit_utils.widgets.export import write_html

EPOCHS, IMAGES, TOKENS, SIDE = 3, 2, 3, 4
NAMES = ["cat", "<b>dog</b>"]


@pytest.fixture(scope="module")
def views():
    return np.random.default_rng(0).integers(0, 256, (IMAGES, 12, 12, 3), dtype="uint8")


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(1).random((EPOCHS, IMAGES, TOKENS, SIDE, SIDE)).astype("float32")


@pytest.fixture(scope="module")
def address(views, maps, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "viewer.html"
    write_html(
        path,
        views,
        maps,
        labels=[0, 1],
        probabilities=[[0.75, 0.25], [0.625, 0.375]],
        class_names=NAMES,
        val_accuracy=[0.5, 0.625, 0.75],
    )
    return path.as_uri()


@pytest.fixture
def page(new_page, address):
    """The page, offline, with a clock that the test moves."""
    page = new_page(offline=True)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.clock.install(time="2000-01-01")
    page.goto(address)
    page.wait_for_selector("#prediction tr")
    page.clock.pause_at("2000-01-02")
    yield page
    assert [url for url in requests if not url.startswith("data:image/png")] == [address]


def pixels(page, canvas):
    """Return what a canvas shows, `(height, width, 3)`."""
    encoded = page.evaluate(
        "async (id) => [...new Uint8Array(await (await new Promise((done) =>"
        " document.getElementById(id).toBlob(done))).arrayBuffer())]",
        canvas,
    )
    return np.asarray(Image.open(io.BytesIO(bytes(encoded))).convert("RGB")).astype(int)


def press(page, control, *keys):
    page.focus(f"#{control}")
    for key in keys:
        page.keyboard.press(key)


def text(page, id):
    return page.locator(f"#{id}").inner_text()


def test_tab_leads_through_all_controls(page):
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["image", "token", "epoch", "play", "opacity", "style", "scale"]


def test_controls_have_names(page):
    for role, name in (
        ("slider", "Image"),
        ("combobox", "Token"),
        ("slider", "Epoch"),
        ("button", "Play"),
        ("slider", "Opacity"),
        ("combobox", "Drawn as"),
        ("combobox", "Scale"),
        ("img", "The map over the image"),
        ("img", "The image"),
    ):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name


@pytest.mark.parametrize(
    "control, keys",
    [
        ("image", ["ArrowRight"]),
        ("token", ["ArrowDown"]),
        ("epoch", ["ArrowLeft"]),
        ("opacity", ["ArrowRight"]),
        ("style", ["ArrowDown"]),
        ("style", ["End"]),
        ("scale", ["ArrowDown"]),
    ],
)
def test_each_control_changes_the_picture_from_the_keyboard(page, control, keys):
    overlay, image = pixels(page, "overlay"), pixels(page, "picture")
    press(page, control, *keys)
    assert (pixels(page, "overlay") != overlay).any()
    assert (pixels(page, "picture") != image).any() == (control == "image")


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("style", ["viridis", "cividis", "grey", "spotlight", "contours"])
def test_the_pixels_are_those_of_the_viewer(page, views, maps, style, shared):
    press(page, "image", "End")
    press(page, "token", "End")
    press(page, "epoch", "Home", "ArrowRight")
    press(page, "opacity", *["ArrowLeft"] * 4)
    page.select_option("#style", style)
    page.select_option("#scale", "shared" if shared else "own")
    expected = render(
        views[1],
        maps[1, 1, 2],
        style=style if style in ("spotlight", "contours") else "heat",
        colormap=style if style in ("viridis", "cividis", "grey") else "viridis",
        opacity=0.4,
        limits=(maps[:, 1].min(), maps[:, 1].max()) if shared else None,
        size=384,
    )
    difference = np.abs(pixels(page, "overlay") - expected).max(axis=-1)
    # A map has 256 steps here: colours one step off, and lines here and there one pixel.
    assert (difference > 4).mean() < (0.01 if style == "contours" else 1e-9)
    np.testing.assert_array_equal(
        pixels(page, "picture"), render(views[1], maps[1, 1, 2], opacity=0, size=384)
    )


def test_all_tokens_are_shown_in_tiles(page, views, maps):
    shown = pixels(page, "overlay")
    side = (384 + 4) // 2 - 4
    for token, (row, column) in enumerate([(0, 0), (0, side + 4), (side + 4, 0)]):
        tile = shown[row : row + side, column : column + side]
        expected = render(views[0], maps[-1, 0, token], size=side)
        assert np.abs(tile - expected)[24:].max() <= 4
        assert tile[:20, :12].min() == 0 and tile[:20, :12].max() > 200  # its number


def test_the_words_follow(page, maps):
    assert text(page, "words") == (
        "True class: cat. Prediction after the last epoch: cat (right), 75%. "
        "Tokens 1 to 3, row by row; choose one for its map in words."
    )
    press(page, "image", "ArrowRight")
    press(page, "token", "ArrowDown", "ArrowDown")
    press(page, "epoch", "ArrowLeft")
    assert text(page, "words") == (
        "True class: <b>dog</b>. Prediction after the last epoch: cat (wrong), 63%. "
        f"Token 2: {describe_map(maps[1, 1, 1])}."
    )
    assert page.get_by_role("status").inner_text() == text(page, "words")
    assert text(page, "epoch-value") == "2 of 3, validation accuracy 62.5%"
    assert page.get_attribute("#epoch", "aria-valuetext") == text(page, "epoch-value")
    assert text(page, "image-value") == "2 of 2"
    low, high = maps[1, 1, 1].min(), maps[1, 1, 1].max()
    dark, bright = COLORMAPS["viridis"].split(" to ")
    assert text(page, "scale-words") == f"From {dark} ({low:.3f}) to {bright} ({high:.3f})."
    assert page.locator("#prediction tr").all_inner_texts() == ["cat\t\t63%", "<b>dog</b>\t\t38%"]


def test_the_epochs_play_to_the_last_and_stop(page):
    def shown():
        return text(page, "epoch-value")[0], text(page, "play"), pixels(page, "overlay")

    before = shown()
    assert before[:2] == ("3", "Play")
    press(page, "play", "Enter")
    seen = [shown()]
    for _ in range(2):
        page.clock.run_for(700)
        seen.append(shown())
    assert [each[:2] for each in seen] == [("1", "Stop"), ("2", "Stop"), ("3", "Play")]
    assert (seen[0][2] != seen[1][2]).any() and (seen[1][2] != seen[2][2]).any()
    assert (seen[2][2] == before[2]).all()
    page.clock.run_for(7000)
    assert shown()[0] == "3"


def test_playing_stops_when_asked_or_when_an_epoch_is_chosen(page):
    for stop in (("play", "Enter"), ("epoch", "ArrowRight")):
        press(page, "epoch", "Home")
        press(page, "play", "Enter")
        assert text(page, "epoch-value")[0] == "2" and text(page, "play") == "Stop"
        press(page, *stop)
        assert text(page, "play") == "Play"
        before = text(page, "epoch-value")
        page.clock.run_for(7000)
        assert text(page, "epoch-value") == before


def test_one_epoch_needs_no_control(new_page, views, maps, tmp_path):
    write_html(tmp_path / "one.html", views, maps[0])
    page = new_page(offline=True)
    page.goto((tmp_path / "one.html").as_uri())
    page.wait_for_selector("#words:not(:empty)")
    assert not page.locator("#epoch").is_visible() and not page.locator("#play").is_visible()
    assert not page.locator("#prediction").is_visible()
    assert text(page, "words").startswith("Tokens 1 to 3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(new_page, address, scheme):
    page = new_page(color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("#prediction tr")
    screen = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    background = luminance(screen[2, 2])
    assert background > 0.8 if scheme == "light" else background < 0.1
    colours = page.evaluate(
        "[...document.querySelectorAll('h1, p, label, span, figcaption, th, td, caption')].map("
        "(e) => getComputedStyle(e).color.match(/[0-9.]+/g).map(Number))"
    )
    assert len(colours) > 10
    for colour in colours:
        assert len(colour) == 3  # not transparent
        low, high = sorted((background, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def luminance(colour):
    """Return the relative luminance of an sRGB colour, as WCAG defines it."""
    colour = np.asarray(colour) / 255
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
