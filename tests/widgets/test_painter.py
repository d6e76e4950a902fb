import io

import ipywidgets as widgets
import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from tlvit_utils import build_vit
from tlvit_utils.analysis.interventions import NetworkParts
from tlvit_utils.analysis.maps import describe_map, predict_with_maps, seen_images
from tlvit_utils.figures.overlay import as_uint8, draw_cell, render
from tlvit_utils.widgets import painter
from tlvit_utils.widgets.painter import PRESETS, TokenPainter

NAMES = [f"class {i}" for i in range(10)]
LABELS = [3, 1, 4]
EMPTY = np.zeros((4, 4))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="module")
def only_painting(tiny_model, images):
    return TokenPainter(tiny_model, images, LABELS, NAMES, size=128)


@pytest.fixture
def painting(only_painting):
    """A painter of 4×4 maps for 3 tokens, as at the beginning, but empty."""
    only_painting.pen, only_painting.token = "up", "all"
    only_painting.image_index = only_painting.row = only_painting.column = 0
    only_painting.painted = EMPTY
    return only_painting


def pixels(painting):
    """Return what the picture shows."""
    return np.asarray(Image.open(io.BytesIO(painting.picture.value)))


def leaves(widget):
    children = getattr(widget, "children", ())
    return [leaf for child in children for leaf in leaves(child)] or [widget]


# painting


def test_a_click_takes_a_cell_through_its_weights(painting):
    cells = []
    for _ in range(4):
        painting.cells[1, 2].click()
        cells.append(painting.painted[1, 2])
        rest = painting.painted.copy()
        rest[1, 2] = 0
        assert not rest.any()
    assert cells == [0.5, 1, 0, 0.5]
    assert (painting.row, painting.column) == (1, 2)


def test_each_cell_of_the_picture_has_its_button(painting):
    assert set(painting.cells) == set(np.ndindex(4, 4))
    for (row, column), button in painting.cells.items():
        assert button.tooltip == f"row {row + 1}, column {column + 1}"
    for cell in ((0, 0), (0, 3), (3, 0)):
        painting.cells[cell].click()
    assert np.argwhere(painting.painted).tolist() == [[0, 0], [0, 3], [3, 0]]
    (box,) = (w for w in widgets_of(painting) if isinstance(w, widgets.GridBox))
    assert box.children == tuple(painting.cells[cell] for cell in np.ndindex(4, 4))
    assert (box.layout.width, box.layout.height) == ("128px", "128px")
    assert box.layout.margin == "-128px 0 0 0"  # on the picture
    assert (painting.picture.layout.width, painting.picture.layout.height) == ("128px", "128px")


def widgets_of(widget):
    below = [each for child in getattr(widget, "children", ()) for each in widgets_of(child)]
    return [widget, *below]


def test_the_pen_paints_where_the_keyboard_leads_it(painting):
    controls = painting.controls
    controls["row"].value = 1
    assert not painting.painted.any()
    controls["pen"].value = "paints 1"
    controls["column"].value = 1
    controls["pen"].value = "paints ½"
    controls["row"].value = 2
    controls["pen"].value = "up"
    controls["row"].value = 3
    expected = EMPTY.copy()
    expected[1, 0], expected[1, 1], expected[2, 1] = 1, 0.5, 0.5
    np.testing.assert_array_equal(painting.painted, expected)
    assert isinstance(controls["pen"], widgets.ToggleButtons)  # a slider passes pens, and paints
    controls["pen"].value = "erases"
    controls["row"].value = 2
    assert painting.painted[2, 1] == 0 and painting.painted[1, 1] == 0.5


def test_a_click_with_the_pen_down_paints_that_cell_alone(painting):
    painting.pen = "paints 1"
    painting.painted = EMPTY
    painting.cells[2, 3].click()
    assert np.argwhere(painting.painted).tolist() == [[2, 3]]
    painting.cells[2, 3].click()
    assert painting.painted[2, 3] == 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_button_paints_each_preset(painting, name):
    painting.painted = np.eye(4)
    painting.presets[name].click()
    np.testing.assert_array_equal(painting.painted, painting.preset(name))


def test_what_the_presets_are(painting, tiny_model, images):
    learned = predict_with_maps(tiny_model, images)[1][0]
    painting.token = 2
    preset = painting.preset("learned")
    np.testing.assert_allclose(preset, learned[2] / learned[2].max(), rtol=1e-4)
    random = painting.preset("random")
    np.testing.assert_allclose(np.sort(random, axis=None), np.sort(preset, axis=None), rtol=1e-5)
    assert not np.allclose(random, preset)
    painting.token = "all"
    mean = learned.mean(axis=0)
    np.testing.assert_allclose(painting.preset("learned"), mean / mean.max(), rtol=1e-4)
    border = np.pad(np.zeros((2, 2)), 1, constant_values=1)
    np.testing.assert_array_equal(painting.preset("centre"), 1 - border)
    np.testing.assert_array_equal(painting.preset("edge"), border)
    assert (painting.preset("uniform") == 1).all() and not painting.preset("empty").any()
    with pytest.raises(ValueError, match=r"name is 'cat', but it must be one of 'learned'"):
        painting.preset("cat")


