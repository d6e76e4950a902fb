"""The data sets: CIFAR-10, shapes10 and scenes10, as uint8 arrays in three splits."""

import itertools
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tlvit_utils._text import printable
from tlvit_utils._validation import check_choice, check_count
from tlvit_utils.data import cifar10, scenes10, shapes10
from tlvit_utils.data.cache import cached

CIFAR10_CLASSES = cifar10.CLASSES
SPLIT_SIZES = (40_000, 10_000, 10_000)
SCENES_SIZES = (15_360, 2_000, 10_000)
LAYOUT = ("canvas_size", "num_fragments", "fragment_sizes")  # what a scene's layout consists of
SOURCES = ("auto", "cifar10", "shapes10")
NOT_CIFAR10 = "shapes10, not CIFAR-10"  # the banner's title


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels, which can be unpacked: `images, labels = split`.

    Attributes:
        images: `(N, side, side, 3)`, uint8; `check_images` says who takes what.
        labels: `(N,)`, uint8.
        masks: `(N, side, side)`, uint8, 1 on the pixels of the object; None if they are unknown.
        draw: function of an epoch and a count that draws that epoch's images; None where all
            epochs have the same. `images` are those of epoch 0.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None
    draw: Callable[[int, int], "Split"] | None = None

    def __iter__(self):
        return iter((self.images, self.labels))

    def take(self, count: int) -> "Split":
        """Return the first `count` images, not copied; all where there are fewer."""
        check_count("count", count, low=0)
        masks = None if self.masks is None else self.masks[:count]
        return replace(self, images=self.images[:count], labels=self.labels[:count], masks=masks)

    def epoch(self, number: int) -> "Split":
        """Return what this epoch of training shows, counted from 0."""
        return self.draw(number, len(self.labels)) if self.draw else self


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in three splits; `name` belongs in the title of every figure of them."""

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def take(self, train: int, validation: int, test: int) -> "Dataset":
        """Return a dataset with only the first images of each split, not copied."""
        splits = (self.train.take(train), self.validation.take(validation), self.test.take(test))
        return Dataset(self.name, self.class_names, *splits)

    def __repr__(self):
        sizes = [f"{len(each.labels):,}" for each in (self.train, self.validation, self.test)]
        return f"{self.name}: {' / '.join(sizes)} images to train, validate and test"


def load_cifar10(*, may_download: bool = True) -> Dataset:
    """Load CIFAR-10 (Krizhevsky 2009), 40,000 / 10,000 / 10,000 images.

    `cifar10.load` says where it comes from and what it raises. The validation images are the last
    10,000 of the 50,000 training images, as in the published example.
    """
    arrays = cifar10.load(may_download)
    count = len(arrays["labels"]) // 6
    return _dataset("CIFAR-10", CIFAR10_CLASSES, arrays, (4 * count, count, count))


def _cifar10_or_shapes10(source, shapes10_sizes, may_download) -> Dataset:
    """Return CIFAR-10, or shapes10 after a banner: by choice, or as a fallback."""
    reason = "You chose them with TLVIT_DATA or `source`."
    if source != "shapes10":
        try:
            return load_cifar10(may_download=may_download)
        except ConnectionError as error:
            if source == "cifar10":
                raise
            reason = str(error)
    show_banner(reason)
    return load_shapes10(sizes=shapes10_sizes)


def load_shapes10(seed: int = 0, sizes: tuple[int, int, int] = SPLIT_SIZES) -> Dataset:
    """Load shapes10: pictures made by code, with the masks of their objects.

    `sizes` are the numbers to train, validate and test on; sets of 10,000 or more are cached.
    """
    _check_sizes(sizes)

    def make():
        splits = [shapes10.make_shapes10(seed, n, stream=i) for i, n in enumerate(sizes)]
        names = ("images", "labels", "masks")
        return {name: np.concatenate(a) for name, *a in zip(names, *splits, strict=True)}

    count = sum(sizes)
    if count < 10_000:  # drawn as fast as read
        arrays = make()
    else:
        name = f"shapes10-v1-seed{seed}-{'-'.join(map(str, sizes))}"  # v1: of these pictures
        shapes = {"images": (count, 32, 32, 3), "labels": (count,), "masks": (count, 32, 32)}
        arrays = cached(name, shapes, make)
    return _dataset("shapes10", shapes10.SHAPES10_CLASSES, arrays, sizes)


def load_scenes10(
    seed: int = 0,
    sizes: tuple[int, int, int] = SCENES_SIZES,
    *,
    base: Dataset | None = None,
    **layout,
) -> Dataset:
    """Make scenes10: each image of another data set hidden in a larger scene, with its mask.

    Each split is made of the same split of the other data set. Every epoch of training shows new
    scenes. The validation and test scenes are fixed, and scene i hides image i.

    Args:
        sizes: number of scenes to train (in each epoch), validate and test.
        base: the data set whose images are hidden; by default CIFAR-10 where it is at hand, else
            shapes10, after a banner that says so. The scenes' name says which it is.
        layout: `canvas_size`, `num_fragments` and `fragment_sizes` of `scenes10.make_scenes10`, if
            not those that the shipped networks learned; they become part of the name.
    """
    _check_sizes(sizes)
    for name in layout:
        check_choice("A layout's name", name, LAYOUT)
    if base is None:
        base = _cifar10_or_shapes10("auto", SPLIT_SIZES, may_download=False)

    def make(stream, split, epoch, count):
        options = {"stream": stream, "epoch": epoch, **layout}
        return Split(*scenes10.make_scenes10(*split, count, seed, **options))

    def draw(epoch, count):
        return make(0, base.train, epoch, count)

    train, validation, test = sizes
    described = "".join(f", {name} {value}" for name, value in layout.items())
    return Dataset(
        f"scenes10 made of {base.name}{described}",
        base.class_names,
        train=replace(draw(0, train), draw=draw),
        validation=make(1, base.validation, 0, validation),
        test=make(2, base.test, 0, test),
    )


LOADERS = {  # by the name of the data set that they load
    "CIFAR-10": load_cifar10,
    "shapes10": load_shapes10,
    "scenes10 made of CIFAR-10": lambda: load_scenes10(base=load_cifar10()),
}


def _check_sizes(sizes):
    if not isinstance(sizes, list | tuple | np.ndarray) or len(sizes) != 3:
        raise ValueError(f"sizes is {sizes!r}, but it must have three: train, validation and test.")
    for i, size in enumerate(sizes):
        check_count(f"sizes[{i}]", size, low=0)


def _dataset(name, class_names, arrays, sizes) -> Dataset:
    """Cut arrays that hold all images into the splits."""
    starts = np.cumsum([0, *sizes])
    splits = [
        Split(**{key: array[start:end] for key, array in arrays.items()})
        for start, end in itertools.pairwise(starts)
    ]
    return Dataset(name, class_names, *splits)


def load_course_data(profile, source: str | None = None, *, only_test: bool = False) -> Dataset:
    """Return the pictures that the notebooks work on, and print which they are.

    The `smoke` profile never downloads. Errors are those of `cifar10.load`.

    Args:
        source: "cifar10" (that or an error), "shapes10", "auto" (CIFAR-10 where it can be had, else
            shapes10, after a banner that says so), or "scenes10" (made of what `TLVIT_DATA` says);
            by default what `TLVIT_DATA` says, else "auto".
        only_test: whether to leave out the training and validation images, which take seconds to
            draw.
    """
    if source is not None:
        check_choice("source", source, (*SOURCES, "scenes10"))
    scenes = source == "scenes10"
    if scenes or source is None:
        source = check_choice("TLVIT_DATA", os.environ.get("TLVIT_DATA") or "auto", SOURCES)
    smoke = profile.name == "smoke"

    def sizes(full):
        train, validation, test = (1024, 256, 256) if smoke else full
        return (0, 0, test) if only_test else (train, validation, test)

    dataset = _cifar10_or_shapes10(source, sizes(SPLIT_SIZES), may_download=not smoke)
    if scenes:
        dataset = load_scenes10(sizes=sizes(SCENES_SIZES), base=dataset)
    elif only_test:
        dataset = dataset.take(0, 0, len(dataset.test.labels))
    print(dataset)
    return dataset


def show_banner(reason: str) -> None:
    """Print a box that says that the pictures are not CIFAR-10, and why."""
    text = (
        "These pictures are made by code: one of ten shapes on a cluttered background. Numbers "
        "measured on them say nothing about CIFAR-10, and a network that was trained on CIFAR-10 "
        f"says nothing about them. {reason}"
    )
    lines = [f"│ {line:<76} │" for line in [NOT_CIFAR10, *textwrap.wrap(text, 76)]]
    print(printable("\n".join(["┌" + 78 * "─" + "┐", *lines, "└" + 78 * "─" + "┘"])))
