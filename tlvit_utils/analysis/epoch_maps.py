"""The attention maps of a few images after every epoch of a training: recorded, saved, loaded.

`assets/maps/NAME.npz` holds those of the training that made the shipped weights `NAME`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tlvit_utils._files import replacing
from tlvit_utils.analysis.maps import attention_maps
from tlvit_utils.data.datasets import Dataset
from tlvit_utils.pretrained import PRETRAINED_FOR

IMAGES = 24  # that `RecordMaps` keeps
MAPS_DIR = Path(__file__).parents[1] / "assets" / "maps"


@dataclass(frozen=True, eq=False)
class EpochMaps:
    """The attention maps of a few images after every epoch of one training."""

    dataset: str  # as `data.Dataset.name`
    split: str  # that holds the images, such as "validation"
    image_indices: np.ndarray  # (images,), integers, where in that split they are
    maps: np.ndarray  # (epochs, images, tokens, height, width), float16
    val_accuracy: np.ndarray  # (epochs,), float32, after each epoch


def load_epoch_maps(name: str = PRETRAINED_FOR["CIFAR-10"]) -> EpochMaps:
    """Return the maps of the training that made the shipped weights `name`."""
    names = sorted(path.stem for path in MAPS_DIR.glob("*.npz"))
    if name not in names:
        raise ValueError(
            f"No maps called {name!r} ship with the package; choose one of "
            f"{', '.join(map(repr, names))}."
        )
    return read_epoch_maps(MAPS_DIR / f"{name}.npz")


def read_epoch_maps(path: str | os.PathLike) -> EpochMaps:
    """Return the maps that `RecordMaps` wrote to `path`."""
    with np.load(path, allow_pickle=False) as file:
        return EpochMaps(**{name: array[()] for name, array in file.items()})  # [()]: text too


class RecordMaps(keras.callbacks.Callback):
    """Keep the maps of the first test images after every epoch, as `EpochMaps`, in `path`.

    A training that is resumed continues the file, and is refused where it lacks an earlier epoch.
    """

    def __init__(self, path, dataset: Dataset):
        super().__init__()
        self.path = Path(path)
        self.dataset = dataset.name
        self.images = dataset.test.images[:IMAGES]

    def on_epoch_begin(self, epoch, logs=None):
        self._before(epoch)  # stop before the epoch is trained, not after it

    def on_epoch_end(self, epoch, logs=None):
        maps, accuracies = self._before(epoch)
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                dataset=self.dataset,
                split="test",
                image_indices=np.arange(len(self.images)),
                maps=np.array([*maps, attention_maps(self.model, self.images)], "float16"),
                val_accuracy=np.array([*accuracies, logs["val_accuracy"]], "float32"),
            )

    def _before(self, epoch):
        """Return the maps and accuracies of the epochs before this one, from the file."""
        maps, accuracies = [], []
        if epoch and self.path.exists():
            before = read_epoch_maps(self.path)
            maps, accuracies = before.maps[:epoch], before.val_accuracy[:epoch]
        if len(maps) < epoch:
            raise ValueError(
                f"{self.path} has the maps of {len(maps)} epochs, but {epoch} were trained; train "
                "again from the first epoch, or without maps."
            )
        return maps, accuracies
