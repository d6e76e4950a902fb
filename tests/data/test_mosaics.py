import numpy as np
import pytest

from tlvit_utils.data.mosaics import mosaics


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
