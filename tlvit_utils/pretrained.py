"""Weights that ship with the package; `tools/make_weights.py` puts them there.

For each name `assets/weights` has `NAME.npz` (weights in the model's order, float16) and
`NAME.json` (model card: configuration, recipe, curve, test accuracy, command, machine).
"""

import json
import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tlvit_utils._files import CORRUPT, replacing
from tlvit_utils.vit import ViTConfig, build_vit

WEIGHTS_DIR = Path(__file__).parent / "assets" / "weights"
PRETRAINED = tuple(sorted(path.stem for path in WEIGHTS_DIR.glob("*.json")))
# The weights to look at, by the name of the data set that they were trained on
PRETRAINED_FOR = {
    "CIFAR-10": "modern_8_tokens",
    "scenes10 made of CIFAR-10": "scenes_weighted_mean",
    "shapes10": "modern_8_tokens_shapes10",
}


def model_card(name: str) -> dict:
    """Return the card of the shipped weights `name`: configuration, recipe, results, machine."""
    if name not in PRETRAINED:
        raise ValueError(
            f"No weights called {name!r} ship with the package; choose one of "
            f"{', '.join(map(repr, PRETRAINED))}."
        )
    return json.loads((WEIGHTS_DIR / f"{name}.json").read_text(encoding="utf-8"))


def load_pretrained(name: str = PRETRAINED_FOR["CIFAR-10"]) -> keras.Model:
    """Build the model `name` with its shipped weights. `model_card` has its accuracy.

    Another name than those in `PRETRAINED` raises a ValueError.
    """
    model = build_vit(ViTConfig(**model_card(name)["config"]))
    restore_weights(model, WEIGHTS_DIR / f"{name}.npz")
    return model


def restore_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Give the model the weights that `save_pretrained` wrote; a ValueError if they do not fit."""
    try:
        with np.load(path, allow_pickle=False) as weights:
            # in order, not by path: Keras's names count up with every model that is built
            values = [weights[name].astype("float32") for name in weights.files]
    except (*CORRUPT, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); replace it with an undamaged copy."
        ) from error
    if [value.shape for value in values] != [tuple(weight.shape) for weight in model.weights]:
        raise ValueError(f"{path} holds the weights of another network than {model.name!r}.")
    for variable, value in zip(model.weights, values, strict=True):
        variable.assign(value)


def save_pretrained(model: keras.Model, path: str | os.PathLike) -> None:
    """Write the model's weights as `.npz`: float16 except what does not train."""
    weights = [
        ops.convert_to_numpy(v).astype("float16" if v.trainable else "float32")
        for v in model.weights
    ]
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, *weights)
