"""CIFAR-10 as uint8 arrays, from wherever it is at hand, and as a tf.data pipeline."""

import os
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
TRAIN_FILES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_FILE = "test_batch"
BATCH_IMAGES = 10_000
SHUFFLE_BUFFER = 25_600


@dataclass(frozen=True)
class Split:
    """Images with their labels; unpacked and indexed as the pair `(images, labels)`.

    Attributes:
        images: `(N, 32, 32, 3)`, uint8.
        labels: `(N,)`, uint8.
        masks: `(N, 32, 32)`, uint8, 1 on the pixels of the object, or None where nobody knows them.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None

    def __iter__(self):
        return iter((self.images, self.labels))

    def __getitem__(self, index):
        return (self.images, self.labels)[index]

    def take(self, count: int) -> "Split":
        """Return the first so many images, not copied."""
        masks = None if self.masks is None else self.masks[:count]
        return Split(self.images[:count], self.labels[:count], masks)


@dataclass(frozen=True)
class Dataset:
    """Images and labels in three splits.

    Attributes:
        name: what the pictures are, for titles; never "CIFAR-10" for anything else.
        class_names: name of each label.
        train, validation, test: one `Split` each.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def take(self, train: int, validation: int, test: int) -> "Dataset":
        """Return a dataset with only the first so many images of each split, not copied."""
        return replace(
            self,
            train=self.train.take(train),
            validation=self.validation.take(validation),
            test=self.test.take(test),
        )

    def __repr__(self):
        sizes = " / ".join(
            f"{len(split.labels):,}" for split in (self.train, self.validation, self.test)
        )
        return f"{self.name}: {sizes} images to train, validate and test"


def load_cifar10(data_dir: str | os.PathLike | None = None) -> Dataset:
    """Load CIFAR-10 (Krizhevsky 2009), 40,000 / 10,000 / 10,000 images.

    Looks, in this order, in `data_dir`, in the folder that `TLVIT_CIFAR10_DIR` names, and in
    Keras's cache; where none is given or there, Keras downloads 163 MB into its cache. The
    validation images are the last 10,000 of the 50,000 training images, as in the published
    example. A folder is judged by its structure, not by hashes: copies with re-encoded pixels
    are welcome.

    Args:
        data_dir: folder with the files of the python version, `data_batch_1` … `test_batch`.

    Raises:
        FileNotFoundError: a folder that was named lacks a file, or is not there.
        ValueError: a file is damaged or holds something else; the message names it.
        ConnectionError: it is not at hand and cannot be downloaded.
    """
    folder = find_cifar10(data_dir) or _download_cifar10()
    images = np.empty((5 * BATCH_IMAGES, 32, 32, 3), dtype="uint8")
    labels = np.empty(5 * BATCH_IMAGES, dtype="uint8")
    for i, name in enumerate(TRAIN_FILES):
        batch = slice(i * BATCH_IMAGES, (i + 1) * BATCH_IMAGES)
        images[batch], labels[batch] = read_batch(folder / name)
    return Dataset(
        name="CIFAR-10",
        class_names=CIFAR10_CLASSES,
        train=Split(images[:-BATCH_IMAGES], labels[:-BATCH_IMAGES]),
        validation=Split(images[-BATCH_IMAGES:], labels[-BATCH_IMAGES:]),
        test=Split(*read_batch(folder / TEST_FILE)),
    )


def find_cifar10(data_dir: str | os.PathLike | None = None) -> Path | None:
    """Return the folder that holds CIFAR-10's files, or None where it must be downloaded.

    Raises:
        FileNotFoundError: `data_dir` or `TLVIT_CIFAR10_DIR` names a folder that lacks a file.
    """
    named = [
        (data_dir, "data_dir"),
        (os.environ.get("TLVIT_CIFAR10_DIR"), "TLVIT_CIFAR10_DIR"),
    ]
    for folder, name in named:
        if folder:
            return _check_folder(Path(folder), name)
    for folder in _keras_cache():
        if not _missing_files(folder):
            return folder
    return None


