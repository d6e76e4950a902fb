import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import RandomCropFlip, TokenLearner, ViTConfig, build_vit
from tlvit_utils.analysis import maps as attention
from tlvit_utils.analysis.maps import (
    attention_maps,
    describe_map,
    find_augmentation,
    mask_shares,
    predict_with_maps,
    seen_images,
)
from tlvit_utils.analysis.scores import diversity, fixed_share, localisation, removal_accuracy
from tlvit_utils.data.mosaics import mosaics


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="module")
def two_token_learners():
    """A functional model in which 16 tokens become 4, and these 2."""
    x = inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 8, 8)(x)
    x, _ = TokenLearner(4, name="first")(x, return_attention_maps=True)
    x, _ = TokenLearner(2, name="second")(x, return_attention_maps=True)
    return keras.Model(inputs, keras.layers.Flatten()(x), name="pair")


def test_probabilities_and_maps_are_those_of_the_model(tiny_model, images):
    maps = tiny_model.get_layer("token_learner").output[1]
    both = keras.Model(tiny_model.input, [tiny_model.output, maps])
    for result, expected in zip(predict_with_maps(tiny_model, images), both(images), strict=True):
        np.testing.assert_array_equal(result, convert_to_numpy(expected))
        assert result.dtype == "float32"
    assert attention_maps(tiny_model, images).shape == (5, 3, 4, 4)


def test_each_batch_passes_through_the_model_once(tiny_model, images, monkeypatch):
    whole = predict_with_maps(tiny_model, images)
    batches = []
    call = TokenLearner.call

    def counted(self, x, **options):
        batches.append(len(x))
        return call(self, x, **options)

    monkeypatch.setattr(attention, "BATCH_SIZE", 2)
    monkeypatch.setattr(TokenLearner, "call", counted)
    parts = predict_with_maps(tiny_model, images)
    assert batches == [2, 2, 1]
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-6)


def test_the_layer_chooses_among_several(two_token_learners, images):
    assert attention_maps(two_token_learners, images, "first").shape == (5, 4, 4, 4)
    assert attention_maps(two_token_learners, images, "second").shape == (5, 2, 2, 2)
    with pytest.raises(ValueError, match=r"'pair' has several.*'first', 'second'"):
        predict_with_maps(two_token_learners, images)
    with pytest.raises(ValueError, match=r"no TokenLearner called 'third'.*'first', 'second'"):
        predict_with_maps(two_token_learners, images, "third")


def test_a_model_without_maps_is_refused(tiny_config, images):
    with pytest.raises(ValueError, match="'vit' has no TokenLearner"):
        predict_with_maps(build_vit(tiny_config.replace(num_tokens=None)), images)
    inputs = keras.Input((32, 32, 3))
    tokens_only = keras.Model(inputs, TokenLearner(2, name="silent")(inputs))
    with pytest.raises(ValueError, match=r"'silent' gives only tokens.*return_attention_maps"):
        predict_with_maps(tokens_only, images)
    with pytest.raises(ValueError, match="no RandomCropFlip"):
        seen_images(tokens_only, images)


@pytest.mark.parametrize("function", [predict_with_maps, attention_maps, seen_images])
def test_wrong_images_are_refused(function, tiny_model, images):
    with pytest.raises(ValueError, match="multiply by 255"):
        function(tiny_model, images / 255)
    with pytest.raises(ValueError, match=r"\(32, 32, 3\).*image\[None\]"):
        function(tiny_model, images[0])


def test_seen_images_are_the_published_centre_views(images):
    model = build_vit(ViTConfig.published())
    resized = convert_to_numpy(keras.layers.Resizing(52, 52)(images.astype("float32")))
    views = seen_images(model, images)
    np.testing.assert_allclose(views, resized[:, 2:50, 2:50] / 255, atol=1e-5)


@pytest.fixture(scope="module", params=["published", "light"])
def brightness_model(request):
    """A model whose one map is highest where the image is brightest.

    A patch becomes (brightness, 8, -8), of which TokenLearner's LayerNorm keeps the order; the
    positions are 0, the block adds 0, and the convolutions read their centre and channel 0 only.
    """
    config = getattr(ViTConfig, request.param)().replace(
        num_layers=1, token_learner_after=0, num_tokens=1, projection_dim=3, mlp_units=(3,)
    )
    model = build_vit(config)
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    projection = model.get_layer("patch_projection")
    kernel = np.zeros(projection.kernel.shape)
    kernel[..., 0] = 1 / kernel[..., 0].size
    projection.set_weights([kernel, np.array([0, 8, -8])])
    token_learner = model.get_layer("token_learner")
    token_learner.norm.gamma.assign(np.ones(3))
    for conv in token_learner.convs:
        kernel = np.zeros(conv.kernel.shape)
        kernel[1, 1, 0] = 5
        conv.set_weights([kernel])
    return model


