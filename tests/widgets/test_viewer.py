import gc
import io
import re
from dataclasses import replace
from html import unescape

import ipywidgets as widgets
import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from traitlets import TraitError

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis import interventions
from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.analysis.maps import describe_map, predict_with_maps, seen_images
from tlvit_utils.figures.overlay import (
    STYLES,
    describe_scale,
    encode_png,
    enlarge,
    render,
)
from tlvit_utils.widgets.predictor import blocks_before
from tlvit_utils.widgets.viewer import NOTHING, AttentionViewer, contact_sheet

NAMES = [f"class {i}" for i in range(10)]
LABELS = np.array([3, 5, 3, 5])


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="module")
def masks():
    masks = np.zeros((4, 32, 32), "uint8")
    masks[:, 8:24, 4:20] = 1
    return masks


@pytest.fixture(scope="module")
def other_model(tiny_config, randomise):
    """Two tokens on a grid of 2 × 2, read after no block but the first."""
    return randomise(build_vit(tiny_config.replace(num_tokens=2, patch_size=16)))


@pytest.fixture
def shown(tiny_model, other_model, images, masks):
    models = {"three": tiny_model, "two": other_model}
    return AttentionViewer(models, images, LABELS, masks, class_names=NAMES, size=128)


def pixels(picture):
    """Return what a `widgets.Image` shows, or a PNG holds."""
    data = picture if isinstance(picture, bytes) else picture.value
    return np.asarray(Image.open(io.BytesIO(data)))


def text_of(html):
    """Return the words of an HTML widget as a reader has them."""
    return unescape(re.sub("<[^>]*>", " ", html.value))


def leaves(widget):
    """Return all widgets below this one that hold no others."""
    children = getattr(widget, "children", ())
    return [leaf for child in children for leaf in leaves(child)] or [widget]


# traits and controls

CHANGES = {
    "image_index": 3,
    "class_filter": 5,
    "token": 1,
    "opacity": 0.25,
    "style": "contours",
    "colormap": "grey",
    "scale": "shared",
    "outline": True,
    "model": "two",
    "randomised": True,
    "second_model": "two",
}


def to_control(trait, value):
    """Return what a control or slider shows for a trait's value."""
    if trait == "token":
        return 0 if value == "all" else value + 1
    return NOTHING if value is None else value


@pytest.mark.parametrize("trait", CHANGES)
def test_controls_and_traits_follow_each_other(shown, trait):
    assert set(shown.controls) == set(CHANGES)
    before, after = getattr(shown, trait), CHANGES[trait]
    for control in [group[trait] for group in (shown.controls, shown.sliders) if trait in group]:
        label = getattr(control, "label", None)
        assert control.value == to_control(trait, before) != to_control(trait, after)
        setattr(shown, trait, after)
        assert control.value == to_control(trait, after)
        setattr(shown, trait, before)
        assert control.value == to_control(trait, before)
        assert getattr(control, "label", None) == label
        control.value = to_control(trait, after)
        assert getattr(shown, trait) == after
        control.value = to_control(trait, before)
        assert getattr(shown, trait) == before


@pytest.mark.parametrize(
    "trait, value",
    [
        ("image_index", 4),
        ("image_index", -1),
        ("class_filter", 4),
        ("token", 3),
        ("token", -1),
        ("token", "1"),
        ("token", True),
        ("opacity", 1.5),
        ("opacity", float("nan")),
        ("style", "jet"),
        ("colormap", "jet"),
        ("scale", "log"),
        ("model", "four"),
        ("second_model", "four"),
        ("cell", (4, 0)),
        ("cell", (0, -1)),
        ("removed", [3]),
        ("removed", {0, 1, 2}),
        ("removed", 5),
        ("removed", [True]),
        ("removed", [[1]]),
        ("removed", "01"),
    ],
)
def test_an_error_leaves_the_viewer_as_it_was(shown, trait, value):
    before = getattr(shown, trait), shown.picture.value
    with pytest.raises(TraitError):
        setattr(shown, trait, value)
    assert (getattr(shown, trait), shown.picture.value) == before
    with pytest.raises(TraitError), shown.hold_trait_notifications():
        setattr(shown, trait, value)
    assert (getattr(shown, trait), shown.picture.value) == before
    shown.image_index = 1  # and it still works
    assert shown.picture.value != before[1]


