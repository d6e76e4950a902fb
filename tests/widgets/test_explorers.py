"""The explorers: what they compute and draw, and the widgets around it."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.figures.overlay import captioned, draw_cell, enlarge, render
from tlvit_utils.widgets import explorers
from tlvit_utils.widgets.explorers import (
    AttentionExplorer,
    PatchExplorer,
    PlacementExplorer,
    PoolingExplorer,
    asked_maps,
    block_macs,
    cost_with_token_learner,
    draw_grid,
    draw_heads,
    draw_network,
    draw_product,
    measure,
    set_apart,
    side_by_side,
    ways_html,
)

rng = np.random.default_rng(0)
PICTURE = rng.integers(0, 256, (24, 24, 3), dtype="uint8")
SCORES = rng.dirichlet(np.ones(16), (2, 3, 16))  # two blocks, three heads, 4 × 4 patches
GRID = rng.normal(size=(2, 4, 4, 6))
SMALL = {
    "projection_dim": 16,
    "num_layers": 3,
    "num_heads": 2,
    "key_dim": 8,
    "mlp_units": (24, 16),
    "token_learner_after": 1,
}


def pool_with_loops(grid, maps):
    tokens = np.zeros((*maps.shape[:2], grid.shape[-1]))
    for place in np.ndindex(maps.shape):
        tokens[place[:2]] += maps[place] * grid[place[0], place[2], place[3]]
    return tokens / np.prod(grid.shape[1:3])


def pool_matmul(grid, maps):
    batch, height, width, dim = grid.shape
    pixels = grid.reshape(batch, height * width, dim)
    return maps.reshape(batch, -1, height * width) @ pixels / (height * width)


def patch_explorer():
    return PatchExplorer(PICTURE, (2, 3, 6, 12), 6, ViTConfig.published())


def attention_explorer():
    return AttentionExplorer(PICTURE, {"block 0": SCORES[0], "block 1": SCORES[1]}, 2, 1)


def pooling_explorer():
    return PoolingExplorer({"loops": pool_with_loops, "product": pool_matmul}, GRID, (1, 2, 8), 2)


@pytest.fixture(scope="module")
def placement():
    """Made once: it builds a network. Tests that use it set what they look at."""
    return PlacementExplorer(ViTConfig.light(4).replace(**SMALL), (1, 4, 16, 64))


@pytest.fixture(params=[patch_explorer, attention_explorer, pooling_explorer, "placement"])
def explorer(request):
    """Each explorer, with its first settings."""
    if request.param != "placement":
        return request.param()
    explorer = request.getfixturevalue("placement")
    explorer.after, explorer.num_tokens = 1, 4
    return explorer


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def plain(html):
    """Return the text of some HTML, a space between its pieces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


# all explorers


def test_every_setting_has_a_slider_and_a_trait_that_follow_each_other(explorer):
    for trait, control in explorer.controls.items():
        assert control in explorer.children[0].children and control.description
        before = getattr(explorer, trait)
        for value in explorer.choices[trait]:
            setattr(explorer, trait, value)
            assert control.value == value
        control.value = before
        assert getattr(explorer, trait) == before


def test_every_setting_changes_picture_and_words(explorer):
    for trait, choices in explorer.choices.items():
        first = getattr(explorer, trait)
        seen = []
        for value in choices:
            setattr(explorer, trait, value)
            seen.append((explorer.picture.value, explorer.words))
            assert explorer.words in plain(explorer.text.value).replace("&#x27;", "'")
        setattr(explorer, trait, first)
        pictures, words = map(set, zip(*seen, strict=True))
        assert len(words) == len(choices)
        assert len(pictures) == len(choices)


def test_what_is_not_there_is_refused(explorer):
    for trait, choices in explorer.choices.items():
        before = getattr(explorer, trait), explorer.picture.value, explorer.text.value
        for value in (99, -1, "none"):
            with pytest.raises(TraitError, match=f"{trait} is {value!r}, but it must be one of"):
                setattr(explorer, trait, value)
        assert (getattr(explorer, trait), explorer.picture.value, explorer.text.value) == before
        assert explorer.controls[trait].value == before[0]
        assert before[0] in choices


def test_a_setting_is_drawn_once(explorer, monkeypatch):
    trait, choices = next(iter(explorer.choices.items()))
    for value in choices:
        setattr(explorer, trait, value)

    def refuse(*settings):
        raise AssertionError("it was drawn again")

    monkeypatch.setattr(type(explorer), "draw", refuse)
    for value in choices:
        setattr(explorer, trait, value)


