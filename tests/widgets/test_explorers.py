"""The explorers: what they count and draw, and the widgets around it."""

import io
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from tlvit_utils import ViTConfig
from tlvit_utils.widgets import AttentionExplorer, PlacementExplorer, explorers
from tlvit_utils.widgets.panel import table_html

rng = np.random.default_rng(0)
PICTURE = rng.integers(0, 256, (24, 24, 3), dtype="uint8")
SCORES = rng.dirichlet(np.ones(16), (2, 3, 16))  # two blocks, three heads, 4 × 4 patches


def attention():
    return AttentionExplorer(PICTURE, {"block 0": SCORES[0], "block 1": SCORES[1]}, 2, 1)


@pytest.fixture
def explorer():
    return attention()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def words_of(html):
    """Return the text of some HTML, one space between its pieces."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)))


def test_each_setting_changes_picture_and_words(explorer):
    for control in explorer.controls.values():
        seen, first = [], control.value
        for _, value in control.options:
            control.value = value
            seen.append((explorer.picture.value, explorer.words))
            assert explorer.words in words_of(explorer.text.value)
        control.value = first
        assert all(len(set(each)) == len(control.options) for each in zip(*seen, strict=True))


def test_each_button_says_what_it_chooses(explorer):
    names = [name for control in explorer.controls.values() for name, _ in control.options]
    assert len(set(names)) == len(names) and all(re.search("[a-z]", name) for name in names)


def test_what_is_not_there_is_refused(explorer):
    for control in explorer.controls.values():
        before = control.value, explorer.picture.value, explorer.text.value
        with pytest.raises(TraitError):
            control.value = 99
        assert (control.value, explorer.picture.value, explorer.text.value) == before


def test_an_error_while_drawing_is_an_error(explorer, monkeypatch):
    monkeypatch.setattr(type(explorer), "draw", lambda self, **settings: 1 / 0)
    control = next(iter(explorer.controls.values()))
    with pytest.raises(ZeroDivisionError):
        control.value = next(value for _, value in control.options if value != control.value)


def test_without_a_kernel_there_is_a_picture_with_the_words(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert data["text/plain"] == metadata["image/png"]["alt"] == explorer.words
    shown, alone = pixels(data["image/png"]), pixels(explorer.picture.value)
    assert shown.shape[0] > alone.shape[0] + 20
    np.testing.assert_array_equal(shown[8:-1][: len(alone), 8 : 8 + alone.shape[1]], alone[..., :3])


def test_foreign_text_stays_text():
    table = table_html(("<b>",), [("<i>", "<u>", 0.5)])
    assert not re.search("<[biu]>", table) and "&lt;u&gt;" in table and "width:50%" in table


def test_attention_explorer_shows_what_the_patch_reads(monkeypatch):
    drawn = []
    figure = explorers.heat_panels
    monkeypatch.setattr(
        explorers, "heat_panels", lambda *args, **mark: drawn.append((*args, mark)) or figure(*args)
    )
    explorer = attention()
    explorer.controls["block"].value = "block 1"
    explorer.controls["row"].value = 3
    _, maps, titles, mark = drawn[-1]
    assert mark == {"mark": (3, 1)}
    assert titles == [f"head {i + 1}" for i in range(len(titles))]
    side = maps.shape[1]
    np.testing.assert_array_equal(maps.reshape(len(maps), -1), SCORES[1][:, 3 * side + 1])
    assert "block 1: what the framed patch in row 3, column 1 reads" in explorer.words
    text = words_of(explorer.text.value)
    for i, weights in enumerate(SCORES[1][:, 3 * 4 + 1]):
        row, column = divmod(weights.argmax(), 4)
        place = f"strongest at row {row}, column {column}"
        assert f"head {i + 1} {weights.max():.1%} {weights[13]:.1%} {place}" in text


def test_the_published_numbers_come_out():
    placement = PlacementExplorer(ViTConfig.published())
    after, num_tokens = placement.controls["after"], placement.controls["num_tokens"]
    assert (after.value, num_tokens.value) == (2, 4)
    assert "78.07 million" in placement.words and "1,349,946 parameters" in placement.words
    num_tokens.value = 8
    assert "79.84 million" in placement.words and "21.4% fewer" in placement.words
    assert "token_learner 8 × 128" in words_of(placement.text.value)
    after.value = "no block"
    assert placement.words.startswith("Without TokenLearner: 101.55 million")
    assert "token_learner" not in placement.text.value