def test_without_labels_and_masks_nothing_asks_for_them(tiny_model, images):
    plain = AttentionViewer(tiny_model, images)
    parts = leaves(plain)
    for control in (plain.controls["class_filter"], plain.controls["outline"], plain.next_button):
        assert control not in parts
    for trait, value in (("class_filter", 3), ("outline", True)):
        with pytest.raises(TraitError):
            setattr(plain, trait, value)
    with pytest.raises(ValueError, match="no labels"):
        plain.next_wrong()
    assert not re.search("True class|right|wrong", plain.describe())


@pytest.mark.parametrize(
    "change",
    [
        {"models": {}},
        {"images": np.zeros((0, 32, 32, 3)), "labels": None},
        {"labels": np.arange(3)},
        {"labels": np.full(4, 10)},
        {"masks": np.zeros((4, 16, 16))},
        {"class_names": NAMES[:9]},
    ],
)
def test_what_does_not_fit_is_refused(tiny_model, images, change):
    arguments = {"models": tiny_model, "images": images, "labels": LABELS, **change}
    with pytest.raises(ValueError):
        AttentionViewer(**arguments)


def test_a_model_without_token_learner_is_refused_before_any_runs(tiny_model, tiny_config, images):
    models = {"with": tiny_model, "without": build_vit(tiny_config.replace(num_tokens=None))}
    with pytest.raises(ValueError, match="has no TokenLearner"):
        AttentionViewer(models, images)


# which image


def test_the_class_filter_keeps_to_its_images(shown):
    shown.class_filter = 5
    assert shown.image_index == 1
    control, slider = shown.controls["image_index"], shown.sliders["image_index"]
    for wanted, found in ((2, 3), (3, 3), (2, 1), (0, 1)):  # the next of the class on the way
        slider.value = wanted
        assert (shown.image_index, slider.value, control.value) == (found, found, found)
        assert shown.class_filter == 5
    shown.image_index = 2  # of another class
    assert shown.class_filter is None and shown.controls["class_filter"].label == "every class"
    control.value = 3
    assert shown.image_index == 3
    assert dict(shown.controls["class_filter"].options) == {
        "every class": NOTHING,
        "class 3": 3,
        "class 5": 5,
    }


def test_next_wrong_goes_round_the_wrong_answers(tiny_model, images):
    best = predict_with_maps(tiny_model, images)[0].argmax(axis=1)
    labels = np.where([True, False, True, False], (best + 1) % 10, best)
    plain = AttentionViewer(tiny_model, images, labels, class_names=NAMES)
    plain.image_index = 1
    visited = []
    for _ in range(3):
        plain.next_button.click()
        visited.append(plain.image_index)
    assert visited == [2, 0, 2]
    plain.image_index = 1
    plain.class_filter = int(labels[0])
    plain.next_wrong()
    assert labels[plain.image_index] == labels[0] and plain.class_filter == labels[0]


def test_next_wrong_says_when_there_is_none(tiny_model, images):
    labels = predict_with_maps(tiny_model, images)[0].argmax(axis=1)
    plain = AttentionViewer(tiny_model, images, labels, class_names=NAMES)
    plain.next_wrong()
    assert plain.image_index == 0
    assert "None of these images is answered wrongly" in text_of(plain.note)
    plain.image_index = 1
    assert not plain.note.value


# the pictures


@pytest.mark.parametrize("size", [100, 128])
@pytest.mark.parametrize("style", STYLES)
def test_the_picture_is_the_map_over_the_view(tiny_model, images, size, style):
    plain = AttentionViewer(tiny_model, images, size=size)
    maps = predict_with_maps(tiny_model, images)[1]
    views = seen_images(tiny_model, images)
    plain.style = style
    for index, token, colormap in ((0, 0, "viridis"), (3, 2, "cividis")):
        plain.image_index, plain.token, plain.colormap = index, token, colormap
        for opacity in (0.0, 0.35, 1.0):
            plain.opacity = opacity
            expected = render(
                views[index],
                maps[index, token],
                style=style,
                colormap=colormap,
                opacity=opacity,
                size=size,
            )
            np.testing.assert_array_equal(pixels(plain.picture), expected)
        seen = np.rint(255 * enlarge(views[index], size))
        np.testing.assert_array_equal(pixels(plain.seen), seen)


