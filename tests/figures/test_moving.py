"""The moving drawings as a reader uses them, in a browser, and what Python says of them."""

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tlvit_utils.figures import moving

QUERIES = np.array([[1.5, 0.5], [-0.5, 1.5], [-1.0, -1.0]])
KEYS = np.array([[1.0, 1.0], [-1.0, 0.8], [0.3, -1.2]])
VALUES = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
GRID = np.random.default_rng(0).random((3, 4, 3))
FILTERS = np.random.default_rng(1).normal(size=(2, 3, 3, 3))

TOKENS = np.array([[1.0, -1.0, 0.5], [0.0, 1.0, 2.0]])
IMAGE = np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype="uint8")


def attention_weights(query):
    powers = np.exp(KEYS @ query / np.sqrt(2))
    return powers / powers.sum()


def norm(tokens):
    return (tokens - tokens.mean(1, keepdims=True)) / np.sqrt(tokens.var(1, keepdims=True) + 1e-6)


DRAWINGS = {
    "attention": lambda: moving.attention(QUERIES, KEYS, VALUES),
    "token_learner": lambda: moving.token_learner(GRID, FILTERS),
    "block": lambda: moving.block(TOKENS),
    "patches": lambda: moving.patches(IMAGE, (4, 8)),
    "same_mean": lambda: moving.same_mean(VALUES),
}


@pytest.fixture
def open_page(new_page, tmp_path):
    """A function that opens a drawing from disk, offline."""

    def open_page(drawing, **options):
        drawing.save(tmp_path / "page.html")
        page = new_page(offline=True, reduced_motion="reduce", **options)
        page.goto((tmp_path / "page.html").as_uri())
        return page

    return open_page


def numbers(page, selector):
    """Return the numbers that these elements show."""
    texts = page.locator(selector).all_text_contents()
    return [float(text.replace("−", "-").rstrip(" %")) for text in texts if text]


def said(vector):
    return "(" + ", ".join(f"{x:.2f}" for x in vector).replace("-", "−") + ")"


def drag(page, label, x, y):
    """Drag the tip with this label by a number of pixels."""
    box = page.get_by_label(label, exact=True).bounding_box()
    start = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + x, start[1] + y, steps=3)
    page.mouse.up()


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_still_picture_and_words_stand_beside_each(name):
    drawing = DRAWINGS[name]()
    data, metadata = drawing._repr_mimebundle_()
    picture = Image.open(io.BytesIO(data["image/png"]))
    assert picture.width > 400
    assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    assert metadata["image/png"]["alt"] == data["text/plain"] == drawing.words
    assert len(data["text/html"]) < 250_000
    assert not re.search(r"(src|href)=[\"'](?!data:)", drawing.html)


