"""What a model sees, predicts and attends to, from one forward pass (notebook 06)."""

import inspect
import logging
from typing import NamedTuple

import keras
import numpy as np

from tlvit_utils.analysis.graph import all_layers, calls, image_size
from tlvit_utils.augment import RandomCropFlip
from tlvit_utils.data.batches import check_images

BATCH_SIZE = 256
VIEW_LAYERS = (  # change which part of an image the network sees, or its size
    RandomCropFlip,
    keras.layers.CenterCrop,
    keras.layers.Cropping2D,
    keras.layers.Resizing,
    keras.layers.ZeroPadding2D,
)


class TokenLearnerCall(NamedTuple):
    """One call of a TokenLearner in a model's graph: the layer and its symbolic tensors."""

    layer: keras.layers.Layer
    input: keras.KerasTensor
    tokens: keras.KerasTensor  # (batch, num_tokens, dim)
    maps: keras.KerasTensor  # (batch, num_tokens, height, width)


class MapsOf(keras.layers.Layer):
    """The maps of a TokenLearner, whatever a model asks of the layer itself.

    In one model, Keras takes every call of a layer to have as many outputs as the layer's first.
    """

    def __init__(self, token_learner):
        super().__init__(dtype=token_learner.dtype_policy)
        self.token_learner = token_learner

    def call(self, x):
        return self.token_learner(x, return_attention_maps=True)[1]


def find_token_learner(model: keras.Model) -> TokenLearnerCall:
    """Return the call of the model's TokenLearner.

    A TokenLearner is a layer whose `call` has an argument `return_attention_maps`, so this finds
    your own too. Where the model asks for the tokens alone, the layer is called once more for its
    maps. If there is not exactly one call, a ValueError says why.
    """
    found = [node for node in calls(model) if makes_maps(node.operation)]
    if not found:
        inside = [layer.name for layer in all_layers(model) if makes_maps(layer)]
        if inside:
            raise ValueError(
                f"The TokenLearner {inside[0]!r} is inside another layer or model of the model "
                f"{model.name!r}, where its maps cannot be read; call its layers one by one in the "
                "model itself."
            )
        raise ValueError(
            f"The model {model.name!r} has no TokenLearner, so it has no attention maps; build it "
            "with ViTConfig(num_tokens=…)."
        )
    if len(found) > 1:
        names = ", ".join(repr(node.operation.name) for node in found)
        raise ValueError(
            f"The model {model.name!r} calls a TokenLearner {len(found)} times ({names}), so it "
            "has several sets of maps; expected one. Make a keras.Model whose outputs are the maps "
            "that you want."
        )
    (node,) = found
    layer, grid = node.operation, node.input_tensors[0]
    if len(node.output_tensors) == 2:
        return TokenLearnerCall(layer, grid, *node.output_tensors)
    return TokenLearnerCall(layer, grid, node.output_tensors[0], MapsOf(layer)(grid))


def makes_maps(operation) -> bool:
    """Return whether a layer can return attention maps with its tokens."""
    return "return_attention_maps" in inspect.signature(operation.call).parameters