@pytest.mark.parametrize("scale", ["per map", "shared"])
def test_all_shows_each_token_in_its_tile(shown, scale):
    """Two columns of 62 pixels and 4 between; the number covers a tile's upper left corner."""
    shown.scale = scale
    maps, view = shown.predictions.maps[0], shown.predictions.views[0]
    sheet = pixels(shown.picture)
    assert sheet.shape == (128, 128, 3)
    limits = (maps.min(), maps.max()) if scale == "shared" else None
    for each, (row, column) in zip(maps, [(0, 0), (0, 66), (66, 0)], strict=True):
        part = sheet[row : row + 62, column : column + 62]
        expected = render(view, each, limits=limits, size=62)
        np.testing.assert_array_equal(part[24:], expected[24:])
        np.testing.assert_array_equal(part[:, 24:], expected[:, 24:])
        assert (part[:24, :24] != expected[:24, :24]).any()
    assert (sheet[66:, 66:] == 255).all()


def test_the_outline_is_that_of_the_mask_on_the_view(shown, tiny_model, images, masks):
    shown.token, shown.opacity = 0, 0
    before = pixels(shown.seen)
    shown.outline = True
    for picture in (shown.seen, shown.picture):
        rows, columns = np.nonzero((pixels(picture) != before).any(axis=-1))
        # the light geometry's view is the image: 4 of its pixels for one
        assert abs(np.array([rows.min(), rows.max()]) - (32, 96)).max() <= 2
        assert abs(np.array([columns.min(), columns.max()]) - (16, 80)).max() <= 2
    shares = shown.predictions.mask_shares[0]
    weights = shown.predictions.maps[0, 0]
    inside = (weights * shares).sum() / weights.sum()
    assert f"{inside:.0%} of its weight lies inside the outline, which covers 25%" in text_of(
        shown.text
    )


# models


def test_the_second_model_stands_beside_the_first(shown, other_model, images):
    shown.image_index, shown.token = 1, 1
    assert shown.second_picture not in leaves(shown)
    shown.second_model = "two"
    assert shown.second_picture in leaves(shown) and shown.picture in leaves(shown)
    probabilities, maps = predict_with_maps(other_model, images)
    expected = render(seen_images(other_model, images)[1], maps[1, 1], size=128)
    np.testing.assert_array_equal(pixels(shown.second_picture), expected)
    assert f"Prediction: class {probabilities[1].argmax()}" in text_of(shown.second_text)
    assert text_of(shown.text).lstrip().startswith("three")
    assert text_of(shown.second_text).lstrip().startswith("two")
    shown.token = 2  # which the second has not
    assert "There is no token 3: this model learns 2." in text_of(shown.second_text)
    np.testing.assert_array_equal(pixels(shown.second_picture), pixels(shown.seen))
    shown.second_model = None
    assert shown.second_picture not in leaves(shown)


def test_another_model_keeps_what_it_can(shown):
    shown.token, shown.cell, shown.removed = 1, (1, 1), (0,)
    shown.model = "two"
    assert (shown.token, shown.cell, shown.removed) == (1, (1, 1), (0,))
    shown.model = "three"
    shown.token, shown.cell, shown.removed = 2, (3, 0), (1, 2)
    shown.model = "two"
    assert (shown.token, shown.cell, shown.removed) == ("all", None, ())
    assert shown.controls["token"].max == shown.sliders["token"].max == 2
    visible = [box.layout.display is None for box in shown.removed_controls]
    assert visible == [True, True, False]


def test_random_weights_are_those_of_interventions(shown, tiny_model, images):
    before = predict_with_maps(tiny_model, images)[1]
    shown.token, shown.randomised = 0, True
    random = interventions.randomised(tiny_model, 0)
    probabilities, maps = predict_with_maps(random, images)
    expected = render(seen_images(tiny_model, images)[0], maps[0, 0], size=128)
    np.testing.assert_array_equal(pixels(shown.picture), expected)
    assert "three, random weights" in text_of(shown.text)
    assert f"Prediction: class {probabilities[0].argmax()}" in text_of(shown.text)
    shown.second_model = "three"  # the same model with what it learned
    assert "random" not in text_of(shown.second_text)
    np.testing.assert_array_equal(shown.predictor.look("three").maps, before)


