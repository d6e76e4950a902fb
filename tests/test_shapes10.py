import numpy as np

from tlvit_utils.data import Dataset
from tlvit_utils.shapes10 import SHAPES10_CLASSES, load_stand_in, make_shapes


def test_the_stand_in_is_shaped_like_cifar10_and_says_what_it_is():
    stand_in = load_stand_in((30, 20, 10))
    assert isinstance(stand_in, Dataset)
    assert "not CIFAR-10" in stand_in.name
    assert len(set(stand_in.class_names)) == 10
    for split, size in (("train", 30), ("validation", 20), ("test", 10)):
        images, labels = getattr(stand_in, split)
        assert (images.shape, images.dtype) == ((size, 32, 32, 3), "uint8")
        assert (labels.shape, labels.dtype) == ((size,), "uint8")
        np.testing.assert_array_equal(np.bincount(labels), [size // 10] * 10)


def test_no_two_pictures_are_the_same_and_a_seed_repeats_them():
    first, again, other = (make_shapes(40, seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate([first, other]), axis=0)) == 80


def test_every_class_shows_a_shape_of_one_bright_colour():
    """The clutter has grain, so only a shape can be many pixels of one colour."""
    images, labels = make_shapes(100, seed=0)
    for image, label in zip(images, labels, strict=True):
        colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
        assert counts.max() > 20, SHAPES10_CLASSES[label]
        assert colours[counts.argmax()].max() == 255
