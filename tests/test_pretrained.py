import os
import zlib
from unittest.mock import Mock

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import PRETRAINED, PRETRAINED_FOR, build_vit, load_pretrained
from tlvit_utils.analysis import load_epoch_maps
from tlvit_utils.data.datasets import load_cifar10, load_scenes10, load_shapes10
from tlvit_utils.pretrained import WEIGHTS_DIR, model_card, restore_weights, save_pretrained
from tlvit_utils.training.loop import evaluate


@pytest.mark.parametrize("name", PRETRAINED)
def test_shipped_weights_are_small_and_their_card_says_how_they_were_made(name):
    assert (WEIGHTS_DIR / f"{name}.npz").stat().st_size < 3e6
    card = model_card(name)
    assert load_pretrained(name).count_params() == card["parameters"]
    assert card["command"].startswith("python ") and card["machine"]
    assert isinstance(card["recipe"]["seed"], int)
    assert len(bytes.fromhex(card["train_images_sha256"])) == 32
    assert len(card["history"]["val_accuracy"]) == card["recipe"]["epochs"]
    assert 0 < card["test"]["top1"] < card["test"]["top5"] <= 1


@pytest.fixture(scope="module")
def datasets():
    """The data sets at hand, by their names, with 300 test images and no others."""
    found = [load_shapes10(sizes=(0, 0, 300))]
    if os.environ.get("TLVIT_CIFAR10_DIR"):
        cifar10 = load_cifar10()
        found += [cifar10.take(0, 0, 300), load_scenes10(sizes=(0, 0, 300), base=cifar10)]
    return {dataset.name: dataset for dataset in found}


@pytest.mark.parametrize(
    "name",
    [
        name if name in PRETRAINED_FOR.values() else pytest.param(name, marks=pytest.mark.slow)
        for name in PRETRAINED
    ],
)
def test_the_cards_accuracy_is_that_of_the_weights(name, datasets):
    """On 300 test images, so within a few of their standard errors of 0.03."""
    card = model_card(name)
    if card["dataset"] not in datasets and not os.environ.get("TLVIT_CIFAR10_DIR"):
        pytest.skip("TLVIT_CIFAR10_DIR is not set")
    top1 = evaluate(load_pretrained(name), *datasets[card["dataset"]].test)["top1"]
    assert top1 == pytest.approx(card["test"]["top1"], abs=0.1)


@pytest.mark.parametrize("dataset, name", PRETRAINED_FOR.items())
def test_there_are_weights_and_maps_for_each_data_set(dataset, name):
    assert model_card(name)["dataset"] == dataset
    epoch_maps = load_epoch_maps(name)
    assert epoch_maps.dataset == dataset
    recorded = model_card(name)["history"]["val_accuracy"]
    np.testing.assert_allclose(epoch_maps.val_accuracy, recorded, atol=1e-6)


def test_weights_come_back_as_float16_in_the_same_network(tmp_path, tiny_config, tiny_model):
    path = tmp_path / "new" / "weights.npz"
    save_pretrained(tiny_model, path)
    assert list(path.parent.iterdir()) == [path]
    loaded = build_vit(tiny_config)
    restore_weights(loaded, path)
    for variable, original in zip(loaded.weights, tiny_model.weights, strict=True):
        expected = convert_to_numpy(original).astype("float16")
        np.testing.assert_array_equal(convert_to_numpy(variable), expected)
    other = build_vit(tiny_config.replace(num_tokens=None))
    before = other.get_weights()
    with pytest.raises(ValueError, match="another network"):
        restore_weights(other, path)
    for weight, kept in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_moving_statistics_come_back_as_they_are(tmp_path):
    def build():
        layers = [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
        return keras.Sequential(layers)

    model, fresh = build(), build()
    values = [np.array(v) for v in ([0.1, 2], [3, 4], [0.1, 1e5], [1e-9, 0.2])]
    model.set_weights(values)
    save_pretrained(model, tmp_path / "weights.npz")
    restore_weights(fresh, tmp_path / "weights.npz")
    gamma, *others = fresh.get_weights()
    np.testing.assert_array_equal(gamma, values[0].astype("float16"))
    for loaded, value in zip(others, values[1:], strict=True):
        np.testing.assert_array_equal(loaded, value.astype("float32"))


def test_a_damaged_file_is_told_in_a_sentence(tmp_path, tiny_model, monkeypatch):
    save_pretrained(tiny_model, tmp_path / "file.npz")
    with open(tmp_path / "file.npz", "rb+") as file:
        file.truncate(1000)
    for error in (None, zlib.error("invalid distance")):
        with monkeypatch.context() as context:
            if error:
                context.setattr("numpy.load", Mock(side_effect=error))
            with pytest.raises(ValueError, match="cannot be read"):
                restore_weights(tiny_model, tmp_path / "file.npz")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"No weights called 'big'.*'modern_8_tokens'"):
        load_pretrained("big")