def test_each_model_runs_once_and_display_controls_run_none(
    tiny_model, other_model, images, masks, monkeypatch
):
    calls = []
    original = keras.Model.__call__

    def count(model, *args, **options):
        calls.append(model)
        return original(model, *args, **options)

    monkeypatch.setattr(keras.Model, "__call__", count)
    models = {"three": tiny_model, "two": other_model}
    counted = AttentionViewer(models, images, LABELS, masks, class_names=NAMES, size=64)
    assert len(calls) == 1
    counted.second_model = "two"
    counted.randomised = True
    assert len(calls) == 3

    def refuse(*args, **options):
        raise AssertionError("a model was run")

    for method in ("__call__", "predict", "predict_on_batch"):
        monkeypatch.setattr(keras.Model, method, refuse)
    monkeypatch.setattr(keras.Layer, "__call__", refuse)
    counted.sections["one cell"].value = True
    drawn = set()
    for trait, value in (*CHANGES.items(), ("cell", (0, 1)), ("randomised", False)):
        if trait != "model":
            setattr(counted, trait, value)
            drawn.add(bytes(counted.picture.value) + bytes(counted.second_picture.value))
    counted.next_wrong()
    assert len(drawn) > 5


# from a cell to the tokens, and back


def test_the_cell_is_framed_and_its_readers_named(shown):
    shown.sections["one cell"].value = True
    assert "Choose a row and a column" in text_of(shown.cell_text)
    shown.token = 0
    before = [pixels(shown.picture), pixels(shown.seen)]
    shown.cell = (2, 1)
    for picture, was in zip((shown.picture, shown.seen), before, strict=True):
        changed = (pixels(picture) != was).any(axis=-1)
        assert changed[64, 32:64].all() and changed[95, 32:64].all()
        assert not changed[72:88, 40:56].any() and not changed[:60].any()
    maps = shown.predictions.maps[0]
    shares = maps[:, 2, 1] / maps.sum(axis=(1, 2))
    order = np.argsort(-shares)
    words = text_of(shown.cell_text)
    assert f"row 3, column 2 is read most by token {order[0] + 1} " in words
    places = [words.index(f"token {i + 1}  ") for i in order]
    assert places == sorted(places)
    for share in shares:
        assert f"{share:.1%}" in words and f"{16 * share:.1f} ×" in words


def test_it_says_that_a_cell_is_more_than_its_patch(shown, tiny_config):
    assert "after 1 Transformer block, in which" in text_of(shown.caution)
    deep = build_vit(tiny_config.replace(num_layers=3, token_learner_after=2))
    assert blocks_before(deep) == 3
    assert blocks_before(build_vit(ViTConfig.published(4))) == 3


# leaving tokens out


def test_leaving_tokens_out_changes_the_prediction(shown, tiny_model, images):
    shown.removed_controls[1].value = True
    assert shown.removed == (1,)
    parts = interventions.NetworkParts(tiny_model)
    grid = parts.grid(images[:1])
    tokens = parts.tokens(grid, parts.maps(grid))
    (expected,) = parts.predict(tokens[:, [0, 2]])
    np.testing.assert_allclose(shown.probabilities(), expected, atol=1e-6)
    words = text_of(shown.text)
    assert f"Prediction without token 2: class {expected.argmax()}" in words
    for c in np.argsort(expected)[-5:]:
        assert f"{expected[c]:.0%}" in words
    shown.removed = {2, 0}
    assert shown.removed == (0, 2)
    assert [box.value for box in shown.removed_controls] == [True, False, True]
    assert [box.disabled for box in shown.removed_controls] == [False, True, False]
    assert "without tokens 1 and 3" in text_of(shown.text)
    shown.removed = ()
    assert f"Prediction: class {shown.predictions.probabilities[0].argmax()}" in text_of(shown.text)


def test_tokens_are_ranked_by_effect_beside_attention(shown, tiny_model, images):
    shown.image_index = 2
    shown.sections["tokens left out"].value = True
    effects = interventions.token_effects(interventions.NetworkParts(tiny_model), images[2])
    words = text_of(shown.removed_text)
    assert f"With all tokens the probability of class {effects.label} is" in words
    places = {}
    for i in range(3):
        row = re.search(rf"token {i + 1} +(.*?%)  (.*?)  (\d)  (\d)  (.*?%)", words)
        assert row[1] == f"{effects.probabilities[i, effects.label]:.1%}"
        assert row[3] == str(effects.effect_ranks[i])
        assert row[4] == str(effects.mass_ranks[i])
        assert row[5] == f"{effects.mass[i]:.1%}"
        places[i] = row.start()
    assert sorted(places, key=places.get) == list(np.argsort(effects.effect_ranks, kind="stable"))


