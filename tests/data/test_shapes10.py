"""shapes10: balanced, the same everywhere, true masks, and no short cut to the class."""

import hashlib
import math

import numpy as np
import pytest

from tlvit_utils.data import shapes10
from tlvit_utils.data.shapes10 import SHAPES10_CLASSES, make_shapes10

GOLDEN = {  # SHA-256 of images, labels and masks, one after the other
    (0, 0): "9a808a615e2e6b3a063774af3c6f15b18ba0c18ba7847762cca12f2ebe9e9f6d",
    (7, 2): "688b1a21bb285053329fbf5a2e7ef7ea0b7f66d409608e5da24967d75a31adf8",
}


@pytest.fixture(scope="module")
def sample():
    """3,000 pictures, labels and masks. Tests must not change them."""
    return make_shapes10(seed=0, num_images=3_000)


def test_shapes_dtypes_and_names(sample):
    images, labels, masks = sample
    assert (images.shape, images.dtype) == ((3_000, 32, 32, 3), "uint8")
    assert (labels.shape, labels.dtype) == ((3_000,), "uint8")
    assert (masks.shape, masks.dtype) == ((3_000, 32, 32), "uint8")
    assert images.flags.c_contiguous and images.flags.writeable
    assert len(set(SHAPES10_CLASSES)) == 10


def test_every_ten_pictures_show_each_class_once_and_in_random_order(sample):
    tens = sample[1].reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(tens, axis=1), np.tile(np.arange(10), (300, 1)))
    for label in range(10):  # 30 times at each place, give or take 5 standard deviations
        places = np.bincount(np.argmax(tens == label, axis=1), minlength=10)
        assert abs(places - 30).max() < 5 * math.sqrt(30 * 0.9)


@pytest.mark.parametrize("num_images", [0, 1, 9, 10, 49, 51, 137])
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


@pytest.mark.parametrize(("seed", "stream"), GOLDEN)
def test_the_bytes_are_the_same_on_every_platform(seed, stream):
    digest = hashlib.sha256()
    for array in make_shapes10(seed, 200, stream=stream):
        digest.update(array.tobytes())
    assert digest.hexdigest() == GOLDEN[seed, stream]


def test_no_sine_is_so_near_a_half_that_platforms_could_round_it_differently():
    sines = [2**14 * math.sin(math.pi * i / 128) for i in range(256)]
    assert min(abs(sine % 1 - 0.5) for sine in sines) > 1e-4  # libraries agree to about 1e-12


@pytest.mark.parametrize("turn", [0, 1, 32, 77, 128, 250])
def test_grid_turns_and_scales_even_the_largest(turn):
    """The finest grid at the farthest places, in float64; a number that wraps around would show."""
    x, y = (np.array(values) for values in ([-16, 272, 128, 37], [272, 272, -16, 211]))
    u, v = shapes10._grid(np.full(4, turn), np.full(4, 512), x, y)
    rows, columns = np.mgrid[:32, :32]
    offsets = columns + 0.5 - x[:, None, None] / 8 + 1j * (rows + 0.5 - y[:, None, None] / 8)
    expected = (512 * offsets * np.exp(-2j * np.pi * turn / 256)).reshape(4, -1)
    np.testing.assert_allclose(u, expected.real, atol=4)  # 1/16 texel
    np.testing.assert_allclose(v, expected.imag, atol=4)
    assert max(abs(u).max(), abs(v).max()) < 2**15 - 64 * shapes10.TABLE // 2


def test_masks_are_the_pixels_that_the_object_covers_at_least_half(monkeypatch):
    """Held against the same pictures without the object, and with one that fills the picture."""
    images, labels, masks = make_shapes10(seed=3, num_images=200)
    parts = []
    for weight in (0, shapes10.FULL):
        table = np.full((10, shapes10.TABLE, shapes10.TABLE), weight, "int16")
        monkeypatch.setattr(shapes10, "_shapes", lambda table=table: table)
        background, same_labels, all_or_none = make_shapes10(seed=3, num_images=200)
        np.testing.assert_array_equal(same_labels, labels)
        assert (all_or_none == (weight > 0)).all()
        parts.append(background.astype(int))
    without, filled = parts

    # In the channel where the two differ most: how much of the pixel is the object's?
    channel = abs(filled - without).argmax(axis=-1)[..., None]
    pixel, none, full = (
        np.take_along_axis(a, channel, axis=-1)[..., 0] for a in (images, without, filled)
    )
    clear = (abs(full - none) >= 40) & (np.minimum(none, full) > 0) & (np.maximum(none, full) < 255)
    share = (pixel - none)[clear] / (full - none)[clear]
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(masks[clear][share > 0.53], 1)
    np.testing.assert_array_equal(masks[clear][share < 0.47], 0)
    edge = (share > 0.03) & (share < 0.97)
    assert 0.02 < edge.mean() < 0.2  # edges are smooth, and the rest is all object or none of it

    # Three pixels away from the object, the background knows nothing of it.
    padded = np.pad(masks, ((0, 0), (3, 3), (3, 3)))
    near = np.max([padded[:, i : i + 32, j : j + 32] for i in range(7) for j in range(7)], axis=0)
    np.testing.assert_array_equal(images[near == 0], without[near == 0])
    assert (near == 0).mean() > 0.4


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


def ridge_accuracy(features, labels, penalty):
    """Return the share of the last third that ridge regression on the others gets right."""
    features = features.reshape(len(labels), -1).astype("float64")
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    split = 2 * len(labels) // 3
    train, test = features[:split], features[split:]
    gram = train.T @ train + penalty * np.eye(train.shape[1])
    weights = np.linalg.solve(gram, train.T @ (np.eye(10)[labels[:split]] - 0.1))
    return np.mean((test @ weights).argmax(axis=1) == labels[split:])


def test_no_linear_classifier_on_pixels_tells_the_class(sample):
    images, labels, _ = sample
    halved = images.reshape(-1, 16, 2, 16, 2, 3).mean(axis=(2, 4))  # smoother, so easier to learn
    assert ridge_accuracy(halved, labels, penalty=1e3) < 0.2


def test_neither_place_nor_area_nor_colour_tells_the_class(sample):
    """1,000 test images: chance is 10 %, give or take 0.9 points."""
    images, labels, masks = sample
    area = masks.sum(axis=(1, 2))
    rows, columns = (masks.sum(axis=axis) @ (np.arange(32) - 15.5) / area for axis in (2, 1))
    place = [area, rows, columns, area**2, rows**2, columns**2, rows * columns, area * rows**2]
    assert ridge_accuracy(np.stack(place, axis=1), labels, penalty=1) < 0.13
    picture = np.arange(len(labels))[:, None, None, None]
    bins = (2 * picture + masks[..., None]) * 8 + images // 32  # values on the object, and off it
    histograms = np.bincount(bins.ravel(), minlength=16 * len(labels)).reshape(-1, 16)
    assert ridge_accuracy(histograms, labels, penalty=1) < 0.13


def test_the_helper_finds_a_class_that_is_there_to_find(sample):
    """What the two tests above say is worth something only if this classifier can learn."""
    labels = sample[1]
    tinted = sample[0] + np.eye(10)[labels, :3][:, None, None] * 20
    assert ridge_accuracy(tinted.mean(axis=(1, 2)), labels, penalty=1) > 0.15