def predict_with_maps(model: keras.Model, images) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and attention maps from the same forward pass.

    Args:
        model: any functional model of square images, 0..255, with a TokenLearner.
        images: `(N, image_size, image_size, 3)`, 0..255, uint8 or float.

    Returns:
        The model's (first) output, `(N, classes)`, and maps `(N, num_tokens, height, width)`,
        float32.
    """
    images = check_images(images, image_size(model))
    maps = find_token_learner(model).maps
    return tuple(in_batches(keras.Model(model.input, [model.outputs[0], maps]), images))


def attention_maps(model: keras.Model, images) -> np.ndarray:
    """Return the maps of `predict_with_maps`, `(N, num_tokens, height, width)`."""
    return predict_with_maps(model, images)[1]


def in_batches(function, array, batch_size: int = BATCH_SIZE) -> list[np.ndarray]:
    """Apply a layer, a model or `compiled(model)` to an array batch by batch; outputs are float32.

    For several batches a model is compiled first. That takes a second, and each batch then takes
    about half the time.
    """
    if isinstance(function, keras.Model) and len(array) > batch_size:
        function = compiled(function)
    outputs = []
    for start in range(0, max(len(array), 1), batch_size):
        batch = np.asarray(array[start : start + batch_size], "float32")
        outputs.append(list(map(keras.ops.convert_to_numpy, keras.tree.flatten(function(batch)))))
    return [np.concatenate(parts).astype("float32") for parts in zip(*outputs, strict=True)]


def compiled(model: keras.Model):
    """Return a model as a function of a batch that is compiled when it is first called.

    Except on JAX, this avoids XLA, which would recompile for every batch size.
    """
    model = keras.Model(model.input, model.output)  # the caller's keeps its settings
    model.jit_compile = keras.backend.backend() == "jax"
    logger = logging.getLogger("tensorflow")

    def quiet(record):  # about several models that are compiled one after the other
        return "retracing" not in record.getMessage()

    def predict(batch):
        logger.addFilter(quiet)
        try:
            return model.predict_on_batch(batch)
        finally:
            logger.removeFilter(quiet)

    return predict


def _views(model, pictures):
    """Return pictures `(N, height, width, channels)` as the model's first convolution sees them.

    Colours apart: layers before it may crop, pad and resize the pictures.
    """
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.RandomCrop):
            raise ValueError(
                f"{layer.name!r} is Keras's RandomCrop, which does not crop at inference, so what "
                "the maps cover is unknown; use CenterCrop or tlvit_utils.RandomCropFlip."
            )
        if hasattr(layer, "kernel"):
            break
        if isinstance(layer, VIEW_LAYERS):
            pictures = in_batches(layer, pictures)[0]
    return np.asarray(pictures, "float32")


def seen_images(model: keras.Model, images) -> np.ndarray:
    """Return the centre views that the network sees at inference, on which its maps are drawn.

    Images `(N, image_size, image_size, 3)`, 0..255, become `(N, crop_size, crop_size, 3)`, float32,
    values 0..1. A model that neither crops, pads nor resizes sees the images themselves.
    """
    return np.clip(_views(model, check_images(images, image_size(model))) / 255, 0, 1)


def seen_masks(model: keras.Model, masks) -> np.ndarray:
    """Return masks as `seen_images` returns images: `(N, crop_size, crop_size)`, float32, 0..1.

    The masks are `(N, image_size, image_size)`, 0 and 1.
    """
    masks, size = np.asarray(masks), image_size(model)
    if masks.shape[1:] != (size, size) or not np.isin(masks, (0, 1)).all():
        raise ValueError(
            f"The masks have shape {masks.shape} and type {masks.dtype}; expected (N, {size}, "
            f"{size}) with no values but 0 and 1."
        )
    return np.clip(_views(model, masks[..., None])[..., 0], 0, 1)


def mask_shares(model: keras.Model, masks) -> np.ndarray:
    """Return `(N, height, width)`, float32: how much of each of the maps' cells lies inside a mask.

    The masks are as for `seen_masks`.
    """
    rows, columns = find_token_learner(model).maps.shape[2:]
    views = seen_masks(model, masks)
    count, height, width = views.shape
    if height % rows or width % columns:
        raise ValueError(
            f"The maps have {rows} × {columns} cells, which do not divide the view of {height} × "
            f"{width} pixels evenly."
        )
    cells = views.reshape(count, rows, height // rows, columns, width // columns)
    return cells.mean((2, 4))


def describe_answer(probabilities, label, class_names) -> str:
    """Say which class is the most probable and whether it is right; `label` may be None."""
    predicted = np.argmax(probabilities)
    words = f"{class_names[predicted]}, {probabilities[predicted]:.0%}"
    if label is None:
        return words
    return f"{words} ({'right' if predicted == label else f'wrong, it is {class_names[label]}'})"


def describe_map(attention_map) -> str:
    """Say in words where a map `(rows, columns)` looks and how concentrated it is."""
    weights = np.asarray(attention_map, dtype=float)
    if not np.isfinite(weights).all():
        return f"not finite on {(~np.isfinite(weights)).sum()} of {weights.size} cells"
    if not weights.any():
        return f"0 on all {weights.size} cells"
    weights = weights / weights.sum()
    strongest = np.argwhere(np.isclose(weights, weights.max(), atol=0))
    where = "at row {}, column {}".format(*strongest[0])
    if len(strongest) > 1:
        where = f"on {len(strongest)} cells alike,"
    place = []
    for axis, (before, after) in enumerate((("top", "bottom"), ("left", "right"))):
        shares = weights.sum(axis=1 - axis)
        centre = shares @ (np.arange(len(shares)) + 0.5) / len(shares)  # from 0 to 1
        if abs(centre - 0.5) > 0.05:
            place.append(before if centre < 0.5 else after)
    needed = int((np.cumsum(np.sort(weights, axis=None)[::-1]) < 0.5).sum()) + 1
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum() / np.log(max(weights.size, 2))
    return (
        f"strongest {where} of {weights.shape[0]} × {weights.shape[1]}; on the whole "
        f"{' '.join(['towards the', *place]) if place else 'around the centre'}; half of its "
        f"weight lies on {needed} of {weights.size} cells (entropy {abs(entropy):.0%} of a uniform "
        "map's)"
    )