@pytest.mark.parametrize(
    "row, column", [(4.5, 4.5), (4.5, 27.5), (28.5, 10.5), (13.5, 20.5), (29.5, 2.5), (18.5, 30.5)]
)
def test_a_bright_patch_lights_the_cell_above_it(brightness_model, row, column):
    """Rows and columns count in pixels of the original image; the patch is 3×3 around them."""
    image = np.full((32, 32, 3), 20, dtype="uint8")
    patch = np.zeros((32, 32), dtype="uint8")
    patch[int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2] = 1
    image[patch == 1] = 255
    ((cells,),) = attention_maps(brightness_model, image[None])
    cell = np.unravel_index(cells.argmax(), cells.shape)
    (shares,) = mask_shares(brightness_model, patch[None])
    assert cell == np.unravel_index(shares.argmax(), shares.shape)

    (view,) = seen_images(brightness_model, image[None])
    size = len(view) // len(cells)
    brightness = view.reshape(len(cells), size, len(cells), size, 3).mean((1, 3, 4))
    assert cell == np.unravel_index(brightness.argmax(), cells.shape)

    first, last = find_augmentation(brightness_model).visible_extent(32)
    edges = np.linspace(first, last, len(cells) + 1)
    for position, index in zip((row, column), cell, strict=True):
        assert edges[index] <= position <= edges[index + 1]


@pytest.mark.parametrize(
    "cells, place",
    [
        ([(0, 0)], "towards the top left"),
        ([(7, 3), (7, 4)], "towards the bottom;"),
        ([(3, 7), (4, 7)], "towards the right;"),
        ([(3, 3), (4, 4)], "around the centre"),
    ],
)
def test_a_map_is_described_by_its_place_and_its_concentration(cells, place):
    attention_map = np.zeros((8, 8))
    attention_map[tuple(zip(*cells, strict=True))] = 1
    words = describe_map(attention_map)
    where = f"at row {cells[0][0] + 1}, column {cells[0][1] + 1}"
    if len(cells) > 1:
        where = f"on {len(cells)} cells alike,"
    assert f"strongest {where} of 8 × 8" in words
    assert ("(entropy 0% of" in words) == (len(cells) == 1)
    assert place in words
    assert f"on {len(cells) // 2 or 1} of 64 cells" in words


def test_flat_and_empty_maps_are_described_without_a_warning():
    assert "32 of 64 cells (entropy 100% of" in describe_map(np.full((8, 8), 0.5))
    assert "around the centre" in describe_map(np.full((8, 8), 0.5))
    assert describe_map(np.zeros((8, 8)))


def test_shares_count_the_pixels_of_a_mask_in_each_cell(tiny_model):
    """The tiny model's view is the image, and its cells are 8×8 pixels."""
    masks = np.zeros((2, 32, 32), dtype=bool)
    masks[0, 4:16, 8:24] = True
    masks[1, 31, 31] = True
    expected = np.zeros((2, 4, 4))
    expected[0, :2, 1:3] = [[0.5, 0.5], [1, 1]]
    expected[1, 3, 3] = 1 / 64
    np.testing.assert_allclose(mask_shares(tiny_model, masks), expected, atol=1e-6)


def test_shares_belong_to_the_view_and_not_to_the_whole_image():
    """The published view leaves out a margin of 1.23 pixels; cells are 3.69 pixels wide."""
    model = build_vit(ViTConfig.published())
    margin = np.ones((1, 32, 32))
    margin[:, 1:-1, 1:-1] = 0
    assert mask_shares(model, margin).sum() < 1  # the area of 9 cells, nearly all unseen
    half = np.zeros((1, 32, 32))
    half[:, :16] = 1
    (shares,) = mask_shares(model, half)
    np.testing.assert_allclose(shares[:3], 1, atol=1e-6)
    np.testing.assert_allclose(shares[5:], 0, atol=1e-6)
    assert shares.mean() == pytest.approx(0.5, abs=1e-6)


