"""Attention maps from the very forward pass that made the prediction (notebook 06)."""

import keras
import numpy as np
from keras import ops

from tlvit_utils.augment import RandomCropFlip
from tlvit_utils.data import check_images
from tlvit_utils.token_learner import TokenLearner
from tlvit_utils.token_learner_v11 import GroupedTokenLearner, TokenLearnerV11

BATCH_SIZE = 256
TOKEN_LEARNERS = (TokenLearner, TokenLearnerV11, GroupedTokenLearner)


def find_token_learner(model: keras.Model, layer: str | None = None) -> keras.layers.Layer:
    """Return the model's TokenLearner, or the one called `layer` where it has several.

    Raises:
        ValueError: no TokenLearner, several and no `layer`, none of that name, or one that was
            not asked for its maps.
    """
    found = {each.name: each for each in model.layers if isinstance(each, TOKEN_LEARNERS)}
    if not found:
        raise ValueError(
            f"The model {model.name!r} has no TokenLearner, so it has no attention maps; build it "
            "with ViTConfig(num_tokens=…)."
        )
    if layer is None and len(found) > 1:
        raise ValueError(
            f"The model {model.name!r} has several TokenLearners; pass layer= one of "
            f"{', '.join(map(repr, found))}."
        )
    if layer is not None and layer not in found:
        raise ValueError(
            f"The model {model.name!r} has no TokenLearner called {layer!r}; it has "
            f"{', '.join(map(repr, found))}."
        )
    token_learner = found[layer] if layer else next(iter(found.values()))
    if not isinstance(token_learner.output, (list, tuple)):
        raise ValueError(
            f"The TokenLearner {token_learner.name!r} gives only tokens; call it with "
            "return_attention_maps=True when building the model."
        )
    return token_learner


def predict_with_maps(
    model: keras.Model, images, layer: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and attention maps from one and the same forward pass.

    Args:
        model: from `build_vit`, or any functional model with a TokenLearner.
        images: `(N, 32, 32, 3)`, 0..255, uint8 or float.
        layer: name of the TokenLearner, where the model has several.

    Returns:
        Probabilities `(N, classes)` and maps `(N, num_tokens, height, width)`, float32.

    Raises:
        TypeError: images that are not numbers.
        ValueError: wrong images, or no (single) TokenLearner; the message names it.
    """
    images = check_images(images, model.input_shape[1])
    _, maps = find_token_learner(model, layer).output
    both = keras.Model(model.input, [model.output, maps])
    return tuple(_in_batches(both, images))


def attention_maps(model: keras.Model, images, layer: str | None = None) -> np.ndarray:
    """Return the maps of `predict_with_maps`, `(N, num_tokens, height, width)`."""
    return predict_with_maps(model, images, layer)[1]


def find_augmentation(model: keras.Model) -> RandomCropFlip:
    """Return the model's cropping layer.

    Raises:
        ValueError: the model has none.
    """
    for layer in model.layers:
        if isinstance(layer, RandomCropFlip):
            return layer
    raise ValueError(f"The model {model.name!r} has no RandomCropFlip layer; use build_vit.")


def seen_images(model: keras.Model, images) -> np.ndarray:
    """Return the pictures that the network sees at inference: the centre views.

    A map's grid covers such a view from edge to edge, so this is what a map is drawn on. The
    published view is 48 of 52 pixels, 29.5 of the original 32; see
    `RandomCropFlip.visible_extent`.

    Args:
        images: `(N, 32, 32, 3)`, 0..255.

    Returns:
        `(N, crop_size, crop_size, 3)`, float32, values 0..1.
    """
    view = find_augmentation(model)
    (views,) = _in_batches(lambda batch: [view(batch)], check_images(images, model.input_shape[1]))
    return np.clip(views / 255, 0, 1)


def _in_batches(function, images) -> list[np.ndarray]:
    """Apply `function` to the images batch by batch, without compiling it; join its outputs."""
    outputs = []
    for start in range(0, max(len(images), 1), BATCH_SIZE):
        batch = ops.convert_to_tensor(images[start : start + BATCH_SIZE], dtype="float32")
        outputs.append([ops.convert_to_numpy(output) for output in function(batch)])
    return [np.concatenate(parts).astype("float32") for parts in zip(*outputs, strict=True)]


def describe_map(attention_map) -> str:
    """Say in words where a map `(rows, columns)` looks and how concentrated it is."""
    rows, columns = attention_map.shape
    weights = attention_map / max(attention_map.sum(), 1e-12)
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    centre_row = (weights.sum(axis=1) * (np.arange(rows) + 0.5)).sum() / rows
    centre_column = (weights.sum(axis=0) * (np.arange(columns) + 0.5)).sum() / columns
    needed = int((np.cumsum(np.sort(weights, axis=None)[::-1]) < 0.5).sum()) + 1
    entropy = -(weights * np.log(weights + 1e-12)).sum() / np.log(weights.size)
    return (
        f"strongest at row {row + 1}, column {column + 1} of {rows} × {columns}; on the whole "
        f"{_place(centre_row, centre_column)}; half of its weight lies on {needed} of "
        f"{weights.size} cells (entropy {entropy:.0%} of a uniform map's)"
    )


def _place(row: float, column: float) -> str:
    """Return words for a place in the unit square, (0, 0) being the upper left."""
    vertical = "top" if row < 0.45 else "bottom" if row > 0.55 else ""
    horizontal = "left" if column < 0.45 else "right" if column > 0.55 else ""
    words = " ".join(filter(None, (vertical, horizontal)))
    return f"towards the {words}" if words else "around the centre"
