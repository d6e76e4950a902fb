import json
from dataclasses import asdict

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.pretrained import model_card
from tlvit_utils.vit import VARIANTS

GEOMETRIES = [ViTConfig.published(), ViTConfig.modern(), ViTConfig.scenes()]


def predict(model, images, **options):
    return convert_to_numpy(model(images, **options))


@pytest.mark.parametrize("num_tokens, parameters", [(4, 1_349_946), (None, 1_344_650)])
def test_the_published_models_have_the_published_sizes(num_tokens, parameters):
    assert build_vit(ViTConfig.published(num_tokens)).count_params() == parameters


@pytest.mark.parametrize(
    "config, name",
    [
        (ViTConfig.published(8), "published_8_tokens"),
        (ViTConfig.modern(), "modern_8_tokens"),
        (ViTConfig.scenes(), "scenes_weighted_mean"),
    ],
)
def test_presets_are_those_of_the_shipped_networks(config, name):
    assert ViTConfig(**model_card(name)["config"]) == config


def test_what_has_maps():
    config = ViTConfig.published()
    assert (config.num_tokens, config.has_maps) == (4, True)
    assert not config.replace(num_tokens=None).has_maps
    assert not config.replace(variant="average").has_maps


def test_what_stands_before_and_behind_the_blocks(tiny_config):
    model = build_vit(tiny_config.replace(dropout_rate=0.25))
    assert model.name == "vit"
    assert model.get_layer("dropout").rate == 0.25
    assert model.get_layer("norm").epsilon == 1e-6  # as published


@pytest.mark.parametrize("config", GEOMETRIES, ids=["published", "modern", "scenes"])
def test_shapes_inside_the_model(config):
    model = build_vit(config)
    assert model.input_shape == (None, config.image_size, config.image_size, 3)
    cells, dim, side = config.num_patches, config.projection_dim, config.grid_size
    assert model.get_layer("to_sequence").output.shape == (None, cells, dim)
    tokens, maps = model.get_layer("token_learner").output
    assert tokens.shape == (None, config.num_tokens, dim)
    assert maps.shape == (None, config.num_tokens, side, side)
    before = model.get_layer(f"block_{config.token_learner_after}").output
    after = model.get_layer(f"block_{config.token_learner_after + 1}").output
    assert (before.shape[1], after.shape[1]) == (cells, config.num_tokens)
    assert model.output_shape == (None, 10)


def test_the_grid_is_the_views_patches_row_by_row(tiny_config, tiny_model, images):
    """The convolution with stride is the projection of each flattened patch."""
    kernel, bias = tiny_model.get_layer("patch_projection").get_weights()
    side, size = tiny_config.grid_size, tiny_config.patch_size
    patches = (images / 255).reshape(5, side, size, side, size, 3).swapaxes(2, 3)
    expected = patches.reshape(5, side**2, -1) @ kernel.reshape(-1, 16) + bias
    sequence = keras.Model(tiny_model.input, tiny_model.get_layer("to_sequence").output)
    np.testing.assert_allclose(predict(sequence, images), expected, atol=1e-4)


def test_uint8_and_float_images_give_the_same_prediction(tiny_model, images):
    assert tiny_model.input.dtype == "float32"
    prediction = predict(tiny_model, images)
    np.testing.assert_array_equal(predict(tiny_model, images.astype("float32")), prediction)
    assert np.abs(predict(tiny_model, images * 0.999) - prediction).max() > 0  # not truncated
    np.testing.assert_allclose(prediction.sum(-1), 1, atol=1e-5)


def test_training_sees_another_view_of_each_image(tiny_model, images, seeded):
    """The tiny model has no dropout, so that only crops and mirrors can differ."""
    predictions = predict(tiny_model, np.stack([images[0]] * 64), training=True)
    assert len(np.unique(predictions.round(4), axis=0)) > 32


def test_a_prediction_does_not_depend_on_the_batch(tiny_model, images):
    alone = np.concatenate([predict(tiny_model, image[None]) for image in images])
    np.testing.assert_allclose(alone, predict(tiny_model, images), atol=1e-6)


def through_a_file(form, model, images, folder):
    """Return a network's answers after it went through a file of this form."""
    if form == "int8":
        model.quantize("int8")
        model.save(folder / "model.keras")
        return predict(keras.models.load_model(folder / "model.keras"), images)
    if form == "ONNX":
        runtime = pytest.importorskip("onnxruntime")
        model.export(folder / "model.onnx", format="onnx", verbose=False)
        session = runtime.InferenceSession(folder / "model.onnx")
        return session.run(None, {session.get_inputs()[0].name: images.astype("float32")})[0]
    import tensorflow as tf

    model.export(folder / "model", verbose=False)
    loaded = tf.saved_model.load(folder / "model")
    return loaded.serve(images.astype("float32")).numpy()


