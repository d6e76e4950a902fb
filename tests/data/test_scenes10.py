import hashlib

import numpy as np
import pytest

from tlvit_utils.data import load_scenes10, load_shapes10
from tlvit_utils.data.batches import Batches
from tlvit_utils.data.datasets import Dataset, Split
from tlvit_utils.data.scenes10 import make_scenes10

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype="uint8")
LABELS = np.arange(10, dtype="uint8")


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_seed_gives_the_same_bytes_everywhere():
    images, labels = load_shapes10(sizes=(20, 0, 0)).train
    digest = hashlib.sha256()
    for array in make_scenes10(images, labels, 30, seed=3, stream=1, epoch=2):
        assert array.dtype == np.uint8
        digest.update(array)
    assert digest.hexdigest()[:16] == "43a23e09d4ced41b"


@pytest.mark.parametrize("which", ["seed", "stream", "epoch"])
def test_each_seed_stream_and_epoch_has_scenes_of_its_own(which):
    scenes = make_scenes10(IMAGES, LABELS, 10)
    assert same(scenes, make_scenes10(IMAGES, LABELS, 10, **{which: 0}))
    assert not np.array_equal(scenes[0], make_scenes10(IMAGES, LABELS, 10, **{which: 1})[0])


def test_the_mask_lies_on_the_image_that_has_the_label():
    scenes, labels, masks = make_scenes10(IMAGES, LABELS, 25)
    assert scenes.shape == (25, 64, 64, 3) and masks.shape == (25, 64, 64)
    np.testing.assert_array_equal(labels, np.arange(25) % 10)
    for scene, label, mask in zip(scenes, labels, masks, strict=True):
        assert set(np.unique(mask)) == {0, 1}
        np.testing.assert_array_equal(scene[mask == 1].reshape(32, 32, 3), IMAGES[label])
    corners = masks.reshape(25, -1).argmax(axis=1)
    assert len(set(corners)) > 20  # the image lies anywhere


def test_an_epoch_goes_on_where_the_one_before_ended():
    _, labels, _ = make_scenes10(IMAGES, LABELS, 7, epoch=1)
    np.testing.assert_array_equal(labels, [7, 8, 9, 0, 1, 2, 3])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": IMAGES[:0]}, "no images to hide"),
        ({"images": IMAGES[:, :8, :8]}, "8 pixels wide"),
        ({"images": IMAGES / 255}, "type float64; expected .* uint8"),
        ({"images": IMAGES[..., :1]}, "expected .*side, side, 3"),
        ({"images": IMAGES[:, :, :20]}, "shape .*; expected .*side, side"),
        ({"labels": np.arange(20)}, "give one label per image"),
        ({"canvas_size": 64.0}, "canvas_size is 64.0"),
        ({"fragment_sizes": 8}, "fragment_sizes is"),
        ({"seed": None}, "seed is None"),
        ({"canvas_size": 31}, "canvas_size is 31"),
        ({"num_fragments": -1}, "num_fragments is -1"),
        ({"fragment_sizes": (9, 8)}, r"fragment_sizes is \(9, 8\)"),
        ({"fragment_sizes": (8, 33)}, r"fragment_sizes is \(8, 33\)"),
    ],
)
def test_scenes_that_cannot_be_made_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_scenes10(**{"images": IMAGES, "labels": LABELS, "count": 5, **changes})


@pytest.mark.parametrize("sizes", [(3, 3), (4, 8)])
def test_fragments_are_squares_of_other_images(sizes):
    """Each image has one colour of its own, so the sizes and sources of fragments show."""
    images = np.zeros((250, 8, 8, 3), "uint8") + np.arange(250, dtype="uint8")[:, None, None, None]
    layout = {"canvas_size": 40, "num_fragments": 1, "fragment_sizes": sizes}
    scenes, _, masks = make_scenes10(images, np.arange(250, dtype="uint8"), 200, **layout)
    assert scenes.shape == (200, 40, 40, 3)
    sides = set()
    for scene, mask in zip(scenes[..., 0], masks, strict=True):
        colours, counts = np.unique(scene[mask == 0], return_counts=True)
        fragment = (scene != colours[counts.argmax()]) & (mask == 0)
        rows, columns = fragment.any(axis=1).sum(), fragment.any(axis=0).sum()
        if len(colours) == 2 and fragment.sum() == rows * columns == rows**2:  # in full view
            sides.add(int(rows))
    assert sides == set(range(sizes[0], sizes[1] + 1))


# the data set


@pytest.fixture(scope="module")
def marked():
    """Three splits whose images can be told by their colours: red, green and blue."""
    splits = []
    for channel in range(3):
        images = np.zeros((20, 32, 32, 3), "uint8")
        images[..., channel] = np.arange(100, 120)[:, None, None]
        splits.append(Split(images, np.arange(20, dtype="uint8") % 10))
    return Dataset("marked", tuple("abcdefghij"), *splits)


def test_a_split_shows_nothing_of_another(marked):
    scenes = load_scenes10(sizes=(12, 8, 9), base=marked)
    splits = scenes.train, scenes.train.epoch(3), scenes.validation, scenes.test
    for split, count, channel in zip(splits, (12, 12, 8, 9), (0, 0, 1, 2), strict=True):
        assert split.images.shape == (count, 64, 64, 3)
        assert split.masks.sum((1, 2)).tolist() == count * [32 * 32]
        assert split.images[..., channel].all()
        assert not np.delete(split.images, channel, axis=-1).any()
    assert repr(scenes) == "scenes10 made of marked: 12 / 8 / 9 images to train, validate and test"


def test_another_layout_has_another_name(marked):
    scenes = load_scenes10(sizes=(4, 3, 2), base=marked, canvas_size=48, num_fragments=3)
    assert scenes.name == "scenes10 made of marked, canvas_size 48, num_fragments 3"
    assert scenes.test.images.shape == (2, 48, 48, 3)
    with pytest.raises(ValueError, match="must have three"):
        load_scenes10(sizes=(4, 3), base=marked)


def test_every_epoch_trains_on_new_scenes_and_the_others_stay(marked):
    scenes = load_scenes10(sizes=(12, 8, 9), base=marked)
    again = load_scenes10(sizes=(12, 8, 9), base=marked)
    assert same(scenes.train, scenes.train.epoch(0))
    assert same(scenes.train.epoch(5), again.train.epoch(5))
    assert not np.array_equal(scenes.train.epoch(5).images, scenes.train.images)
    for name in ("validation", "test"):
        assert same(getattr(scenes, name), getattr(again, name).epoch(5))
    few = scenes.take(5, 4, 3).train
    assert len(few.labels) == len(few.epoch(1).labels) == 5


def test_batches_ask_for_the_scenes_of_their_epoch(marked):
    """And so a training that goes on after an interruption sees what it would have seen."""
    train = load_scenes10(sizes=(12, 0, 0), base=marked).train

    def start(epoch):
        return Batches(*train, 4, shuffle_seed=7, first_epoch=epoch, draw_epoch=train.epoch)

    whole, by_index = start(0), start(0)
    for epoch in range(3):
        shown = [images for images, _ in whole]
        assert same(shown, [images for images, _ in start(epoch)])
        assert same(shown, [by_index[i][0] for i in range(3)])  # as Keras asks on JAX and PyTorch
        by_index.on_epoch_end()
        expected = train.epoch(epoch).images
        assert sorted(map(bytes, np.concatenate(shown))) == sorted(map(bytes, expected))