def test_wrong_masks_are_refused(tiny_model):
    for masks in (np.ones((32, 32)), np.ones((1, 16, 16)), np.full((1, 32, 32), 255)):
        with pytest.raises(ValueError, match=r"expected \(N, 32, 32\).* 0 and 1"):
            mask_shares(tiny_model, masks)


# Two images of 2×2 cells, the object in the upper left of the one and the lower right of the other.
SHARES = np.array([[[1, 0.5], [0.4, 0]], [[0, 0], [0, 0.8]]])


def test_localisation_by_hand():
    """Token 0 looks at the object, token 1 at the upper left, token 2 everywhere."""
    maps = np.array(
        [
            [[[3, 1], [0, 0]], [[2, 0], [0, 0]], [[1, 1], [1, 1]]],
            [[[0, 0], [1, 3]], [[2, 0], [0, 0]], [[1, 1], [1, 1]]],
        ]
    )
    scores = localisation(maps, SHARES)
    own = scores["own"]
    # Half of a cell is enough for a hit: two of four cells in the first image, one in the second.
    np.testing.assert_allclose(own.hits, [1, 0.5, (0.5 + 0.25) / 2])
    assert own.any_hit == 1
    # The sums of the maps are [[6, 2], [1, 1]] and [[3, 1], [2, 4]]: both means hit.
    assert own.mean_map_hit == 1
    np.testing.assert_allclose(
        own.mass, [(3.5 / 4 + 0.8 * 3 / 4) / 2, 0.5, (1.9 / 4 + 0.8 / 4) / 2]
    )
    assert own.mean_map_mass == pytest.approx((7.4 / 10 + 3.2 / 10) / 2)

    other = scores["other"]  # of two images there is only one other
    np.testing.assert_allclose(other.hits, [0, 0.5, (0.25 + 0.5) / 2])
    assert other.any_hit == pytest.approx((0.25 + 1) / 2)  # a flat map hits by chance
    assert other.mean_map_hit == 0
    np.testing.assert_allclose(other.mass, [(0 + 0.1) / 2, 0.5, (0.8 / 4 + 1.9 / 4) / 2], rtol=1e-6)

    chance = scores["chance"]
    np.testing.assert_allclose(chance.hits, np.full(3, 0.375))
    assert chance.any_hit == pytest.approx((1 - 0.5**3 + 1 - 0.75**3) / 2)
    assert chance.mean_map_hit == 0.375
    np.testing.assert_allclose(chance.mass, np.full(3, 2.7 / 8))
    assert chance.mean_map_mass == pytest.approx(2.7 / 8)


def test_flat_maps_score_what_chance_scores():
    shares = np.random.default_rng(0).random((20, 4, 4))
    scores = localisation(np.full((20, 3, 4, 4), 0.1), shares)
    for name, value in vars(scores["own"]).items():
        np.testing.assert_allclose(value, vars(scores["chance"])[name], rtol=1e-6)


def test_a_bias_for_a_place_shows_against_other_images_masks():
    """A map that is the same in every image scores the same against all images' masks."""
    rng = np.random.default_rng(0)
    shares = np.zeros((12, 4, 4))
    shares[:, 1:3, 1:3] = rng.random((12, 2, 2))  # the objects are in the middle
    fixed = np.broadcast_to(rng.random((2, 4, 4)), (12, 2, 4, 4))
    scores = localisation(fixed, shares, num_shuffles=11)
    for name, value in vars(scores["own"]).items():
        np.testing.assert_allclose(value, vars(scores["other"])[name], rtol=1e-6)
    objects = localisation(shares[:, None], shares, num_shuffles=11)
    assert objects["own"].mass[0] > objects["other"].mass[0] + 0.05


@pytest.mark.parametrize(
    "maps, shares, options, message",
    [
        (np.ones((2, 1, 2, 2)), SHARES[:1], {}, r"shares \(1, 2, 2\)"),
        (np.ones((1, 1, 2, 2)), SHARES[:1], {}, "at least two images"),
        (np.ones((2, 2, 2)), SHARES, {}, r"maps have shape \(2, 2, 2\)"),
        (np.ones((2, 0, 2, 2)), SHARES, {}, r"maps have shape \(2, 0, 2, 2\)"),
        (-np.ones((2, 1, 2, 2)), SHARES, {}, "negative or not finite"),
        (np.full((2, 1, 2, 2), np.nan), SHARES, {}, "negative or not finite"),
        (np.zeros((2, 1, 2, 2)), SHARES, {}, "0 everywhere"),
        (np.ones((2, 1, 2, 2)), SHARES, {"num_shuffles": 0}, "num_shuffles is 0"),
    ],
)
def test_maps_that_cannot_be_scored_are_refused(maps, shares, options, message):
    with pytest.raises(ValueError, match=message):
        localisation(maps, shares, **options)


