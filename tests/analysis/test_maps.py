from functools import wraps

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import RandomCropFlip, TokenLearner, TokenLearnerV11, ViTConfig, build_vit
from tlvit_utils.analysis.maps import (
    attention_maps,
    describe_map,
    in_batches,
    mask_shares,
    predict_with_maps,
    seen_images,
)


def test_one_pass_gives_the_models_probabilities_and_maps(tiny_model, images, monkeypatch):
    maps = tiny_model.get_layer("token_learner").output[1]
    both = keras.Model(tiny_model.input, [tiny_model.output, maps])(images)
    batches = []
    call = TokenLearner.call

    @wraps(call)
    def counted(self, x, **options):
        batches.append(len(x))
        return call(self, x, **options)

    monkeypatch.setattr(TokenLearner, "call", counted)
    for result, expected in zip(predict_with_maps(tiny_model, images), both, strict=True):
        np.testing.assert_array_equal(result, convert_to_numpy(expected))
        assert result.dtype == "float32"
    assert batches == [5]


def test_looking_at_maps_leaves_the_models_compilation_as_it_was(tiny_model, images):
    tiny_model.compile(jit_compile="auto")
    before = tiny_model.jit_compile
    in_batches(tiny_model, np.repeat(images, 60, axis=0).astype("float32"))
    assert tiny_model.jit_compile == before


def with_token_learner(token_learner, times=1):
    """Return a model with a convolution of its own, and one that returns its last maps."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 8, 8)(inputs)
    for _ in range(times):
        x, maps = token_learner(x, return_attention_maps=True)
    outputs = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, outputs), keras.Model(inputs, maps)


def test_models_that_share_a_token_learner_have_their_own_maps(images):
    shared = TokenLearner(4, name="shared")
    for model, with_maps in (with_token_learner(shared) for _ in range(2)):
        expected = convert_to_numpy(with_maps(images.astype("float32")))
        np.testing.assert_allclose(attention_maps(model, images), expected, atol=1e-6)


def test_a_token_learner_that_a_model_calls_twice_is_refused(images):
    model, _ = with_token_learner(TokenLearner(4, name="twice"), times=2)
    with pytest.raises(ValueError, match=r"2 times \('twice', 'twice'\)"):
        predict_with_maps(model, images)


def test_a_token_learner_of_your_own_has_maps(images):
    class Mine(keras.layers.Layer):
        def call(self, x, return_attention_maps=False):
            maps = keras.ops.transpose(x, (0, 3, 1, 2))
            tokens = keras.ops.mean(x, axis=1)
            return (tokens, maps) if return_attention_maps else tokens

    inputs = keras.Input((32, 32, 3))
    tokens, _ = Mine()(inputs, return_attention_maps=True)
    model = keras.Model(inputs, keras.layers.Flatten()(tokens))
    np.testing.assert_array_equal(attention_maps(model, images), images.transpose(0, 3, 1, 2))


def test_a_model_without_a_cropping_layer_sees_the_images(readme_model, images):
    np.testing.assert_allclose(seen_images(readme_model, images), images / 255, atol=1e-6)
    masks = np.zeros((5, 32, 32))
    masks[:, :8, :4] = 1
    expected = np.zeros((5, 8, 8))
    expected[:, :2, 0] = 1
    np.testing.assert_array_equal(mask_shares(readme_model, masks), expected)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.CenterCrop(16, 24),
        keras.layers.Cropping2D(4),
        keras.layers.Resizing(64, 64),
        keras.layers.ZeroPadding2D(8),
    ],
    ids=lambda layer: layer.name,
)
def test_keras_layers_that_crop_pad_or_resize_make_the_view(layer, images):
    """Those before the first convolution, one after the other."""
    inputs = keras.Input((32, 32, 3))
    first = RandomCropFlip(32, 32, 4)
    grid = keras.layers.Conv2D(4, 8, 8)(layer(first(inputs)))
    model = keras.Model(inputs, TokenLearner(1)(keras.layers.ZeroPadding2D(1)(grid)))
    expected = convert_to_numpy(layer(images.astype("float32"))) / 255
    np.testing.assert_allclose(seen_images(model, images), expected, atol=1e-6)


def test_keras_random_crop_is_refused(images):
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, TokenLearner(1)(keras.layers.RandomCrop(16, 16)(inputs)))
    with pytest.raises(ValueError, match="RandomCrop, which does not crop"):
        seen_images(model, images)


@pytest.mark.parametrize("layer", [TokenLearner(2), TokenLearnerV11(2)])
def test_a_model_that_asks_for_the_tokens_alone_has_maps_too(layer, images):
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(layer(inputs)))
    _, expected = layer(images.astype("float32"), return_attention_maps=True)
    answers = convert_to_numpy(model(images.astype("float32")))
    for _ in range(2):  # asking changes nothing
        found, maps = predict_with_maps(model, images)
        np.testing.assert_allclose(found, answers, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(maps, convert_to_numpy(expected), rtol=1e-4, atol=1e-6)


def test_layers_inside_another_model_are_found(images):
    """The view is that of the crop; maps cannot be read there, which the error says."""
    preparing = keras.Sequential([keras.Input((32, 32, 3)), RandomCropFlip(32, 16)])
    inner_input = keras.Input((16, 16, 3))
    inner = keras.Model(inner_input, TokenLearner(2, name="hidden")(inner_input))
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, inner(preparing(inputs)))
    np.testing.assert_allclose(seen_images(model, images), images[:, 8:24, 8:24] / 255, atol=1e-6)
    with pytest.raises(ValueError, match="'hidden' is inside another"):
        predict_with_maps(model, images)


@pytest.mark.parametrize("function", [predict_with_maps, attention_maps, seen_images])
def test_wrong_images_are_refused(function, tiny_model, images):
    with pytest.raises(ValueError, match="multiply by 255"):
        function(tiny_model, images / 255)
    with pytest.raises(ValueError, match=r"\(32, 32, 3\).*image\[None\]"):
        function(tiny_model, images[0])
    with pytest.raises(TypeError, match="has no graph"):
        function(type("Subclass", (keras.Model,), {})(), images)


@pytest.fixture(scope="module")
def published():
    return build_vit(ViTConfig.published())


def test_seen_images_are_the_published_centre_views(published, images):
    resized = convert_to_numpy(keras.layers.Resizing(52, 52)(images.astype("float32")))
    views = seen_images(published, images)
    np.testing.assert_allclose(views, resized[:, 2:50, 2:50] / 255, atol=1e-5)


def test_a_map_is_described_by_its_place_and_its_concentration():
    attention_map = np.zeros((8, 8))
    attention_map[3:5, 7] = 1
    words = describe_map(attention_map)
    assert "strongest on 2 cells alike, of 8 × 8; on the whole towards the right; half" in words
    assert "weight lies on 1 of 64 cells" in words
    attention_map[3, 7] = 2
    assert "strongest at row 3, column 7 of 8 × 8" in describe_map(attention_map)
    words = describe_map(np.full((8, 8), 0.5))
    assert "around the centre" in words and "32 of 64 cells (entropy 100% of" in words
    assert describe_map(np.zeros((8, 8))) == "0 on all 64 cells"
    assert describe_map(np.full((8, 8), 1e-4, "float16")) == words
    assert describe_map(np.diag([1, np.nan])) == "not finite on 1 of 4 cells"


def test_shares_count_the_pixels_of_a_mask_in_each_cell(tiny_model):
    """The tiny model's view is the image, and its cells are 8×8 pixels."""
    masks = np.zeros((2, 32, 32), dtype=bool)
    masks[0, 4:16, 8:24] = True
    masks[1, 31, 31] = True
    expected = np.zeros((2, 4, 4))
    expected[0, :2, 1:3] = [[0.5, 0.5], [1, 1]]
    expected[1, 3, 3] = 1 / 64
    np.testing.assert_allclose(mask_shares(tiny_model, masks), expected, atol=1e-6)