def test_tokens_that_are_out_have_no_map_in_the_grid(shown):
    before = pixels(shown.picture)
    shown.removed = (1,)
    changed = (pixels(shown.picture) != before).any(axis=-1)
    assert changed[:62, 66:].mean() > 0.9
    assert not changed[:, :64].any()
    view = shown.predictions.views[0]
    np.testing.assert_array_equal(pixels(shown.picture)[24:62, 66:], enlarge(view, 62)[24:])


def test_one_token_cannot_be_left_out(tiny_config, randomise, images):
    model = randomise(build_vit(tiny_config.replace(num_tokens=1)))
    single = AttentionViewer(model, images)
    single.sections["tokens left out"].value = True
    assert "only one token" in text_of(single.removed_text)
    with pytest.raises(TraitError):
        single.removed = (0,)


def test_the_network_of_the_readme_can_be_looked_at(readme_model, images):
    """It has no cropping layer, and what follows TokenLearner takes 8 tokens and no fewer."""
    plain = AttentionViewer(readme_model, images, size=64)
    np.testing.assert_array_equal(pixels(plain.seen), enlarge(images[0], 64))
    with pytest.raises(ValueError, match="exactly 8 tokens"):
        plain.removed = (1,)
    assert plain.removed == ()
    plain.sections["tokens left out"].value = True
    assert "exactly 8 tokens" in text_of(plain.removed_text)


def test_the_words_tell_prediction_truth_and_map(tiny_model, images):
    probabilities, maps = predict_with_maps(tiny_model, images)
    best = probabilities[0].argmax()
    for label, verdict in ((best, "right"), ((best + 1) % 10, "wrong")):
        told = AttentionViewer(tiny_model, images[:1], [label], class_names=NAMES)
        assert f"True class: class {label}" in text_of(told.seen_text)
        assert f"Prediction: class {best} ({verdict})" in text_of(told.text)
        for c in np.argsort(probabilities[0])[-5:]:
            assert f"{probabilities[0, c]:.0%}" in text_of(told.text)
    told.token, told.scale = 1, "shared"
    assert describe_map(maps[0, 1]) in text_of(told.text)
    assert describe_scale("heat", "viridis", (maps[0].min(), maps[0].max())) in text_of(told.text)


# a picture of one's own


def test_an_image_of_ones_own_is_shown_by_every_model(shown, tiny_model, other_model, masks):
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype="uint8")
    shown.token, shown.second_model, shown.outline, shown.class_filter = 1, "two", True, 5
    shown.add_image(image, "my <cat>.png")
    assert (shown.image_index, shown.class_filter) == (4, None)
    for model, picture in ((tiny_model, shown.picture), (other_model, shown.second_picture)):
        maps = predict_with_maps(model, image[None])[1]
        expected = render(seen_images(model, image[None])[0], maps[0, 1], size=128)
        np.testing.assert_array_equal(pixels(picture), expected)
    assert "Image 4, my <cat>.png" in text_of(shown.seen_text)
    assert "True class: unknown" in text_of(shown.seen_text)
    assert not re.search(r"\(right|\(wrong|outline", text_of(shown.text))
    shown.randomised = True  # a model that runs for the first time
    shown.sections["tokens left out"].value = True
    shown.sliders["image_index"].value = 0
    assert "True class: class 3" in text_of(shown.seen_text)
    for _ in range(5):
        shown.next_wrong()
        assert shown.image_index != 4


def test_an_image_that_is_none_is_refused(shown):
    before = shown.picture.value
    with pytest.raises(ValueError, match="shape"):
        shown.add_image(np.zeros((16, 16, 3), "uint8"))
    assert (shown.image_index, shown.picture.value) == (0, before)
    assert len(shown.predictor.images) == len(shown.predictor.look("three").maps) == 4


