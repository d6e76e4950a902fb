import sys

import keras
import numpy as np
import pytest

from tlvit_utils.data import batches
from tlvit_utils.data.batches import (
    Batches,
    check_images,
    check_labels,
    make_pipeline,
    shuffled_order,
)

GOOD = np.full((2, 32, 32, 3), 200, dtype="uint8")


@pytest.mark.parametrize(
    "images", [GOOD, GOOD.astype("int64"), GOOD * 0.5, GOOD * 0.0, GOOD[:0], GOOD.tolist()]
)
def test_good_images_pass_unchanged(images):
    checked = check_images(images)
    np.testing.assert_array_equal(checked, images)
    assert checked.dtype == np.asarray(images).dtype


@pytest.mark.parametrize(
    "images, error, message",
    [
        *((GOOD * (high / 200), ValueError, "multiply by 255") for high in (0.5, 1.01, 2)),
        (GOOD // 200, ValueError, "multiply by 255"),
        (GOOD * 1.5, ValueError, "run from 300.0 to 300.0; expected"),
        (GOOD.astype("int64") - 201, ValueError, "run from -1 to -1; expected"),
        (np.where(GOOD == 200, np.nan, 0), ValueError, "nan"),
        (GOOD[0], ValueError, r"shape \(32, 32, 3\).*image\[None\]"),
        (GOOD[:, :28], ValueError, r"shape \(2, 28, 32, 3\); expected \(N, 32, 32, 3\)"),
        (GOOD.reshape(2, -1), ValueError, r"shape \(2, 3072\)"),
        ("cat.png", TypeError, "type <U"),
        (None, TypeError, "type object"),
        (GOOD == 200, TypeError, "type bool"),
    ],
)
def test_wrong_images_get_one_sentence(images, error, message):
    with pytest.raises(error, match=message):
        check_images(images, 32)


def test_images_of_any_size_are_square_where_no_size_is_asked_for():
    np.testing.assert_array_equal(check_images(GOOD[:, :28, :28]), GOOD[:, :28, :28])
    for images, shape in ((GOOD[:, :28], "2, 28, 32, 3"), (GOOD[..., :1], "2, 32, 32, 1")):
        with pytest.raises(ValueError, match=rf"\({shape}\); expected \(N, side, side, 3\)"):
            check_images(images)
    with pytest.raises(ValueError, match=r"shape \(32, 32, 3\).*image\[None\]"):
        check_images(GOOD[0])


@pytest.mark.parametrize("labels", [[3, 0], [[3], [0]], [3.0, 0.0], np.array([3, 0], "uint8")])
def test_labels_mean_the_same_in_every_form(labels):
    checked = check_labels(labels, GOOD, classes=4)
    assert checked.shape == (2,) and checked.dtype.kind in "ui"
    assert checked.tolist() == [3, 0]


@pytest.mark.parametrize(
    "labels, message",
    [
        (3, r"2 images and labels of shape \(\)"),
        ([3], r"2 images and labels of shape \(1,\)"),
        ([[3]], r"2 images and labels of shape \(1, 1\)"),
        (np.eye(2), r"shape \(2, 2\).*argmax"),
        ([0, -1], "A label is -1; expected whole numbers from 0 to 3"),
        ([0, 4], "A label is 4"),
        ([0, 1.5], "A label is 1.5"),
        ([0, np.nan], "A label is nan"),
        (["cat", "dog"], "type <U3"),
    ],
)
def test_wrong_labels_get_one_sentence(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, GOOD, classes=4)


LABELS = np.arange(100, dtype="uint8")
IMAGES = np.broadcast_to(LABELS[:, None, None, None], (100, 32, 32, 3))  # each says its label


def read(pipeline):
    """Return the batches' sizes and all labels, after comparing each image with its label."""
    pairs = [(np.asarray(images), np.asarray(labels)) for images, labels in pipeline]
    for images, labels in pairs:
        assert images.shape == (len(labels), 32, 32, 3)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
    return [len(labels) for _, labels in pairs], np.concatenate([y for _, y in pairs]).tolist()


@pytest.fixture(params=["this backend", "without TensorFlow"])
def make(request, monkeypatch):
    """`make_pipeline` on this backend, and as if TensorFlow were not installed."""
    if request.param == "without TensorFlow":
        monkeypatch.setitem(sys.modules, "tensorflow", None)
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    return make_pipeline


def test_without_a_seed_all_images_come_in_order(make):
    in_order = make(IMAGES, LABELS, 30)
    assert len(in_order) == 4
    for _ in range(2):
        assert read(in_order) == ([30, 30, 30, 10], LABELS.tolist())


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_batch_has_a_whole_number_of_images(size):
    with pytest.raises(ValueError, match=f"batch_size is {size}, .* at least 1"):
        make_pipeline(IMAGES, LABELS, size)


@pytest.mark.parametrize("first_epoch", [0, 2])
def test_each_pass_is_an_epoch_with_its_own_order(first_epoch, make):
    shuffled = make(IMAGES, LABELS, 30, shuffle_seed=5, first_epoch=first_epoch)
    assert len(shuffled) == 3
    for epoch in range(first_epoch, first_epoch + 3):
        assert read(shuffled) == ([30] * 3, shuffled_order(100, 5, epoch)[:90].tolist())


def test_looking_at_the_first_batch_starts_no_new_epoch(make):
    shuffled = make(IMAGES, LABELS, 2, shuffle_seed=5)
    first = [np.asarray(next(iter(shuffled))[1]).tolist() for _ in range(2)]
    assert first[0] == first[1] == read(shuffled)[1][:2]


@pytest.mark.parametrize("batch_size, steps", [(30, 3), (100, 1)])
def test_fit_shows_one_order_per_epoch(batch_size, steps, monkeypatch):
    """Though Keras looks at the first batch before it begins, on some backends."""
    drawn = []

    class Spy(Batches):
        def _batch(self, epoch, order, index):
            drawn.append(order[:2].tolist())
            return super()._batch(epoch, order, index)

    monkeypatch.setattr(batches, "Batches", Spy)
    layers = [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    pipeline = make_pipeline(IMAGES, LABELS, batch_size, shuffle_seed=5, first_epoch=3)
    model.fit(pipeline, epochs=2, shuffle=False, verbose=0)
    orders = [shuffled_order(100, 5, epoch)[:2].tolist() for epoch in (3, 4)]
    assert [order for i, order in enumerate(drawn) if order not in drawn[:i]] == orders
    assert drawn.count(orders[0]) >= drawn.count(orders[1]) == steps


@pytest.mark.parametrize("make", ["without TensorFlow"], indirect=True)
@pytest.mark.parametrize("batch_size", [30, 50, 100])
def test_fit_may_look_at_two_batches_before_its_first_epoch(make, batch_size):
    """As on JAX, where Keras reads one ahead."""
    shuffled = make(IMAGES, LABELS, batch_size, shuffle_seed=5)
    for epoch in (None, 0, 1):  # None is the look
        batches = range(min(2, len(shuffled)) if epoch is None else len(shuffled))
        seen = np.concatenate([shuffled[i][1] for i in batches])
        np.testing.assert_array_equal(seen, shuffled_order(100, 5, epoch or 0)[: len(seen)])
        shuffled.on_epoch_end()


@pytest.mark.parametrize("make", ["without TensorFlow"], indirect=True)
def test_shuffled_batches_are_not_mixed_up_by_keras(make):
    shuffled = make(IMAGES, LABELS, 30, shuffle_seed=5)
    shuffled[0]
    with pytest.raises(ValueError, match="shuffle=False"):
        shuffled[2]
    assert make(IMAGES, LABELS, 30)[2][1][0] == 60  # in order, any may be read


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="fewer than one batch of 101"):
        make_pipeline(IMAGES, LABELS, 101, shuffle_seed=5)


@pytest.mark.parametrize("count, buffer", [(100, 1000), (100, 30), (7, 1), (0, 5)])
def test_an_order_shows_each_image_once_and_follows_the_seed(count, buffer):
    for seed, epoch in ((0, 0), (1, 0), (0, 1)):
        order = shuffled_order(count, seed, epoch, buffer)
        np.testing.assert_array_equal(shuffled_order(count, seed, epoch, buffer), order)
        np.testing.assert_array_equal(np.sort(order), np.arange(count))
        other = shuffled_order(count, seed + 1, epoch, buffer)
        assert np.array_equal(other, order) == (buffer == 1 or not count)