@pytest.mark.parametrize(
    "maps, expected",
    [
        ([[1, 0, 0, 0], [0, 0, 2, 0]], 1),
        ([[1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]], 0),
        ([[1, 0, 0, 0], [3, 0, 0, 0], [0, 1, 1, 0]], 2 / 3),
        ([[3, 4, 0, 0], [3, 0, 4, 0]], 1 - 9 / 25),
    ],
)
def test_diversity_by_hand(maps, expected):
    maps = np.reshape(maps, (1, -1, 2, 2))
    assert diversity(np.concatenate([maps, maps])) == pytest.approx(expected, abs=1e-6)


def test_diversity_needs_two_tokens():
    with pytest.raises(ValueError, match="only one token"):
        diversity(np.ones((2, 1, 2, 2)))


def test_fixed_share_by_hand():
    place = np.array([[[0, 2], [0, 2]]])  # variance 1
    assert fixed_share(np.stack([place] * 3)) == 1
    moving = np.array([[[1, 1], [0, 0]]])
    maps = np.stack([place + moving, place + 1 - moving])  # adds 0.25 that the mean loses
    assert fixed_share(maps) == pytest.approx(1 / 1.25)
    assert fixed_share(np.stack([moving, 1 - moving])) == 0
    with pytest.raises(ValueError, match="Every map is uniform"):
        fixed_share(np.ones((3, 2, 4, 4)))


@pytest.fixture(scope="module")
def flat_images():
    """Ten images of five classes; image i has the one value 10 i, and the class i modulo 5."""
    values = 10 * np.arange(10).reshape(-1, 1, 1, 1)
    return np.broadcast_to(values, (10, 32, 32, 3)).astype("uint8"), np.arange(10) % 5