@pytest.mark.parametrize(
    "trait, value",
    [
        ("image_index", 3),
        ("row", 4),
        ("column", -1),
        ("token", 3),
        ("token", True),
        ("pen", "red"),
        ("painted", np.zeros((3, 4))),
        ("painted", np.full((4, 4), 1.5)),
        ("painted", np.full((4, 4), np.nan)),
    ],
)
def test_an_error_leaves_the_painter_as_it_was(painting, trait, value):
    before = getattr(painting, trait), painting.text.value
    with pytest.raises(TraitError):
        setattr(painting, trait, value)
    assert getattr(painting, trait) is before[0] and painting.text.value == before[1]


def test_the_painted_map_is_not_changed_in_place(painting):
    with pytest.raises(ValueError, match="read-only"):
        painting.painted[0, 0] = 1
    mine = EMPTY.copy()
    painting.painted = mine
    mine[0, 0] = 1
    assert not painting.painted.any()


# what follows


def test_the_learned_map_gives_the_models_prediction(painting, tiny_model, images):
    probabilities, _ = predict_with_maps(tiny_model, images)
    for index in (0, 2):
        painting.image_index = index
        assert painting.scores["learned"] == pytest.approx(
            probabilities[index, LABELS[index]], abs=1e-5
        )


@pytest.mark.parametrize("token", [0, 2])
@pytest.mark.parametrize("name", ["learned", "uniform"])
def test_painting_a_rival_gives_its_score(painting, token, name):
    painting.token = token
    painting.painted = painting.preset(name)
    np.testing.assert_allclose(
        painting.probabilities["painted"], painting.probabilities[name], atol=1e-5
    )


def test_painting_the_random_map_gives_the_first_of_them(painting):
    painting.token = 1
    painting.painted = painting.preset("random")
    random = painting.probabilities["random"]
    assert random.shape == (20, 10) and np.ptp(random, axis=0).max() > 1e-4
    np.testing.assert_allclose(painting.probabilities["painted"], random[:1], atol=1e-5)
    assert painting.scores["random"] == pytest.approx(random[:, LABELS[0]].mean())


@pytest.mark.parametrize("token", ["all", 1])
def test_a_painted_map_has_the_learned_maps_sum(painting, tiny_model, images, token):
    painting.image_index, painting.token = 1, token
    scores = []
    for cell in ((0, 0), (3, 2)):
        painting.painted = EMPTY
        painting.paint(cell, 0.5)
        scores.append(painting.scores)
        painting.paint(cell, 1)  # the same shape
        assert painting.scores["painted"] == pytest.approx(scores[-1]["painted"], abs=1e-6)
        if token == 1:
            parts = NetworkParts(tiny_model)
            grid = parts.grid(images[1:2])
            maps = parts.maps(grid)
            maps[0, 1] = painting.painted * maps[0, 1].sum()
            same = parts.predict(parts.tokens(grid, maps))[0, LABELS[1]]
            assert scores[-1]["painted"] == pytest.approx(same, abs=1e-5)
    assert scores[0]["painted"] != pytest.approx(scores[1]["painted"], abs=1e-5)
    assert scores[0]["learned"] == scores[1]["learned"]


def test_all_tokens_read_the_painted_map(painting):
    one = []
    for token in (0, 1, 2, "all"):
        painting.token = token
        painting.painted = np.eye(4)
        one.append(painting.scores["painted"])
    assert len({round(score, 6) for score in one}) == 4


def test_an_empty_map_has_no_score(painting):
    assert set(painting.scores) == {"learned", "uniform", "random"}
    assert "Nothing is painted yet." in painting.text.value
    painting.paint((0, 0), 1)
    assert set(painting.scores) == {"painted", "learned", "uniform", "random"}


@pytest.mark.parametrize("kind", ["v1.1", "grouped"])
def test_other_kinds_can_be_painted(tiny_config, randomise, images, kind):
    model = randomise(build_vit(tiny_config.replace(variant=kind, num_groups=2)))
    painting = TokenPainter(model, images, LABELS, NAMES, size=64)
    probabilities, _ = predict_with_maps(model, images)
    assert painting.scores["learned"] == pytest.approx(probabilities[0, LABELS[0]], abs=1e-5)
    painting.token = 0
    painting.painted = painting.preset("learned")
    assert painting.scores["painted"] == pytest.approx(painting.scores["learned"], abs=1e-5)
    painting.painted = EMPTY
    assert "painted" not in painting.scores


def test_a_stroke_runs_the_tail_alone(painting, monkeypatch):
    def refuse(*args):
        raise AssertionError("more than the tail was run")

    before = painting.scores["learned"]
    monkeypatch.setattr(type(painting._parts), "grid", refuse)
    monkeypatch.setattr(type(painting._parts), "maps", refuse)
    painting.cells[0, 0].click()
    painting.token = 1
    assert painting.scores["learned"] == pytest.approx(before)


