"""What `live.page` writes: data that fits, in one file that nothing in it can break."""

import base64
import io
import json
import re
from html import unescape

import keras
import numpy as np
import pytest
from PIL import Image

from tlvit_utils import RandomCropFlip, ViTConfig, build_vit, live
from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.live.layers import describe_network

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028"


def data_of(html):
    """Return what the page knows."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


@pytest.fixture(scope="module")
def given(shapes):
    images, labels = shapes.test.take(5)
    return {
        "images": images,
        "labels": labels,
        "masks": shapes.test.masks[:5],
        "class_names": shapes.class_names,
    }


@pytest.fixture(scope="module")
def epoch_maps():
    rng = np.random.default_rng(0)
    maps = rng.random((3, 2, 3, 4, 4)) * rng.random((3, 2, 3, 1, 1))
    return EpochMaps("shapes10", "test", [3, 1], maps, [0.1, 0.2, 0.3])


@pytest.fixture(scope="module")
def page(tiny_model, given, epoch_maps):
    return live.page({"a": tiny_model}, **given, epoch_maps=epoch_maps)


def test_the_page_holds_the_pictures_the_networks_and_the_maps(page, given, tiny_model, epoch_maps):
    (one,) = data_of(page.html)["sets"]
    pixels = np.frombuffer(base64.b64decode(one["pixels"]), "uint8")
    np.testing.assert_array_equal(pixels.reshape(5, 32, 32, 3), given["images"])
    packed = np.frombuffer(base64.b64decode(one["masks"]), "uint8")
    np.testing.assert_array_equal(np.unpackbits(packed), given["masks"].ravel())
    assert one["labels"] == given["labels"].tolist()
    assert one["class_names"] == list(given["class_names"])
    (model,) = one["models"]
    assert (model["name"], model["parameters"]) == ("a", tiny_model.count_params())
    epochs = model["epochs"]
    levels = np.frombuffer(base64.b64decode(epochs["levels"]), "uint8").reshape(3, 2, 3, 4, 4)
    limits = np.frombuffer(base64.b64decode(epochs["limits"]), "<f4").reshape(3, 2, 3, 1, 1, 2)
    low, high = np.moveaxis(limits, -1, 0)
    np.testing.assert_allclose(low + (high - low) * levels / 255, epoch_maps.maps, atol=2e-3)
    assert epochs["pictures"] == [3, 1]


def test_it_begins_with_the_surest_right_answer(given, tiny_model):
    images = given["images"]
    probabilities = keras.ops.convert_to_numpy(tiny_model(images.astype("float32")))
    said = probabilities.argmax(axis=1)
    labels = np.where(np.arange(5) % 2, said, (said + 1) % 10)  # pictures 1 and 3 are right
    page = live.page(tiny_model, **{**given, "labels": labels})
    expected = max((1, 3), key=lambda i: probabilities[i, said[i]])
    assert page.data["sets"][0]["start"] == expected


def test_names_cannot_leave_the_data(given, tiny_model, tmp_path):
    names = [HOSTILE, *given["class_names"][1:]]
    page = live.page({HOSTILE: tiny_model}, **{**given, "class_names": names}, title=HOSTILE)
    page.save(tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "onerror=alert" not in html.replace(r"\u003cimg src=x onerror=alert(1)\u003e", "")
    (one,) = data_of(html)["sets"]
    assert (one["class_names"][0], one["models"][0]["name"]) == (HOSTILE, HOSTILE)
    shown, _ = page._repr_mimebundle_()
    assert shown["text/html"].count("<img") == 1


def test_a_notebook_gets_a_frame_a_picture_and_words(page):
    data, metadata = page._repr_mimebundle_()
    (frame,) = re.findall("<iframe[^>]* srcdoc='([^']*)'", data["text/html"])
    assert unescape(frame) == page.html
    still = "<img src='data:image/png;base64,(.*?)' alt='(.*?)'>$"
    encoded, words = re.search(still, data["text/html"]).groups()
    assert base64.b64decode(encoded) == data["image/png"]
    assert np.asarray(Image.open(io.BytesIO(data["image/png"]))).std() > 10
    assert metadata["image/png"]["alt"] == data["text/plain"] == unescape(words) == page.words
    assert "right" in page.words or "wrong" in page.words
    assert page.words.count("strongest at row") == 3  # one per token


@pytest.mark.parametrize(
    ("config", "epochs"),
    [(ViTConfig.modern(), 20), (ViTConfig.scenes(), 12)],
    ids=("modern", "scenes"),
)
def test_a_network_with_60_pictures_takes_at_most_two_and_a_half_megabytes(config, epochs):
    size, side = config.image_size, config.grid_size
    images, masks = np.zeros((60, size, size, 3), "uint8"), np.zeros((60, size, size))
    maps = np.zeros((epochs, 24, config.num_tokens, side, side))
    epoch_maps = EpochMaps("", "test", range(24), maps, np.zeros(epochs))
    page = live.page(
        build_vit(config), images, np.zeros(60, int), masks, epoch_maps, class_names=range(10)
    )
    assert len(page.html.encode()) <= 2.5e6


def maps_of(tokens=3, side=4, image=0):
    maps = np.zeros((1, 1, tokens, side, side))
    return EpochMaps("shapes10", "test", [image], maps, [0.1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((0, 32, 32, 3), "uint8")}, "0 images"),
        ({"images": np.zeros((5, 16, 16, 3), "uint8")}, r"\(5, 16, 16, 3\)"),
        ({"labels": [0, 1]}, "one label per image"),
        ({"labels": [0, 1, 2, 3, 10]}, "from 0 to 9"),
        ({"masks": np.zeros((5, 8, 8))}, r"\(5, 8, 8\)"),
        ({"class_names": ["one", "two"]}, "2 class names"),
        ({"epoch_maps": maps_of(tokens=5, side=7)}, r"\(5, 7, 7\).*'a' makes \(3, 4, 4\)"),
        ({"epoch_maps": maps_of(image=5)}, "only 5 images"),
        ({"epoch_maps": "x"}, "EpochMaps"),
        ({"start": 5}, "start is 5"),
        ({"start": -1}, "start is -1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words, given, tiny_model):
    with pytest.raises(ValueError, match=words):
        live.page({"a": tiny_model}, **{**given, **changes})


def test_models_of_other_pictures_are_refused(given, tiny_model, tiny_config):
    other = build_vit(tiny_config.replace(image_size=40))
    with pytest.raises(ValueError, match="'b' takes images of 40 pixels"):
        live.page({"a": tiny_model, "b": other}, **given)


def chain(*added):
    """Return a network with more layers before its last one."""
    model = build_vit(ViTConfig.modern(3).replace(num_layers=1, token_learner_after=0))
    x = model.get_layer("mean_over_tokens").output
    for layer in (*added, model.layers[-1]):
        x = layer(x)
    return keras.Model(model.input, x)


def two_outputs():
    model = build_vit(ViTConfig.modern(3))
    return keras.Model(model.input, [model.output, model.get_layer("norm").output])


def quantised():
    model = build_vit(ViTConfig.modern(3).replace(num_layers=1, token_learner_after=0))
    model.get_layer("classes").quantize("int8")
    return model


def patches(**options):
    """Return a network whose grid comes from such a convolution."""
    images = keras.Input((32, 32, 3))
    x = RandomCropFlip(32, 32)(images)
    return keras.Model(images, keras.layers.Conv2D(8, 4, name="odd", **options)(x))


def no_crop():
    images = keras.Input((32, 32, 3))
    return keras.Model(images, keras.layers.Rescaling(1.0)(images))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (no_crop, "no RandomCropFlip"),
        (quantised, "it is quantised"),
        (lambda: patches(strides=2), "'odd' has padding='valid'"),
        (lambda: patches(strides=(4, 2), padding="same"), "8 × 16, not square"),
        (lambda: "modern_8_tokens", "it is a str"),
        (lambda: chain(keras.layers.Activation("tanh", name="odd")), "'odd' .Activation"),
        (lambda: chain(keras.layers.ReLU(max_value=6, name="odd")), "'odd' has max_value=6"),
        (lambda: chain(keras.layers.Dense(96)), "has activation='linear'"),
        (two_outputs, "several outputs"),
    ],
)
def test_a_network_that_the_page_does_not_know_is_refused(model, words, given):
    with pytest.raises(ValueError, match=words):
        live.page(model(), **given)


def test_a_setting_that_the_page_does_not_know_is_refused(tiny_config, monkeypatch):
    model = build_vit(tiny_config)
    layer = model.get_layer("token_learner")
    config = layer.get_config()
    for change, words in (({"pooling": "median"}, "'mean' or 'sum'"), ({"new": 1}, "no such")):
        monkeypatch.setattr(layer, "get_config", lambda change=change: {**config, **change})
        with pytest.raises(ValueError, match=words):
            describe_network(model)


def test_weights_that_are_no_numbers_are_refused(given, tiny_config):
    model = build_vit(tiny_config)
    model.get_layer("classes").bias.assign(np.full(10, 1e6))
    with pytest.raises(ValueError, match="float16"):
        live.page(model, **given)