def _keras_cache() -> list[Path]:
    """Return the folders in which Keras has kept CIFAR-10: since 3.6, and before."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    old = home / "datasets" / "cifar-10-batches-py"
    return [home / "datasets" / "cifar-10-batches-py-target" / "cifar-10-batches-py", old]


def _missing_files(folder: Path) -> list[str]:
    return [name for name in (*TRAIN_FILES, TEST_FILE) if not (folder / name).is_file()]


def _check_folder(folder: Path, named_by: str) -> Path:
    inner = folder / "cifar-10-batches-py"
    folder = inner if inner.is_dir() else folder
    if missing := _missing_files(folder):
        reason = f"lacks {', '.join(missing)}" if folder.is_dir() else "is not there"
        raise FileNotFoundError(
            f"The CIFAR-10 folder {folder} ({named_by}) {reason}; it must hold data_batch_1 … "
            f"data_batch_5 and test_batch. Name another folder, or give none (unset {named_by}) "
            "to use Keras's cache or to download."
        )
    return folder


def _download_cifar10() -> Path:
    print("CIFAR-10 is not on this machine: downloading 163 MB. The host can be slow; with a copy")
    print("elsewhere, stop this and set TLVIT_CIFAR10_DIR to its folder.")
    try:
        target = keras.utils.get_file(
            fname="cifar-10-batches-py-target",
            origin=CIFAR10_URL,
            extract=True,
            file_hash=CIFAR10_SHA256,
        )
    except Exception as error:  # Keras raises a bare Exception for a failed download
        raise ConnectionError(
            f"CIFAR-10 could not be downloaded ({error}). Run this again later, or set "
            "TLVIT_CIFAR10_DIR to a folder that holds data_batch_1 … test_batch."
        ) from error
    return _check_folder(Path(target), "Keras's cache")


_ALLOWED_IN_PICKLES = {
    ("_codecs", "encode"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}


class _BatchUnpickler(pickle.Unpickler):
    """Unpickles arrays of NumPy and plain values, and refuses to load anything else."""

    def find_class(self, module, name):
        if (module, name) not in _ALLOWED_IN_PICKLES:
            raise pickle.UnpicklingError(f"it asks to load {module}.{name}")
        core = "numpy._core" if hasattr(np, "_core") else "numpy.core"
        return super().find_class(module.replace("numpy.core", core), name)


def read_batch(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read one file of CIFAR-10's python version; nothing in it can run code.

    Returns:
        Images `(10000, 32, 32, 3)` and labels `(10000,)`, both uint8.

    Raises:
        ValueError: the file cannot be read or does not hold a batch of CIFAR-10.
    """
    try:
        with open(path, "rb") as file:
            batch = _BatchUnpickler(file, encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(_damaged(path, f"cannot be read ({error})")) from error
    if isinstance(batch, dict):  # Python 2 wrote the keys as bytes, a copy may have text
        batch = {k.decode("latin1") if isinstance(k, bytes) else k: v for k, v in batch.items()}
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise ValueError(_damaged(path, "lacks the keys 'data' and 'labels'"))
    data = batch["data"]
    if getattr(data, "shape", None) != (BATCH_IMAGES, 3072) or data.dtype != np.uint8:
        raise ValueError(_damaged(path, f"has 'data' that are not uint8 ({BATCH_IMAGES}, 3072)"))
    labels = np.asarray(batch["labels"], dtype=object)
    if labels.shape != (BATCH_IMAGES,) or not all(
        isinstance(label, int) and 0 <= label < 10 for label in labels
    ):
        raise ValueError(_damaged(path, f"has 'labels' that are not {BATCH_IMAGES} numbers 0..9"))
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype("uint8")


def _damaged(path, reason: str) -> str:
    return (
        f"The CIFAR-10 file {path} {reason}; replace it, or delete its folder and load again to "
        "download a fresh copy."
    )


def check_images(images, image_size: int = 32) -> np.ndarray:
    """Return `images` as an array after checking that a model here can take them.

    Args:
        images: `(N, image_size, image_size, 3)`, numbers 0..255, integer or float.

    Raises:
        TypeError: not an array of real numbers.
        ValueError: another shape, or values outside 0..255 or all within 0..1.
    """
    images = np.asarray(images)
    expected = f"(N, {image_size}, {image_size}, 3) with values 0..255"
    if images.dtype.kind not in "uif":
        raise TypeError(f"The images have type {images.dtype}; expected numbers {expected}.")
    if images.ndim != 4 or images.shape[1:] != (image_size, image_size, 3):
        hint = " Put one image into a batch with image[None]." if images.ndim == 3 else ""
        raise ValueError(f"The images have shape {images.shape}; expected {expected}.{hint}")
    if not images.size:
        return images
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255):  # also refuses NaN
        raise ValueError(f"The images' values run from {low} to {high}; expected {expected}.")
    if images.dtype.kind == "f" and 0 < high <= 1:
        raise ValueError(
            f"The images' values run from {low:.3g} to {high:.3g}; expected {expected}. The model "
            "divides by 255 itself: multiply by 255, or pass the uint8 images."
        )
    return images


def make_pipeline(images, labels, batch_size: int, *, shuffle_seed: int | None = None):
    """Return a `tf.data.Dataset` of `(images, labels)` batches.

    With a `shuffle_seed` the images are shuffled anew in every epoch through a buffer of 25,600,
    and a last batch that is not full is left out, so that all training steps have one shape and
    XLA compiles once; without one the images come in order, and all of them.

    Args:
        images: `(N, 32, 32, 3)`, 0..255; they stay uint8 until the model casts them.
        labels: `(N,)`, integers.
        batch_size: images per batch.
        shuffle_seed: seed of the shuffling, for training.
    """
    import tensorflow as tf

    pipeline = tf.data.Dataset.from_tensor_slices((check_images(images), labels))
    if shuffle_seed is not None:
        pipeline = pipeline.shuffle(min(SHUFFLE_BUFFER, len(labels)), seed=shuffle_seed)
    pipeline = pipeline.batch(batch_size, drop_remainder=shuffle_seed is not None)
    return pipeline.prefetch(tf.data.AUTOTUNE)


def load_course_data(profile) -> Dataset:
    """Return the pictures that the notebooks work on, and say in a line which they are.

    That is CIFAR-10; only in the `smoke` profile, and only where no CIFAR-10 is at hand, it is the
    stand-in of `shapes10`, so that tests never download.

    Args:
        profile: the `Profile` of this session.

    Raises:
        FileNotFoundError, ValueError, ConnectionError: as `load_cifar10`.
    """
    from tlvit_utils.shapes10 import load_stand_in

    if profile.name == "smoke" and find_cifar10() is None:
        dataset = load_stand_in()
        print("No CIFAR-10 is at hand, so this smoke run uses pictures made by code.")
    else:
        dataset = load_cifar10()
    print(dataset)
    return dataset