def test_without_labels_the_predicted_class_is_watched(tiny_model, images):
    painting = TokenPainter(tiny_model, images, class_names=NAMES, size=64)
    best = predict_with_maps(tiny_model, images)[0].argmax(axis=1)
    for index in (0, 1):
        painting.image_index = index
        assert painting.label == best[index]
        assert f"The predicted class is class {best[index]}." in painting.text.value


# what is shown


def test_the_picture_is_lit_where_it_is_painted(painting, tiny_model, images):
    view = as_uint8(seen_images(tiny_model, images))[0]
    dark = render(view, EMPTY, style="spotlight", limits=(0, 1), size=128)
    np.testing.assert_array_equal(pixels(painting), draw_cell(dark, (0, 0), (4, 4)))
    painting.cells[1, 3].click()
    painting.row = 2
    lit = render(view, painting.painted, style="spotlight", limits=(0, 1), size=128)
    expected = draw_cell(lit, (2, 3), (4, 4))
    changed = (pixels(painting) != expected).any(axis=-1)
    rows, columns = np.nonzero(changed)  # the weight, written in the middle of its cell
    assert changed.any()
    assert rows.min() > 32 and rows.max() < 64 and columns.min() > 96


def test_each_weight_is_written_differently(painting):
    written = set()
    for weight in (0, 0.3, 0.5, 1):
        painting.painted = np.full((4, 4), weight)
        bare = render(
            painting.views[0], painting.painted, style="spotlight", limits=(0, 1), size=128
        )
        differs = (pixels(painting) != draw_cell(bare, (0, 0), (4, 4))).any(axis=-1)
        written.add(differs[32:64, 32:64].tobytes())
    assert len(written) == 4


def test_the_words_say_what_is_painted_and_how_it_scores(painting):
    painting.painted = np.eye(4)
    words = painting.text.value
    assert words.startswith("<div role='status'")
    assert "Every token reads the painted map. The true class is class 3." in words
    for score in painting.scores.values():
        assert f">{score:.1%}<" in words
    assert describe_map(np.eye(4)).replace("'", "&#x27;") in words
    assert "The cursor is at row 1, column 1, of weight 1." in words
    painting.token, painting.column = 1, 2
    assert "Token 2 reads the painted map, the others their own." in painting.text.value
    assert "The cursor is at row 1, column 3, of weight 0." in painting.text.value


def test_the_verdict_names_what_is_beaten(painting, monkeypatch):
    shares = {"painted": [0.5], "learned": [0.6], "uniform": [0.4], "random": [0.2, 0.8]}
    probabilities = {name: np.outer(p, np.eye(10)[LABELS[0]]) for name, p in shares.items()}
    monkeypatch.setattr(painting, "probabilities", probabilities)
    verdict = "Your map beats the uniform map, but does not beat the learned or the random map."
    assert verdict in painting.describe()
    probabilities["painted"] = 1.5 * probabilities["painted"]
    assert "Your map beats the learned and the uniform and the random map." in painting.describe()
    probabilities["painted"] = 0 * probabilities["painted"]
    assert "Your map does not beat the learned or the uniform or" in painting.describe()


def test_class_names_are_escaped(tiny_model, images):
    names = [f"<img src=x onerror=alert({i})> & co" for i in range(10)]
    words = TokenPainter(tiny_model, images, LABELS, names, size=64).text.value
    assert "<img" not in words and "&lt;img src=x onerror=alert(3)&gt; &amp; co" in words


def test_every_control_is_shown_and_named(painting):
    shown = leaves(painting)
    for part in (painting.picture, painting.text, *painting.cells.values()):
        assert part in shown
    for control in (*painting.controls.values(), *painting.presets.values()):
        assert control in shown and control.description
    for trait, control in painting.controls.items():
        assert control.value == getattr(painting, trait)
    repr(painting)


def test_an_error_while_drawing_is_an_error(painting, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("cannot draw")

    monkeypatch.setattr(painter, "render", broken)
    with pytest.raises(RuntimeError, match="cannot draw"):
        painting.controls["row"].value = 1


@pytest.mark.parametrize(
    "number, labels, names, message",
    [
        (0, None, NAMES, "There are 0 images and no labels"),
        (3, [1, 2], NAMES, "There are 3 images and 2 labels"),
        (3, LABELS, NAMES[:9], "There are 9 class names, but the model tells 10"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_model, images, number, labels, names, message):
    with pytest.raises(ValueError, match=message):
        TokenPainter(tiny_model, images[:number], labels, names)


def test_without_a_widget_there_is_a_picture_with_the_words(painting):
    painting.painted = np.eye(4)
    data, metadata = painting._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == painting.model_id
    shown = np.asarray(Image.open(io.BytesIO(data["image/png"])))
    np.testing.assert_array_equal(shown[8:136, 8:136], painting.pixels())
    words = data["text/plain"]
    assert words == metadata["image/png"]["alt"] == painting.words
    assert f"learned {painting.scores['learned']:.1%}" in words
    assert "<" not in words