def test_probabilities_are_float32_under_any_policy(tiny_config):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build_vit(tiny_config)
    assert model.get_layer("block_0").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("form", ["int8", "SavedModel", "ONNX"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_other_forms_of_a_network_answer_alike(form, variant, tiny_config, images, tmp_path):
    model = build_vit(tiny_config.replace(variant=variant, num_tokens=8))
    exact = predict(model, images)
    answers = through_a_file(form, model, images, tmp_path)
    np.testing.assert_allclose(answers, predict(model, images), atol=1e-6)
    np.testing.assert_allclose(answers, exact, atol=0.05 if form == "int8" else 1e-5)


@pytest.mark.parametrize("config", [*GEOMETRIES, ViTConfig.published(None, num_layers=1)])
def test_a_config_survives_json(config):
    assert ViTConfig(**json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"convolutions": [(16, 2), (128, 1)]}, "2 pixels per grid cell"),
        ({"convolutions": [(16, 2), (64, 3)]}, "ends with 64 filters"),
        ({"patch_size": 7}, "patch_size is 7, which does not divide the 48-pixel view"),
        ({"num_tokens": 0}, "num_tokens is 0.*at least 1"),
        ({"variant": "average", "num_tokens": 5}, r"num_tokens is 5, .* 8 × 8 cells"),
        ({"variant": "v2"}, r"variant is 'v2'.*'v1', 'v1.1', 'grouped'"),
        *(
            ({"token_learner_after": 4, "num_tokens": tokens}, "token_learner_after is 4.*0 to 3")
            for tokens in (4, None)
        ),
        ({"mlp_units": (256, 64)}, r"mlp_units is \(256, 64\).*projection_dim = 128"),
        ({"resized_size": 40}, "crop_size is 48.*only 40 pixels"),
        ({"pooling": "max", "num_tokens": None}, "pooling is 'max'"),
        ({"padding": -1}, "padding is -1"),
        ({"num_layers": 4.5}, "num_layers is 4.5.*whole number"),
        ({"num_classes": "10"}, "num_classes is '10'"),
        ({"key_dim": None}, "key_dim is None"),
        ({"standardize": 1}, "standardize is 1.*True or False"),
        ({"dropout_rate": np.nan}, "dropout_rate is nan"),
        ({"dropout_rate": 10**400}, "dropout_rate is 10+, .* below 1"),
        ({"mlp_units": np.array(3)}, "mlp_units is array.*tuple"),
        ({"convolutions": np.array(3)}, "convolutions is array.*pairs"),
        ({"mlp_units": (256.5, 128)}, r"mlp_units\[0\] is 256.5"),
        ({"convolutions": ((128, 6, 1),)}, "convolutions is .*pairs"),
        ({"num_tokens": 65}, "num_tokens is 65.*only 64 cells"),
        ({"variant": "v1", "num_groups": 0}, "num_groups is 0"),
        ({"variant": "grouped", "num_groups": 3}, "num_groups is 3.*projection_dim = 128"),
    ],
)
def test_fields_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ViTConfig(**changes)


def test_numpys_numbers_become_pythons():
    config = ViTConfig(
        num_layers=np.int64(4),
        dropout_rate=np.float32(0.5),
        standardize=np.bool_(True),
        mlp_units=np.array([256, 128]),
        convolutions=[[np.int64(128), 6]],
        num_tokens=np.uint8(8),
    )
    assert json.loads(json.dumps(asdict(config)))["num_layers"] == 4
    assert (config.standardize, config.mlp_units) == (True, (256, 128))


def test_standardised_images_have_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    mean, deviation = [125.3, 123.0, 113.9], [63.0, 62.1, 66.7]  # CIFAR-10's, of 255
    images = rng.normal(mean, deviation, (4, 32, 32, 3))
    seen = np.asarray(build_vit(ViTConfig.modern()).get_layer("rescaling")(images))
    assert np.allclose(seen.mean((0, 1, 2)), 0, atol=0.06)
    assert np.allclose(seen.std((0, 1, 2)), 1, atol=0.06)


@pytest.fixture
def keras_settings():
    """Keras's global settings, which are put back after the test."""
    config = keras.config
    before = config.image_data_format(), config.floatx()
    yield config
    config.set_image_data_format(before[0])
    config.set_floatx(before[1])


@pytest.mark.parametrize(
    "setting, value, tolerance",
    [
        ("image_data_format", "channels_first", 1e-6),
        ("floatx", "float16", 0.01),
        ("dtype_policy", "mixed_float16", 0.01),
    ],
)
@pytest.mark.parametrize("config", GEOMETRIES[1:], ids=["modern", "scenes"])
def test_global_settings_of_keras_change_no_answer(
    config, setting, value, tolerance, keras_settings, randomise
):
    model = randomise(build_vit(config))
    shape = (2, *model.input_shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    expected = predict(model, images)
    getattr(keras_settings, f"set_{setting}")(value)
    same = build_vit(config)
    same.set_weights(model.get_weights())
    np.testing.assert_allclose(predict(same, images), expected, atol=tolerance)
