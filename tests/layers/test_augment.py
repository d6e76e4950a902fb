import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import RandomCropFlip

PUBLISHED = RandomCropFlip(52, 48, seed=0)
PADDED = RandomCropFlip(32, 32, padding=4, seed=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")


def keras_resized(images):
    return convert_to_numpy(keras.layers.Resizing(52, 52)(images))


def test_the_inference_view_is_the_centre_crop_of_the_resized_or_padded_image(images):
    view = convert_to_numpy(PUBLISHED(images))
    np.testing.assert_allclose(view, keras_resized(images)[:, 2:50, 2:50], atol=1e-3)
    np.testing.assert_array_equal(convert_to_numpy(PADDED(images)), images)


@pytest.mark.parametrize("layer", [PUBLISHED, PADDED], ids=["published", "padded"])
def test_every_image_gets_its_own_crop_and_mirror(layer, images):
    """Each of 64 training views of one image is a crop of it; look up which one."""
    image = images[0]
    whole = keras_resized(image[None])[0] if layer.resized_size == 52 else image
    whole = np.pad(whole, ((layer.padding,) * 2, (layer.padding,) * 2, (0, 0)))
    places = range(layer.num_offsets)
    crops = {
        (top, left, mirrored): crop[:, ::-1] if mirrored else crop
        for top in places
        for left in places
        for crop in [whole[top : top + layer.crop_size, left : left + layer.crop_size]]
        for mirrored in (False, True)
    }
    views = convert_to_numpy(layer(np.stack([image] * 64), training=True))
    drawn = []
    for view in views:
        errors = {place: np.abs(view - crop).max() for place, crop in crops.items()}
        drawn.append(min(errors, key=errors.get))
        assert errors[drawn[-1]] < 1e-3
    tops, lefts, mirrors = zip(*drawn, strict=True)
    assert set(tops) == set(lefts) == set(places)
    assert set(mirrors) == {False, True}
    assert tops != lefts


def test_where_the_view_is_the_whole_image_only_the_mirror_is_random(images):
    layer = RandomCropFlip(32, 32, seed=0)
    np.testing.assert_array_equal(convert_to_numpy(layer(images)), images)
    views = convert_to_numpy(layer(np.stack([images[0]] * 64), training=True))
    kept = [np.array_equal(view, images[0]) for view in views]
    mirrored = [np.array_equal(view, images[0, :, ::-1]) for view in views]
    assert any(kept) and any(mirrored) and sum(kept) + sum(mirrored) == 64


@pytest.mark.parametrize(
    "sizes, message",
    [
        (("32", 30), "resized_size is '32', but it must be a whole number of at least 1"),
        ((52, 0), "crop_size is 0"),
        ((52, 48.0), "crop_size is 48.0"),
        ((52, 48, -1), "padding is -1, but it must be a whole number of at least 0"),
        ((32, 41, 4), "crop_size is 41.*at most.*40"),
    ],
)
def test_sizes_that_cannot_work_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        RandomCropFlip(*sizes)


def test_one_image_and_images_of_another_size_are_refused():
    layer = RandomCropFlip(32, 32)
    with pytest.raises(ValueError, match=r"image\[None\]"):
        layer(np.zeros((32, 32, 3)))
    layer(np.zeros((2, 32, 32, 3)))
    for shape in ((32, 32, 3), (2, 28, 28, 3)):
        with pytest.raises(ValueError, match="incompatible"):
            layer(np.zeros(shape), training=True)


def test_images_must_be_square():
    with pytest.raises(ValueError, match=r"32 × 40 pixels.*square"):
        RandomCropFlip(32, 32)(np.zeros((1, 32, 40, 3)))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layer", [PUBLISHED, PADDED], ids=["published", "padded"])
def test_the_shape_is_known_beforehand_and_a_policy_gives_the_dtype(layer, training, images):
    config = layer.get_config()  # two new layers, which draw the same crops
    half = RandomCropFlip.from_config({**config, "dtype": "float16"})
    view = half(images, training=training)
    assert tuple(view.shape) == half.compute_output_shape(images.shape)
    assert keras.backend.standardize_dtype(view.dtype) == "float16"
    expected = convert_to_numpy(RandomCropFlip.from_config(config)(images, training=training))
    np.testing.assert_allclose(convert_to_numpy(view), expected, atol=1)  # of 255
