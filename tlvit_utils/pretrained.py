"""Weights that ship with the package; `python -m tlvit_utils.training` makes them.

Each name stands for two files in `assets/weights`: `NAME.npz` (the trainable weights in the
model's order, float16) and `NAME.json` (the model card: configuration, recipe, curve, test
accuracy, command, machine).
"""

import json
import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tlvit_utils.files import replacing
from tlvit_utils.vit import ViTConfig, build_vit

WEIGHTS_DIR = Path(__file__).parent / "assets" / "weights"
PRETRAINED = tuple(sorted(path.stem for path in WEIGHTS_DIR.glob("*.json")))


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


def load_pretrained(name: str = "light_8_tokens") -> keras.Model:
    """Build the model `name` and load the weights that ship with the package.

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
        for variable, name in zip(model.trainable_variables, weights.files, strict=True):
            variable.assign(weights[name].astype("float32"))


def save_pretrained(model: keras.Model, path: str | os.PathLike) -> None:
    """Write the model's trainable weights as float16 `.npz`, complete or not at all."""
    weights = [ops.convert_to_numpy(v).astype("float16") for v in model.trainable_variables]
    with replacing(path) as temporary:
        np.savez_compressed(temporary, *weights)
