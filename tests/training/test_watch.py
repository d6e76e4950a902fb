from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlvit_utils.analysis.maps import attention_maps, mask_shares, seen_images
from tlvit_utils.analysis.scores import localisation
from tlvit_utils.data.datasets import Split
from tlvit_utils.figures import watch
from tlvit_utils.training import Recipe, WatchMaps, train
from tlvit_utils.training import watch as training_watch
from tlvit_utils.vit import build_vit


@pytest.fixture
def drawn(monkeypatch):
    """What `watch_figure` was called with in a notebook, and blank figures in its place."""
    calls = []
    monkeypatch.setattr(training_watch, "in_notebook", lambda: True)
    monkeypatch.setattr(training_watch.CellOutput, "show", lambda self, data, metadata: None)

    def blank(**arguments):
        calls.append(arguments)
        return Figure(figsize=(1, 1))

    monkeypatch.setattr(watch, "watch_figure", blank)
    return calls


def test_each_epoch_is_measured_and_drawn(tiny_config, shapes, drawn, tmp_path, seeded):
    model = build_vit(tiny_config)
    recipe = Recipe(epochs=2, batch_size=128)
    history = train(model, shapes, recipe, tmp_path / "best.weights.h5", [WatchMaps(shapes)])
    assert len(drawn) == 3
    last = drawn[-1]
    assert last["guess"] == 0.1
    assert last["history"]["val_loss"] == history["val_loss"]
    assert list(last["found"]) == [0, 1, 2]
    np.testing.assert_array_equal(np.rint(255 * last["pictures"]), shapes.validation.images[:4])
    np.testing.assert_array_equal(last["masks"], shapes.validation.masks[:4])
    assert last["titles"][0].startswith(shapes.class_names[shapes.validation.labels[0]])
    assert last["maps"].shape == (4, 4, 4)


def test_masks_are_cropped_as_the_pictures_are(tiny_config, shapes, drawn):
    model = build_vit(tiny_config.replace(resized_size=40, padding=0, crop_size=32))
    begin(model, shapes)
    masks = drawn[0]["masks"]
    as_pictures = np.repeat(255 * shapes.validation.masks[:4, ..., None], 3, axis=-1)
    np.testing.assert_allclose(masks, seen_images(model, as_pictures)[..., 0], atol=1e-6)
    assert not np.array_equal(masks, shapes.validation.masks[:4])


def begin(model, dataset):
    """Begin epoch 3 of a training that goes on."""
    callback = WatchMaps(dataset)
    callback.set_model(model)
    callback.set_params({"epochs": 5})
    callback.on_train_begin()
    callback.on_epoch_begin(3)


def test_the_share_is_that_of_the_mean_map(tiny_model, shapes, drawn, monkeypatch, capsys):
    """It is drawn in a notebook, and printed elsewhere."""
    begin(tiny_model, shapes)
    (arguments,) = drawn
    found = arguments["found"]
    maps = attention_maps(tiny_model, shapes.validation.images)
    scores = localisation(maps, mask_shares(tiny_model, shapes.validation.masks))
    assert found == {3: scores["own"].mean_map_hit}
    assert arguments["chance"] == scores["chance"].mean_map_hit
    monkeypatch.setattr(training_watch, "in_notebook", lambda: False)
    begin(tiny_model, shapes)
    assert len(drawn) == 1
    assert f"After epoch 3 the mean map is highest on the object in {found[3]:.0%}" in (
        capsys.readouterr().out
    )


def test_a_data_set_without_masks_is_refused(shapes):
    with pytest.raises(ValueError, match="has no masks"):
        WatchMaps(replace(shapes, validation=Split(*shapes.validation)))