def test_shares_belong_to_the_view_and_not_to_the_whole_image(published):
    """The published view leaves out a margin of 1.23 pixels; cells are 3.69 pixels wide."""
    margin = np.ones((1, 32, 32))
    margin[:, 1:-1, 1:-1] = 0
    assert mask_shares(published, margin).sum() < 1  # the area of 9 cells, nearly all unseen
    half = np.zeros((1, 32, 32))
    half[:, :16] = 1
    (shares,) = mask_shares(published, half)
    np.testing.assert_allclose(shares[:3], 1, atol=1e-6)
    np.testing.assert_allclose(shares[5:], 0, atol=1e-6)
    assert shares.mean() == pytest.approx(0.5, abs=1e-6)


def test_masks_that_do_not_fit_are_refused(tiny_model):
    for masks in (np.ones((32, 32)), np.ones((1, 16, 16)), np.full((1, 32, 32), 255)):
        with pytest.raises(ValueError, match=r"expected \(N, 32, 32\).* 0 and 1"):
            mask_shares(tiny_model, masks)
    inputs = keras.Input((32, 32, 3))
    grid = keras.layers.Conv2D(4, 5, 5)(RandomCropFlip(32, 32)(inputs))  # 6×6 cells
    model = keras.Model(inputs, TokenLearner(1)(grid, return_attention_maps=True)[0])
    with pytest.raises(ValueError, match="6 × 6 cells, which do not divide"):
        mask_shares(model, np.ones((1, 32, 32)))
