import random
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from division import DividedSum
from tlvit_utils import TokenFuser, TokenLearner, build_vit
from tlvit_utils.analysis.interventions import NetworkParts, answers_with_maps, randomised
from tlvit_utils.analysis.maps import find_token_learner, predict_with_maps

KINDS = {
    "v1, sum": {"variant": "v1", "pooling": "sum"},
    "v1, mean": {"variant": "v1", "pooling": "mean"},
    "v1, weighted mean": {"variant": "v1", "pooling": "weighted_mean"},
    "v1.1": {"variant": "v1.1"},
    "grouped": {"variant": "grouped"},
    "PatchMerger": {"variant": "patch_merger"},
    "top K": {"variant": "top_k"},
}


@pytest.fixture(scope="module")
def parts(tiny_model):
    """The parts of the tiny model: 3 tokens of width 16 from a 4×4 grid, 10 classes."""
    return NetworkParts(tiny_model)


@pytest.fixture(scope="module", params=KINDS)
def model(request, tiny_config, randomise):
    """A tiny model of each kind with random weights. Tests must not change it."""
    return randomise(build_vit(tiny_config.replace(**KINDS[request.param])))


def test_the_parts_in_a_row_are_the_network(model, images):
    parts = NetworkParts(model)
    probabilities, maps = predict_with_maps(model, images)
    grid = parts.grid(images)
    assert (grid.shape, grid.dtype) == ((5, 4, 4, 16), "float32")
    np.testing.assert_allclose(parts.maps(grid), maps, atol=1e-5)
    tokens = convert_to_numpy(find_token_learner(model).layer(grid))
    np.testing.assert_allclose(parts.tokens(grid, maps), tokens, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.predict(tokens), probabilities, atol=1e-5)


def test_maps_pool_as_the_layer_pools(model, images):
    """One cell alone, once as high as 1 and once as 5, is that cell's vector."""
    parts = NetworkParts(model)
    grid = parts.grid(images)
    layer = find_token_learner(model).layer
    maps = np.zeros((5, 2, 4, 4))
    maps[:, 0, 1, 2], maps[:, 1, 1, 2] = 1, 5
    tokens = parts.tokens(grid, maps)
    vector = convert_to_numpy(layer.values(grid))[:, 1, 2]
    if not isinstance(layer, TokenLearner):
        expected = [vector, vector]
    else:
        low, high = {"mean": (1 / 16, 5 / 16), "sum": (1, 5), "weighted_mean": (1, 1)}[
            layer.pooling
        ]
        expected = [low * vector, high * vector]
    np.testing.assert_allclose(tokens, np.stack(expected, axis=1), rtol=1e-4, atol=1e-5)


def with_layer(layer):
    """Return a model with a convolution, the layer alone, and a mean over its tokens."""
    inputs = keras.Input((32, 32, 3))
    tokens = layer(keras.layers.Conv2D(4, 8, 8)(inputs))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(tokens))


def test_a_network_that_cannot_be_split_is_refused(tiny_config):
    with pytest.raises(TypeError, match=r"how 'mine' .DividedSum. pools"):
        NetworkParts(with_layer(DividedSum(2, name="mine")))  # a subclass may pool otherwise
    with pytest.raises(ValueError, match="'vit' has no TokenLearner"):
        NetworkParts(build_vit(tiny_config.replace(num_tokens=None)))
    inputs = keras.Input((32, 32, 3))
    grid = keras.layers.Conv2D(8, 8, 8)(inputs)
    tokens, _ = TokenLearner(2, name="bypassed")(grid, return_attention_maps=True)
    model = keras.Model(inputs, grid + TokenFuser()(tokens, grid))
    with pytest.raises(ValueError, match=r"cannot be split at 'bypassed'.*only its tokens"):
        NetworkParts(model)


def test_a_model_that_asks_for_the_tokens_alone_is_split_too(images):
    model = with_layer(TokenLearner(2))
    parts = NetworkParts(model)
    grid = parts.grid(images)
    predicted = parts.predict(parts.tokens(grid, parts.maps(grid)))
    expected = convert_to_numpy(model(images.astype("float32")))
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4)