@pytest.mark.parametrize("make", [patch_explorer, attention_explorer, pooling_explorer])
def test_an_error_while_drawing_is_an_error(make, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("cannot draw")

    explorer = make()
    for name in ("encode_png", "draw_network"):
        monkeypatch.setattr(explorers, name, broken)
    trait, choices = next(iter(explorer.choices.items()))
    other = next(value for value in choices if value != getattr(explorer, trait))
    with pytest.raises(RuntimeError, match="cannot draw"):
        explorer.controls[trait].value = other


def test_without_a_widget_there_is_a_picture_with_the_words(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert explorer._ipython_display_ is None
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert data["text/plain"] == metadata["image/png"]["alt"] == explorer.words
    expected = captioned([(pixels(explorer.picture.value), [explorer.words])])
    np.testing.assert_array_equal(pixels(data["image/png"]), expected)


def test_pictures_side_by_side():
    left, right = np.zeros((5, 4, 3), "uint8"), np.full((5, 3, 3), 7, "uint8")
    both = side_by_side([left, right], gap=2)
    assert both.shape == (5, 9, 3)
    assert (both[:, :4] == 0).all() and (both[:, 4:6] == 255).all() and (both[:, 6:] == 7).all()


# patches


@pytest.mark.parametrize("patch_size", [2, 6, 12])
def test_the_grid_lies_between_the_patches(patch_size):
    size = 240
    drawn, plain_picture = draw_grid(PICTURE, patch_size, size), enlarge(PICTURE, size)
    changed = (drawn != plain_picture).any(axis=-1)
    step = size * patch_size // 24
    lines = [place for line in range(step, size, step) for place in (line - 1, line)]
    others = np.setdiff1d(np.arange(size), lines)
    assert not changed[np.ix_(others, others)].any()
    assert (drawn[step, others] == 255).all() and (drawn[others, step - 1] == 0).all()


def test_patches_set_apart_are_the_patches():
    size = 240
    drawn = set_apart(PICTURE, 6, size)
    for row in range(4):
        for column in range(4):
            cell = drawn[60 * row : 60 * (row + 1), 60 * column : 60 * (column + 1)]
            assert (cell[:12] == 255).all() and (cell[:, :12] == 255).all()
            patch = PICTURE[6 * row : 6 * (row + 1), 6 * column : 6 * (column + 1)]
            np.testing.assert_array_equal(cell[12:, 12:], enlarge(patch, 48))


def test_floats_are_drawn_like_bytes():
    for draw in (draw_grid, set_apart):
        np.testing.assert_array_equal(draw(PICTURE / 255, 6), draw(PICTURE, 6))


def test_patch_explorer_counts():
    explorer = patch_explorer()
    explorer.patch_size = 3
    shown = side_by_side([draw_grid(PICTURE, 3), set_apart(PICTURE, 3)])
    np.testing.assert_array_equal(pixels(explorer.picture.value), shown)
    text = plain(explorer.text.value)
    # 8 × 8 tokens of 27 numbers; a block of the published network on 64 tokens
    assert "Patches of 3 × 3 pixels: 8 × 8 = 64 tokens, each of 27 numbers" in text
    assert "compares 4,096 pairs of tokens and takes 25.2 million multiply-adds" in text
    assert "tokens 64 4 " in text and "numbers in each patch 27 0.25 " in text
    assert "pairs that a block compares 4,096 16 " in text
    macs = block_macs(explorer.block, 16)
    assert f"multiply-adds of a block 25,165,824 {25_165_824 / macs:.3g} " in text
    explorer.patch_size = 6
    assert text.count("25,165,824") == 1 and f" {macs:,} 1 " in plain(explorer.text.value)


def test_the_work_of_a_block_is_that_in_a_network(tiny_config):
    cost = model_cost(build_vit(tiny_config))
    macs = {row.name: row.macs for row in cost.layers}
    block = PatchExplorer(PICTURE, (6,), 6, tiny_config).block
    assert block_macs(block, tiny_config.num_patches) == macs["block_0"]
    assert block_macs(block, tiny_config.num_tokens) == macs["block_1"]


def test_patch_sizes_must_divide_the_picture():
    with pytest.raises(ValueError, match="patch_sizes holds 5, which does not divide the 24-pixel"):
        PatchExplorer(PICTURE, (2, 5), 2)


# attention


def test_asked_maps_are_the_rows_of_the_patch():
    scores = np.arange(2 * 9 * 9).reshape(2, 9, 9)
    maps = asked_maps(scores, 1, 2)  # token 5
    np.testing.assert_array_equal(maps, scores[:, 5].reshape(2, 3, 3))


def test_heads_stand_in_a_row_with_the_patch_framed():
    maps = asked_maps(SCORES[0], 2, 1)
    sheet = draw_heads(PICTURE, maps, (2, 1), size=80)
    expected = [enlarge(PICTURE, 80), *(render(PICTURE, each, size=80) for each in maps)]
    assert sheet.shape == (80, 4 * 84 - 4, 3)
    for i, panel in enumerate(expected):
        part = sheet[:, 84 * i : 84 * i + 80]
        np.testing.assert_array_equal(part[24:], draw_cell(panel, (2, 1), (4, 4))[24:])
        assert (part[:24] != panel[:24]).any()  # the title


def test_attention_explorer_shows_what_the_patch_reads():
    explorer = attention_explorer()
    for block, scores in zip(("block 0", "block 1"), SCORES, strict=True):
        explorer.set_trait("block", block)
        for row, column in ((2, 1), (0, 3)):
            explorer.row, explorer.column, explorer.head = row, column, "all"
            maps = asked_maps(scores, row, column)
            shown = draw_heads(PICTURE, maps, (row, column))
            np.testing.assert_array_equal(pixels(explorer.picture.value), shown)
            place = f"{block}: what the framed patch in row {row + 1}, column {column + 1} reads"
            assert place in explorer.words
            text = plain(explorer.text.value)
            for i, each in enumerate(maps):
                r, c = np.unravel_index(each.argmax(), each.shape)
                line = f"head {i + 1} {each.max():.1%} row {r + 1}, column {c + 1} "
                assert line + f"{each[row, column]:.1%}" in text
            explorer.head = 2
            assert place in explorer.words and "head 3" in explorer.words
            assert describe_map(maps[2]) in explorer.words
            right = pixels(explorer.picture.value)[:, -344:]
            drawn = draw_cell(render(PICTURE, maps[2], size=344), (row, column), (4, 4))
            np.testing.assert_array_equal(right, drawn)


def test_half_the_weight_is_counted():
    scores = np.tile([0.3, 0.3, 0.2, 0.2], (1, 4, 1))
    explorer = AttentionExplorer(PICTURE, {"block": scores})
    assert "2 of 4" in plain(explorer.text.value)


# pooling


def test_the_product_is_drawn_to_scale():
    maps, values = rng.uniform(size=(3, 4)), rng.normal(size=(4, 5))
    tokens = maps @ values
    drawn = draw_product(maps, values, tokens, unit=2)
    assert drawn.shape == (28 + 8, 2 * (4 + 5 + 5) + 80, 3)
    left = 0
    for matrix in (maps, values, tokens):
        rows, columns = matrix.shape
        part = drawn[28 : 28 + 2 * rows, left : left + 2 * columns, 0]
        level = (matrix - matrix.min()) / (matrix.max() - matrix.min())
        np.testing.assert_array_equal(part[::2, ::2], np.rint(255 * level))
        np.testing.assert_array_equal(part[1::2, 1::2], part[::2, ::2])
        left += 2 * columns + 40


def test_measure_sees_result_time_and_memory():
    def waste(count):
        np.ones(count)
        return np.ones(3)

    result, seconds, peak = measure(waste, 100_000)
    np.testing.assert_array_equal(result, np.ones(3))
    assert seconds > 0
    assert 800_000 < peak < 1_200_000
    assert measure(waste, 1_000)[2] < 100_000


def test_a_way_that_differs_is_called_out():
    right = np.arange(6.0).reshape(2, 3)
    results = {
        "a": (right, 0.4, 2048),
        "b": (right + 1e-9, 0.1, 4096),
        "c": (right + 1, 0.2, 0),
        "d": (right.T, 0.8, 0),
        "e": (right * np.nan, 0.8, 0),
    }
    text = plain(ways_html(results))
    assert "times as fast as a" in text
    assert "a 400.00 ms 1.0 2 KiB yes b 100.00 ms 4.0 4 KiB yes c 200.00 ms 2.0 0 KiB NO" in text
    assert "d 800.00 ms 0.5 0 KiB NO e 800.00 ms 0.5 0 KiB NO" in text


def test_pooling_explorer_compares_the_ways():
    explorer = pooling_explorer()
    explorer.num_tokens = 8
    text = plain(explorer.text.value)
    assert "8 tokens: for each image, maps of 8 × 16 times cells of 16 × 6" in text
    assert "768 multiply-adds" in text
    assert re.search(r" loops [\d.,]+ ms 1\.0 [\d,]+ KiB yes product [\d.,]+ ms ", text)
    explorer.num_tokens = 1
    assert "1 token: " in explorer.words


def test_pooling_explorer_shows_the_numbers():
    explorer = pooling_explorer()
    seen = {}
    explorer.ways = {"spy": lambda grid, maps: seen.setdefault("maps", maps).sum((2, 3))[..., None]}
    explorer.num_tokens = 8
    maps = seen["maps"]
    assert maps.shape == (2, 8, 4, 4)
    expected = draw_product(
        maps[0].reshape(8, 16), GRID[0].reshape(16, 6), maps[0].sum((1, 2))[:, None], unit=2
    )
    np.testing.assert_array_equal(pixels(explorer.picture.value), expected)


# where TokenLearner stands


@pytest.mark.parametrize("variant", ["v1", "v1.1", "grouped"])
@pytest.mark.parametrize(
    "num_tokens, after, base",
    [(4, 0, ViTConfig.light), (8, 2, ViTConfig.light), (4, 1, ViTConfig.published)],
)
def test_the_cost_is_that_of_the_network_that_is_not_built(base, variant, num_tokens, after):
    config = base(num_tokens).replace(**SMALL).replace(variant=variant, token_learner_after=after)
    without = build_vit(config.replace(num_tokens=None))
    cost = cost_with_token_learner(without, model_cost(without), config)
    assert cost == model_cost(build_vit(config))


def test_the_published_numbers_come_out():
    explorer = PlacementExplorer()
    assert (explorer.after, explorer.num_tokens) == (2, 4)
    assert "78.07 million" in explorer.words and "1,349,946 parameters" in explorer.words
    explorer.num_tokens = 8
    assert "79.84 million" in explorer.words and "21.4% fewer" in explorer.words
    explorer.after = 0
    assert "65.7% fewer" in explorer.words
    explorer.after = "no block"
    assert explorer.words.startswith("Without TokenLearner: 101.55 million")
    assert "1,344,650 parameters" in explorer.words


def test_moving_token_learner_builds_no_network(placement, monkeypatch):
    def refuse(*args):
        raise AssertionError("a network was built")

    monkeypatch.setattr(explorers, "build_vit", refuse)
    placement.after, placement.num_tokens = 0, 1
    words = placement.words
    placement.after, placement.num_tokens = 2, 64
    assert placement.words != words


def test_the_ledger_is_the_cost(placement):
    placement.after, placement.num_tokens = 0, 4
    cost = placement.cost(0, 4)
    text = plain(placement.text.value)
    for row in cost.layers:
        shape = " × ".join(map(str, row.output_shape))
        line = f" {row.name} {shape} {row.params:,} {row.macs:,} {row.macs / cost.macs:.1%} "
        assert (line in text) == (row.params > 0)
    without = placement.without
    ratio = without.macs / cost.macs
    assert f" all layers {cost.params:,} {cost.macs:,} 100.0% " in text
    assert f" without TokenLearner {without.params:,} {without.macs:,} {ratio:.1%} " in text
    assert f"{1 - 1 / ratio:.1%} fewer than without it" in text


def test_a_token_learner_that_only_costs_is_said_to(placement):
    placement.after, placement.num_tokens = 2, 64
    assert "% more than without it" in placement.words


def test_the_box_of_a_layer_is_as_high_as_its_tokens_are_many(placement):
    def heights(after, num_tokens):
        """Heights of the boxes, patches first, seen at their left edges."""
        drawn = draw_network(placement.cost(after, num_tokens), height=160)
        edges = np.arange(128, drawn.shape[1], 124) + 1
        black_ends = (drawn[:160, edges - 1].sum(axis=-1) < 60).sum(axis=0)
        return black_ends.tolist()

    plain_heights = heights("no block", 4)
    assert len(plain_heights) == 4 and len(set(plain_heights)) == 1
    patches, block_0, learner, block_1, block_2 = heights(0, 16)
    assert patches == block_0 == plain_heights[0] > 140
    assert learner == block_1 == block_2
    assert abs(block_1 + 8 - 80) <= 2  # 16 of 64 tokens: half as high, less the margin