def test_mosaics_show_four_classes_and_mask_the_one_asked_for(flat_images):
    result = mosaics(*flat_images, count=50)
    assert (result.images.shape, result.images.dtype) == ((50, 32, 32, 3), "uint8")
    masks = result.masks()
    assert (masks.shape, masks.dtype) == ((50, 32, 32), "uint8")
    quarters = result.images.reshape(50, 2, 16, 2, 16, 3).transpose(0, 1, 3, 2, 4, 5)
    quarters = quarters.reshape(50, 4, -1)
    assert (quarters == quarters[:, :, :1]).all()
    np.testing.assert_array_equal(quarters[:, :, 0] // 10 % 5, result.classes)
    for image, mask, label, classes in zip(
        result.images, masks, result.labels, result.classes, strict=True
    ):
        assert len(set(classes)) == 4
        assert mask.sum() == 256
        assert np.unique(image[mask == 1] // 10 % 5) == [label]
    assert set(result.labels) == set(range(5))
    assert {tuple(mask[::16, ::16].ravel()) for mask in masks} == {tuple(row) for row in np.eye(4)}
    np.testing.assert_array_equal(mosaics(*flat_images, count=50).images, result.images)
    assert np.any(mosaics(*flat_images, count=50, seed=1).images != result.images)


def test_masks_of_any_class_of_a_mosaic(flat_images):
    result = mosaics(*flat_images, count=20, target_class=3)
    assert (result.labels == 3).all()
    np.testing.assert_array_equal(
        result.masks(result.classes[:, 2])[:, ::16, ::16], np.full((20, 2, 2), [[0, 0], [1, 0]])
    )
    assert not result.masks(np.full(20, 7)).any()


def test_a_quarter_is_the_image_at_half_its_size():
    """Each pixel is the mean of 2×2, whose values here are 0, 2, 4 and 7 above the corner's."""
    corners = np.arange(0, 16)[:, None] * 10 + np.arange(16)
    image = np.kron(corners, np.ones((2, 2))) + np.tile([[0, 2], [4, 7]], (16, 16))
    images = np.stack([image[..., None].repeat(3, axis=-1)] * 4).astype("uint8")
    result = mosaics(images, np.arange(4), count=1)
    expected = np.round(corners + 3.25)[..., None].repeat(3, axis=-1)
    np.testing.assert_array_equal(result.images[0, :16, 16:], expected)


@pytest.mark.parametrize(
    "labels, options, message",
    [
        (np.arange(9), {}, "10 images and labels of shape"),
        (np.arange(10) % 3, {}, "3 classes, but a mosaic shows four"),
        (np.arange(10) % 5, {"target_class": 5}, "no images of the class 5"),
        (np.arange(10) % 5, {"count": 0}, "count is 0"),
    ],
)
def test_mosaics_that_cannot_be_made_are_refused(flat_images, labels, options, message):
    with pytest.raises(ValueError, match=message):
        mosaics(flat_images[0], labels, **{"count": 2, **options})


@pytest.fixture(scope="module")
def removal_model():
    """A model that says 1 where some cell is bright and 0 elsewhere, and whose map marks it.

    A patch of 8×8 pixels becomes (brightness, 8, -8), of which the LayerNorm keeps the order; the
    class follows from the highest brightness of all.
    """
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = RandomCropFlip(resized_size=32, crop_size=32, padding=4)(x)
    projection, token_learner = keras.layers.Conv2D(3, 8, 8), TokenLearner(1)
    grid = projection(x)
    tokens, _ = token_learner(grid, return_attention_maps=True)
    x = keras.layers.Concatenate()(
        [keras.layers.GlobalMaxPooling2D()(grid), keras.layers.Flatten()(tokens)]
    )
    classes = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, classes(x))
    kernel = np.zeros((8, 8, 3, 3))
    kernel[..., 0] = 1 / kernel[..., 0].size
    projection.set_weights([kernel, np.array([0, 8, -8])])
    for conv in token_learner.convs:
        kernel = np.zeros(conv.kernel.shape)
        kernel[1, 1, 0] = 5
        conv.set_weights([kernel])
    kernel = np.zeros(classes.kernel.shape)
    kernel[0, 1] = 100
    classes.set_weights([kernel, np.array([0, -50])])
    return model


def test_removing_what_the_prediction_rests_on_hurts(removal_model):
    """The class is 1 where the view has a bright cell; the map marks it; its place is random."""
    rng = np.random.default_rng(0)
    images = np.full((8, 32, 32, 3), 20, dtype="uint8")
    places = rng.permutation(16)[:8]  # of 4×4 cells of 8×8 pixels, all different
    for image, place in zip(images, places, strict=True):
        row, column = 8 * (place // 4), 8 * (place % 4)
        image[row : row + 8, column : column + 8] = 250
    result = removal_accuracy(removal_model, images, np.ones(8), counts=(0, 1, 15, 16))
    assert result["most attended"].tolist() == [1, 0, 0, 0]
    assert result["least attended"].tolist() == [1, 1, 1, 0]
    assert result["other image"].tolist()[:2] == [1, 1]
    assert result["random"][0] == 1 and result["random"][-1] == 0


@pytest.mark.parametrize(
    "images, labels, counts, message",
    [
        (np.full((2, 32, 32, 3), 9), [0], (0,), r"2 images and labels of shape \(1,\)"),
        (np.full((1, 32, 32, 3), 9), [0], (0,), "at least two images"),
        (np.full((2, 32, 32, 3), 9), [0, 1], (0, 17), "the grid has 16 cells"),
        (np.full((2, 32, 32, 3), 9), [0, 1], (-1,), "the grid has 16 cells"),
        (np.full((2, 32, 32, 3), 0.5), [0, 1], (0,), "multiply by 255"),
    ],
)
def test_what_cannot_be_removed_is_refused(removal_model, images, labels, counts, message):
    with pytest.raises(ValueError, match=message):
        removal_accuracy(removal_model, images, labels, counts)


def test_a_grid_that_does_not_divide_the_view_is_refused():
    inputs = keras.Input((32, 32, 3))
    grid = keras.layers.Conv2D(4, 5, 5)(RandomCropFlip(32, 32)(inputs))  # 6×6 cells
    model = keras.Model(inputs, TokenLearner(1)(grid, return_attention_maps=True)[0])
    with pytest.raises(ValueError, match="6 × 6 cells, which do not divide"):
        mask_shares(model, np.ones((1, 32, 32)))