def test_wrong_arrays_are_refused(parts, tiny_config, images):
    grid = parts.grid(images)
    with pytest.raises(ValueError, match="multiply by 255"):
        parts.grid(images / 255)
    with pytest.raises(
        ValueError, match=r"shape of the grid is \(5, 16, 16\); expected \(any, 4, 4, 16"
    ):
        parts.maps(grid.reshape(5, 16, 16))
    with pytest.raises(
        ValueError, match=r"shape of the maps is \(1, 2, 4, 4\); expected \(5, any, 4, 4"
    ):
        parts.tokens(grid, np.ones((1, 2, 4, 4)))
    for wrong in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="negative or not finite"):
            parts.tokens(grid, np.full((5, 2, 4, 4), wrong))
    with pytest.raises(ValueError, match=r"shape of the tokens is \(3, 0, 16\)"):
        parts.predict(np.ones((3, 0, 16)))
    softmaxed = NetworkParts(build_vit(tiny_config.replace(variant="v1.1")))
    with pytest.raises(ValueError, match="0 everywhere"):
        softmaxed.tokens(grid, np.zeros((5, 1, 4, 4)))
    assert not parts.tokens(grid, np.zeros((5, 1, 4, 4))).any()  # in v1 that is an empty token


def test_a_network_for_4_tokens_takes_other_maps_but_no_fewer_tokens(readme_model, images):
    parts = NetworkParts(readme_model)
    grid = parts.grid(images)
    predicted = parts.predict(parts.tokens(grid, parts.maps(grid)))
    np.testing.assert_allclose(predicted, predict_with_maps(readme_model, images)[0], atol=1e-5)
    assert answers_with_maps(parts, images, predicted.argmax(axis=1))["learned"].all()
    with pytest.raises(ValueError, match=r"\(1, 3, 64\); expected \(any, 4, 64\)"):
        parts.predict(np.ones((1, 3, 64)))


def test_answers_with_maps_by_hand(monkeypatch):
    """A token is its own map and the prediction; each label is the cell that the map marks."""
    monkeypatch.setattr("tlvit_utils.analysis.interventions.BATCH_SIZE", 2)
    cells = np.array([0, 1, 1, 2, 1])
    images = np.full((5, 32, 32, 3), np.arange(5).reshape(-1, 1, 1, 1), dtype="uint8")
    parts = SimpleNamespace(
        image_size=32,
        grid=lambda images: images[:, 0, 0, 0],  # an image's number, which all its pixels hold
        maps=lambda grid: np.eye(4)[cells[grid]].reshape(-1, 1, 2, 2),
        tokens=lambda grid, maps: maps.reshape(len(grid), 4),
        predict=lambda tokens: tokens,
    )
    right = answers_with_maps(parts, images, cells)
    assert right["learned"].all()
    assert right["other image"].tolist() == [False, True, False, False, False]
    assert right["mean"].tolist() == [False, True, True, False, True]  # cell 1 is marked most
    assert right["uniform"].tolist() == [True, False, False, False, False]  # cell 0 is taken


def test_answers_need_two_images_and_their_labels(parts, images):
    with pytest.raises(ValueError, match=r"5 images and labels of shape \(2,\)"):
        answers_with_maps(parts, images, [0, 1])
    with pytest.raises(ValueError, match="not 1"):
        answers_with_maps(parts, images[:1], [0])


def test_a_randomised_model_is_fresh_and_repeatable(tiny_model, images):
    model = tiny_model
    before, state = model.get_weights(), random.getstate()
    fresh, same, other = (randomised(model, seed) for seed in (1, 1, 2))
    assert random.getstate() == state
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    for one, two in zip(fresh.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for variable, a, b in zip(fresh.weights, fresh.get_weights(), other.get_weights(), strict=True):
        assert np.any(a != b) == variable.path.endswith(("kernel", "embeddings"))
    assert fresh.get_config() == model.get_config()
    assert not np.any(convert_to_numpy(fresh.get_layer("classes").bias))
    assert predict_with_maps(fresh, images)[1].shape == (5, 3, 4, 4)
