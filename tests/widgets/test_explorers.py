"""The explorers: what they count and draw, and the widgets around it."""

import io
from html import unescape

import numpy as np
import pytest
from PIL import Image

from tlvit_utils import ViTConfig
from tlvit_utils.widgets import AttentionExplorer, PlacementExplorer, explorers

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


def test_each_setting_changes_picture_and_words(explorer):
    for control in explorer.controls.values():
        seen, first = [], control.value
        for _, value in control.options:
            control.value = value
            seen.append((explorer.picture.value, explorer.words))
            assert explorer.words in unescape(explorer.text.value)
        control.value = first
        assert all(len(set(each)) == len(control.options) for each in zip(*seen, strict=True))


def test_without_a_kernel_there_is_a_picture_with_the_words(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert data["text/plain"] == metadata["image/png"]["alt"] == explorer.words
    shown, alone = pixels(data["image/png"]), pixels(explorer.picture.value)
    assert shown.shape[0] > alone.shape[0] + 20
    np.testing.assert_array_equal(shown[8:-1][: len(alone), 8 : 8 + alone.shape[1]], alone[..., :3])


def test_attention_explorer_shows_what_the_patch_reads(monkeypatch):
    drawn = []
    monkeypatch.setattr(explorers, "to_png", lambda figure: b"")
    monkeypatch.setattr(explorers, "heat_panels", lambda *args, **mark: drawn.append((*args, mark)))
    explorer = attention()
    explorer.controls["block"].value = "block 1"
    explorer.controls["row"].value = 3
    _, maps, titles, mark = drawn[-1]
    assert mark == {"mark": (3, 1)} and titles == ["head 1", "head 2", "head 3"]
    np.testing.assert_array_equal(maps.reshape(3, -1), SCORES[1][:, 13])
    first, *heads = explorer.words.splitlines()
    assert first.startswith("block 1: what the framed patch in row 3, column 1 reads")
    for title, words, weights in zip(titles, heads, SCORES[1][:, 13], strict=True):
        row, column = divmod(weights.argmax(), 4)
        assert words.startswith(
            f"{title}: {weights.max():.1%} at most, {weights[13]:.1%} on itself; "
            f"strongest at row {row}, column {column}"
        )


@pytest.mark.parametrize(
    ("config", "counts", "first"),
    [
        (ViTConfig.published(None), [1, 2, 4, 8, 16, 32, 64], "Without TokenLearner"),
        (ViTConfig.published(3), [1, 2, 3, 4, 8, 16, 32, 64], "TokenLearner with 3"),
        (ViTConfig.published().replace(patch_size=12), [1, 2, 4, 8, 16], "TokenLearner with 4"),
    ],
)
def test_placement_offers_what_the_network_can_have(config, counts, first):
    placement = PlacementExplorer(config)
    assert placement.words.startswith(first)
    assert [count for _, count in placement.controls["num_tokens"].options] == counts
    placement.controls["after"].value = 0
    for count in (counts[0], counts[-1]):
        placement.controls["num_tokens"].value = count
        assert f"with {count} token" in placement.words


def test_the_published_numbers_come_out():
    placement = PlacementExplorer(ViTConfig.published())
    after, num_tokens = placement.controls["after"], placement.controls["num_tokens"]
    assert (after.value, num_tokens.value) == (2, 4)
    assert "78.07 million" in placement.words and "1,349,946 parameters" in placement.words
    num_tokens.value = 8
    assert "79.84 million" in placement.words and "21.4% fewer" in placement.words
    assert "token_learner" in placement.text.value
    after.value = "no block"
    assert placement.words.startswith("Without TokenLearner: 101.55 million")
    assert "token_learner" not in placement.text.value


def test_a_blocks_name_is_no_buttons_text():
    explorer = AttentionExplorer(PICTURE, {"<b>": SCORES[0]})
    assert [text for text, _ in explorer.controls["block"].options] == ["block 0"]
