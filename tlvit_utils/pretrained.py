"""Weights that ship with the package; `python -m tlvit_utils` makes them.

Each name stands for two files in `assets/weights`: `NAME.npz` (the weights in the model's
order, float16) and `NAME.json` (the model card: configuration, recipe, curve, test
accuracy, command, machine).

Beside them, `assets/maps/NAME.npz` holds the attention maps of a few images after every epoch of
a run: what `scrubber.EpochScrubber` shows.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tlvit_utils._files import replacing
from tlvit_utils.vit import ViTConfig, build_vit

WEIGHTS_DIR = Path(__file__).parent / "assets" / "weights"
MAPS_DIR = Path(__file__).parent / "assets" / "maps"
PRETRAINED = tuple(sorted(path.stem for path in WEIGHTS_DIR.glob("*.json")))
# The weights to look at, by the name of the data set that they were trained on
PRETRAINED_FOR = {"CIFAR-10": "modern_8_tokens", "shapes10": "modern_8_tokens_shapes10"}


def model_card(name: str) -> dict:
    """Return the facts about the shipped weights `name`: configuration, recipe, results.

    Raises:
        ValueError: no weights of this name ship with the package.
    """
    if name not in PRETRAINED:
        raise ValueError(
            f"No weights called {name!r} ship with the package; choose one of "
            f"{', '.join(map(repr, PRETRAINED))}."
        )
    return json.loads((WEIGHTS_DIR / f"{name}.json").read_text(encoding="utf-8"))


def load_pretrained(name: str = PRETRAINED_FOR["CIFAR-10"]) -> keras.Model:
    """Build the model `name` and load the weights that ship with the package.

    Its card was measured in float32, which is Keras's dtype policy unless a session changes it.

    Raises:
        ValueError: no weights of this name ship with the package.
    """
    model = build_vit(ViTConfig(**model_card(name)["config"]))
    restore_weights(model, WEIGHTS_DIR / f"{name}.npz")
    return model


def restore_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Give the model the weights that `save_pretrained` wrote."""
    with np.load(path, allow_pickle=False) as weights:
        # in order, not by path: Keras counts on in its names with every model that is built
        for variable, name in zip(model.weights, weights.files, strict=True):
            variable.assign(weights[name].astype("float32"))


def save_pretrained(model: keras.Model, path: str | os.PathLike) -> None:
    """Write the model's weights as `.npz`, complete or not at all.

    Trained weights are rounded to float16; what is not trained (the moving statistics of batch
    normalisation) is little, and stays as it is.
    """
    weights = [
        ops.convert_to_numpy(v).astype("float16" if v.trainable else v.dtype) for v in model.weights
    ]
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, *weights)


@dataclass(frozen=True, eq=False)
class EpochMaps:
    """The attention maps of a few images after every epoch of one training run.

    Attributes:
        dataset: name of the data set, as `data.Dataset.name`.
        split: which of its splits holds the images, such as "validation".
        image_indices: `(images,)`, int64, where in that split they are.
        maps: `(epochs, images, tokens, height, width)`, float16.
        val_accuracy: `(epochs,)`, float32, the run's validation accuracy after each epoch.

    Raises:
        ValueError: maps without five axes, or not one index per image or accuracy per epoch.
    """

    dataset: str
    split: str
    image_indices: np.ndarray
    maps: np.ndarray
    val_accuracy: np.ndarray

    def __post_init__(self):
        kinds = {"image_indices": "int64", "maps": "float16", "val_accuracy": "float32"}
        for name, dtype in kinds.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype))
        if self.maps.ndim != 5:
            raise ValueError(
                f"The maps have shape {self.maps.shape}, but it must be (epochs, images, tokens, "
                "height, width)."
            )
        expected = (len(self.val_accuracy), len(self.image_indices))
        if self.maps.shape[:2] != expected:
            raise ValueError(
                f"The maps are of {self.maps.shape[0]} epochs and {self.maps.shape[1]} images, but "
                f"there are {expected[0]} accuracies and {expected[1]} image indices."
            )


def load_epoch_maps(name: str = PRETRAINED_FOR["CIFAR-10"]) -> EpochMaps:
    """Return the maps of the run that made the weights `name`.

    Raises:
        ValueError: no maps of this name ship with the package.
    """
    names = sorted(path.stem for path in MAPS_DIR.glob("*.npz"))
    if name not in names:
        raise ValueError(
            f"No maps called {name!r} ship with the package; choose one of "
            f"{', '.join(map(repr, names)) or '(there are none)'}."
        )
    with np.load(MAPS_DIR / f"{name}.npz", allow_pickle=False) as arrays:
        values = {field.name: arrays[field.name] for field in fields(EpochMaps)}
    return EpochMaps(**{**values, **{key: str(values[key]) for key in ("dataset", "split")}})


def save_epoch_maps(epoch_maps: EpochMaps, path: str | os.PathLike) -> None:
    """Write the maps as compressed `.npz`, complete or not at all."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **asdict(epoch_maps))
