"""shapes10: balanced, the same everywhere, true masks, and no short cut to the class."""

import hashlib
import math

import numpy as np
import pytest

from tlvit_utils.data import shapes10
from tlvit_utils.data.shapes10 import SHAPES10_CLASSES, make_shapes10


@pytest.fixture(scope="module")
def sample():
    """3,000 pictures, labels and masks. Tests must not change them."""
    return make_shapes10(seed=0, num_images=3_000)


def test_every_ten_pictures_show_each_class_once_and_in_random_order(sample):
    tens = sample[1].reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(tens, axis=1), np.tile(np.arange(10), (300, 1)))
    for label in range(10):  # 30 times at each place, give or take 5 standard deviations
        places = np.bincount(np.argmax(tens == label, axis=1), minlength=10)
        assert abs(places - 30).max() < 5 * math.sqrt(30 * 0.9)


@pytest.mark.parametrize("num_images", [0, 9, 49, 137])
def test_fewer_pictures_are_the_first_of_many(sample, num_images):
    for few, many in zip(make_shapes10(seed=0, num_images=num_images), sample, strict=True):
        np.testing.assert_array_equal(few, many[:num_images])


def test_other_seeds_and_streams_give_other_pictures():
    parts = [make_shapes10(seed, 50, stream=stream)[0] for seed in range(3) for stream in range(3)]
    assert len(np.unique(np.concatenate(parts), axis=0)) == 9 * 50


@pytest.mark.parametrize("arguments", [(-1, 10, 0), (0, -1, 0), (0, 10, -1)])
def test_negative_numbers_are_refused(arguments):
    seed, num_images, stream = arguments
    with pytest.raises(ValueError, match="is -1, but it must be a whole number of at least 0"):
        make_shapes10(seed, num_images, stream=stream)


def test_the_bytes_are_the_same_on_every_platform():
    digest = hashlib.sha256()
    for array in make_shapes10(7, 200, stream=2):
        digest.update(array)
    assert digest.hexdigest()[:16] == "688b1a21bb285053"


def test_objects_are_whole_and_stand_out(sample):
    images, _, masks = sample
    shapes = shapes10._shapes() >= shapes10.FULL // 2
    rows, columns = np.mgrid[: shapes10.TABLE, : shapes10.TABLE] - (shapes10.TABLE - 1) / 2
    reach = (shapes * np.hypot(rows, columns)).max() / shapes10.UNIT
    assert reach <= 15 / 16  # which `_draw_chunk` leaves between the object's middle and the border
    areas = masks.sum(axis=(1, 2))
    assert areas.min() > 0.9 * 9.5**2 and areas.max() < 1.1 * 15**2
    luma = images @ np.array([0.299, 0.587, 0.114])
    inside = (luma * masks).sum(axis=(1, 2)) / areas
    outside = (luma * (1 - masks)).sum(axis=(1, 2)) / (1024 - areas)
    assert abs(inside - outside).min() > 20
    assert 0.45 < (inside > outside).mean() < 0.55


def test_every_shape_is_its_own_mirror_image():
    for name, table in zip(SHAPES10_CLASSES, shapes10._shapes() / shapes10.FULL, strict=True):
        mirrored = min(abs(table - table[::-1]).sum(), abs(table - table[:, ::-1]).sum())
        assert mirrored < 0.03 * table.sum(), name