def test_an_upload_is_added(shown, images):
    shown.upload.load(encode_png(images[2]))
    assert shown.image_index == 4
    np.testing.assert_array_equal(pixels(shown.seen), enlarge(images[2], 128))
    before = shown.picture.value
    shown.image_index = 2
    assert shown.picture.value == before


# the words


def test_names_are_escaped(tiny_model, images):
    names = [f"<img src=x onerror=alert({i})> & co" for i in range(10)]
    models = {"<script>": tiny_model}
    told = AttentionViewer(models, images, LABELS, class_names=names)
    told.second_model = "<script>"
    told.cell, told.removed = (0, 0), (1,)
    for name in ("one cell", "tokens left out"):
        told.sections[name].value = True
    html = "".join(part.value for part in leaves(told) if isinstance(part, widgets.HTML))
    assert "&lt;script&gt;" in html and "&lt;img src=x" in html and "&gt; &amp; co" in html
    assert "<img" not in html and "<script" not in html


# everywhere


def test_to_png_holds_the_pictures_side_by_side(shown):
    shown.second_model, shown.token = "two", 0
    picture = pixels(shown.to_png())
    assert picture.shape[1] == 3 * (128 + 8) + 8
    for i, each in enumerate((shown.seen, shown.picture, shown.second_picture)):
        left = 8 + i * (128 + 8)
        np.testing.assert_array_equal(picture[8:136, left : left + 128], pixels(each))
        words = picture[144:, left : left + 128]
        assert words.min() < 50 and words.max() == 255
    shown.second_model = None
    assert pixels(shown.to_png()).shape[1] == 2 * (128 + 8) + 8


def test_the_display_bundle_holds_widget_picture_and_words(shown):
    """IPython's own formatter, as a notebook uses it."""
    from IPython.core.formatters import DisplayFormatter

    shown.token = 1
    data, metadata = DisplayFormatter().format(shown)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.model_id
    np.testing.assert_array_equal(pixels(data["image/png"]), pixels(shown.to_png()))
    assert data["text/plain"] == metadata["image/png"]["alt"] == shown.describe()
    assert describe_map(shown.predictions.maps[0, 1]) in data["text/plain"]


def test_to_html_has_the_epochs_of_some_images(shown, tmp_path):
    tokens, rows, columns = shown.predictions.maps.shape[1:]
    maps = np.random.default_rng(0).random((3, 2, tokens, rows, columns))
    epoch_maps = EpochMaps("shapes10", "test", [2, 0], maps, [0.1, 0.2, 0.3125])
    shown.to_html(tmp_path / "page.html", epoch_maps)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f'"shape":[3,2,{tokens},{rows},{columns}]' in page
    assert "0.3125" in page
    labels = shown.predictor.labels
    assert f'"labels":[{labels[2]},{labels[0]}]' in page
    with pytest.raises(ValueError, match="has an image 99"):
        shown.to_html(tmp_path / "page.html", replace(epoch_maps, image_indices=[2, 99]))


def test_contact_sheet_shows_all_tokens(tiny_model, images):
    figure = contact_sheet(tiny_model, images[1], "all of them")
    titles = [ax.get_title() for ax in figure.axes]
    assert {"token 1", "token 2", "token 3"} <= set(titles)
    assert figure.get_suptitle() == "all of them"


def test_many_updates_leave_nothing_behind(shown):
    living = getattr(widgets.widgets.widget, "_instances", None)  # ipywidgets 8
    living = widgets.Widget.widgets if living is None else living

    def left():
        gc.collect()
        listeners = sum(
            len(callbacks)
            for part in [shown, *leaves(shown)]
            for types in part._trait_notifiers.values()
            for callbacks in types.values()
        )
        pictures = sum(isinstance(each, (Image.Image, Figure)) for each in gc.get_objects())
        return listeners, len(living), pictures

    def update(i):
        shown.image_index = i % 4
        shown.token = ("all", 0, 1, 2)[i // 4 % 4]
        shown.style = STYLES[i % 3]
        shown.second_model = (None, "two")[i // 8 % 2]
        shown.cell = (None, (1, 1))[i // 2 % 2]

    shown.sections["one cell"].value = True
    for i in range(16):
        update(i)
    before = left()
    for i in range(48):
        update(i)
    shown.to_png()
    for i in range(16):
        update(i)
    assert left() == before
