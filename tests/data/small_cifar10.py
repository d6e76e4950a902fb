"""Small folders and archives in the layout of CIFAR-10's python version, for tests."""

import io
import pickle
import tarfile

import numpy as np

from tlvit_utils.data.cifar10 import FILES

COUNT = 20  # images in each file


def make_batch(number=0):
    """Return a small batch as the files hold it; `number` is added to each pixel."""
    pixels = np.arange(COUNT * 3072).reshape(COUNT, 3072) + number
    labels = [(i + number) % 10 for i in range(COUNT)]
    return {b"data": pixels.astype("uint8"), b"labels": labels, b"batch_label": b"any"}


def make_folder(folder):
    """Write a folder with all six files."""
    folder.mkdir(parents=True)
    for number, name in enumerate(FILES):
        (folder / name).write_bytes(pickle.dumps(make_batch(number), protocol=2))
    return folder


def make_archive(**changed):
    """Return the bytes of an archive; `changed` replaces what files hold."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/readme.html"))
        for number, name in reversed(list(enumerate(FILES))):  # the original is not in order either
            content = pickle.dumps(changed.get(name, make_batch(number)), protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def expected_images():
    """Return the images and labels of all six files, in order."""
    batches = [make_batch(number) for number in range(len(FILES))]
    pixels = np.concatenate([batch[b"data"] for batch in batches])
    labels = np.concatenate([batch[b"labels"] for batch in batches])
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