@pytest.mark.parametrize(
    ("name", "scheme"), [*zip(DRAWINGS, itertools.cycle(["light", "dark"]), strict=False)]
)
def test_axe_finds_nothing_and_a_narrow_window_is_enough(open_page, axe, name, scheme):
    page = open_page(DRAWINGS[name](), color_scheme=scheme, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    found = axe.run(page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"]) for each in found]


@pytest.fixture
def attention(open_page):
    """The page of attention, open in a browser that has a mouse and a finger."""
    return open_page(moving.attention(QUERIES, KEYS, VALUES), has_touch=True)


def weights_in(page):
    return numbers(page, "td:nth-child(4)")


def test_attention_starts_with_the_scaled_softmax(attention):
    for asks, query in enumerate(QUERIES):
        attention.locator("#asks input").nth(asks).check(force=True)
        weights = attention_weights(query)
        assert weights_in(attention) == pytest.approx(100 * weights, abs=0.06)
        assert numbers(attention, "td:nth-child(2)") == pytest.approx(KEYS @ query, abs=0.006)
        attention.get_by_text(f"The output is {said(weights @ VALUES)}").wait_for()


def test_dragging_the_query_and_the_scale_change_weights_that_sum_to_1(attention):
    before = weights_in(attention)
    drag(attention, "query", -150, 60)
    assert weights_in(attention)[0] < before[0] - 20
    assert sum(weights_in(attention)) == pytest.approx(100, abs=0.2)
    attention.get_by_text("Reset").click()
    assert weights_in(attention) == before
    attention.get_by_label("Scale").fill("0")
    assert weights_in(attention) == pytest.approx([33.3] * 3)
    attention.get_by_label("Scale").fill("4")
    assert max(weights_in(attention)) > 99


def test_arrow_keys_and_a_finger_move_the_query(attention):
    knob = attention.get_by_label("query", exact=True)
    knob.focus()
    attention.keyboard.press("ArrowUp")
    attention.keyboard.press("Shift+ArrowLeft")
    assert knob.get_attribute("aria-valuetext") == "(1.00, 0.60)"
    weights = attention_weights(np.array([1.0, 0.6]))
    assert weights_in(attention) == pytest.approx(100 * weights, abs=0.06)
    box = knob.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = attention.context.new_cdp_session(attention)
    steps = {"touchStart": [{"x": x, "y": y}], "touchMove": [{"x": x - 50, "y": y}], "touchEnd": []}
    for kind, points in steps.items():
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(knob).to_have_attribute("aria-valuenow", re.compile(r"^(-|0\.[0-7])"))


def test_the_token_is_built_cell_by_cell(open_page):
    page = open_page(moving.token_learner(GRID, FILTERS))
    page.locator("#tokens input").nth(1).check(force=True)
    cells, padded = GRID.reshape(-1, 3), np.zeros((5, 6, 3))
    padded[1:4, 1:5] = norm(cells).reshape(GRID.shape)
    places = itertools.product(range(3), range(4))
    logits = np.array([(padded[x : x + 3, y : y + 3] * FILTERS[1]).sum() for x, y in places])
    weights = 1 / (1 + np.exp(-logits))
    assert numbers(page, "#logits text") == pytest.approx(logits, abs=0.06)
    assert numbers(page, "#map text") == pytest.approx(weights, abs=0.006)
    for i, divisor in enumerate((12, 1, weights.sum())):  # mean, sum, weighted mean
        page.locator("#poolings input").nth(i).check(force=True)
        token = weights @ cells / divisor
        assert numbers(page, "td:nth-child(3)") == pytest.approx(token, abs=6e-4)
    step = page.get_by_label("Step", exact=True)
    step.focus()
    page.keyboard.press("Home")
    assert numbers(page, "td:nth-child(2)") == [0, 0, 0]
    for done in range(1, 5):  # after grid, norm, convolution and map
        for _ in range(5 if done == 1 else 1):
            page.keyboard.press("ArrowRight")
        so_far = weights[:done] @ cells[:done]
        assert numbers(page, "td:nth-child(2)") == pytest.approx(so_far, abs=6e-4)
    page.get_by_text("The cell in row 0, column 3").wait_for()
    page.get_by_role("button", name="Step back").click()
    assert step.input_value() == "7"


@pytest.fixture
def simple_parts(monkeypatch):
    """Parts of a block that one can follow by hand: attention swaps two tokens, the MLP halves."""
    monkeypatch.setattr(moving, "_attend", lambda normed: normed[::-1])
    monkeypatch.setattr(moving, "_mlp", lambda normed: normed / 2)


@pytest.mark.usefixtures("simple_parts")
def test_a_block_adds_what_its_parts_say(open_page):
    page = open_page(moving.block(TOKENS))
    middle = TOKENS + norm(TOKENS)[::-1]
    after = middle + norm(middle) / 2
    for token in (0, 1):
        page.locator("#tokens input").nth(token).check(force=True)
        page.get_by_text(f"leaves as {said(after[token])}").wait_for()
    page.get_by_role("button", name=re.compile("^attention")).click()
    page.get_by_text(f"what to add to this one: {said(norm(TOKENS)[0])}").wait_for()
    page.get_by_role("button", name="Next step").click()
    page.get_by_text(f"is added: {said(middle[1])}").wait_for()


@pytest.mark.usefixtures("simple_parts")
def test_with_zero_weights_a_token_passes_through_a_block_unless_nothing_skips(open_page):
    page = open_page(moving.block(TOKENS))
    page.get_by_label("attention", exact=True).uncheck()
    page.get_by_text(f"leaves as {said((TOKENS + norm(TOKENS) / 2)[0])}").wait_for()
    page.get_by_label("MLP", exact=True).uncheck()
    page.get_by_text(f"passes unchanged: {said(TOKENS[0])}").wait_for()
    page.get_by_label("skip connections").uncheck()
    page.get_by_text("nothing is left").wait_for()
    assert page.locator(".station").last.inner_text().endswith("length 0.00")


def test_a_token_is_a_patch_of_the_picture(open_page):
    page = open_page(moving.patches(IMAGE, (4, 8)), viewport={"width": 900, "height": 700})
    page.locator(".tile").nth(6).hover()
    page.get_by_text("Token 6 is the patch in row 1, column 2").wait_for()
    heights = re.findall(r"v-([\d.]+)", page.locator("#strip .green").get_attribute("d"))
    greens = 60 * (IMAGE[4:8, 8:12, 1].ravel() / 255)
    assert [float(height) for height in heights] == pytest.approx(np.maximum(greens, 0.5))
    box = page.locator("#picture").bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    page.get_by_text("Token 15 is the patch in row 3, column 3").wait_for()
    page.locator("#sizes input").nth(1).check(force=True)
    page.get_by_text("2 × 2 = 4 patches of 8 × 8. Token 3 ").wait_for()
    assert page.locator(".tile").count() == 4
    page.get_by_label("Token").fill("1")
    page.get_by_text("row 0, column 1").wait_for()


def test_tokens_move_and_their_mean_stays(open_page):
    page = open_page(moving.same_mean(VALUES))
    mean = said(VALUES.mean(0))

    def places():
        return page.locator("td:nth-child(3)").all_inner_texts()

    before, seen = places(), {places()[0]}
    drag(page, "token 1", -40, 30)
    for name in ("Turn", "Spread out", "Make all equal"):
        assert places()[-1] == before[-1] == mean
        seen.add(places()[0])
        page.get_by_role("button", name=name).click()
    assert set(places()) == {mean}  # all equal
    assert len(seen) == 4
    page.get_by_text("gives the same answer").wait_for()
    page.get_by_label("keep the mean").uncheck()
    drag(page, "token 2", 30, 0)
    page.get_by_text("The mean has moved").wait_for()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: moving.attention(QUERIES, KEYS[:2], VALUES), r"keys has shape \(2, 2\)"),
        (lambda: moving.attention(QUERIES, KEYS, VALUES * np.nan), "values must hold finite"),
        (lambda: moving.token_learner(GRID, FILTERS[:, :2]), r"filters has shape \(2, 2, 3, 3\)"),
        (lambda: moving.block(TOKENS[0]), r"tokens has shape \(3,\)"),
        (lambda: moving.patches(IMAGE, (5,)), "Patches of 5 pixels do not cut 16 pixels"),
        (lambda: moving.same_mean(TOKENS), r"tokens has shape \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
