"""Attention maps from the very forward pass that made the prediction, and scores (notebook 06).

The scores ask whether maps find the object, how much they differ from each other and from image
to image, and whether what they mark matters to the prediction. No such number means anything
alone: chance and the maps of other images are scored beside, and `interventions.randomised` makes
the network with random weights to compare with.
"""

import keras
import numpy as np
from keras import ops

from tlvit_utils.augment import RandomCropFlip
from tlvit_utils.data.batches import check_images
from tlvit_utils.reductions import GroupedTokenLearner, PatchMerger, TopKTokens
from tlvit_utils.token_learner import TokenLearner, TokenLearnerV11

BATCH_SIZE = 256
TOKEN_LEARNERS = (TokenLearner, TokenLearnerV11, GroupedTokenLearner, PatchMerger, TopKTokens)


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
        model: from `build_vit`, or any functional model of square images, 0..255, with a
            TokenLearner among its own layers.
        images: `(N, image_size, image_size, 3)`, 0..255, uint8 or float.
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
    return tuple(in_batches(both, images))


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
    (views,) = in_batches(lambda batch: [view(batch)], check_images(images, model.input_shape[1]))
    return np.clip(views / 255, 0, 1)


def in_batches(function, images) -> list[np.ndarray]:
    """Apply `function` to the images batch by batch, without compiling it; join its outputs."""
    outputs = []
    for start in range(0, max(len(images), 1), BATCH_SIZE):
        batch = ops.convert_to_tensor(images[start : start + BATCH_SIZE], dtype="float32")
        outputs.append([ops.convert_to_numpy(output) for output in function(batch)])
    return [np.concatenate(parts).astype("float32") for parts in zip(*outputs, strict=True)]


def mask_shares(model: keras.Model, masks, layer: str | None = None) -> np.ndarray:
    """Return how much of each cell of the maps' grid lies inside each image's mask.

    The masks pass through the model's cropping layer as the images do, so that the cells are
    those of the view that the network saw.

    Args:
        model: from `build_vit`.
        masks: `(N, 32, 32)`, 1 or True inside, 0 or False outside.
        layer: name of the TokenLearner, where the model has several.

    Returns:
        `(N, height, width)`, float32, from 0 (all of the cell is outside) to 1 (all is inside).

    Raises:
        ValueError: masks of another shape or with other values, or a model without a (single)
            TokenLearner or without a cropping layer.
    """
    masks, size = np.asarray(masks), model.input_shape[1]
    if masks.shape[1:] != (size, size) or not np.isin(masks, (0, 1)).all():
        raise ValueError(
            f"The masks have shape {masks.shape} and type {masks.dtype}; expected (N, {size}, "
            f"{size}) with no other values than 0 and 1."
        )
    view = find_augmentation(model)
    (views,) = in_batches(lambda batch: [view(batch)], masks[..., None])
    rows, columns = find_token_learner(model, layer).output[1].shape[2:]
    return np.clip(cells_of_views(views, rows, columns).mean((2, 4, 5)), 0, 1)


def cells_of_views(views, rows, columns):
    """Return views `(N, height, width, channels)` as `(N, rows, ·, columns, ·, channels)`."""
    count, height, width, channels = views.shape
    if height % rows or width % columns:
        raise ValueError(
            f"The maps have {rows} × {columns} cells, which do not divide the view of {height} × "
            f"{width} pixels evenly."
        )
    return views.reshape(count, rows, height // rows, columns, width // columns, channels)


def describe_map(attention_map) -> str:
    """Say in words where a map `(rows, columns)` looks and how concentrated it is."""
    rows, columns = attention_map.shape
    weights = attention_map / max(attention_map.sum(), 1e-12)
    strongest = np.argwhere(np.isclose(weights, weights.max(), atol=0))
    row, column = strongest[0] + 1
    where = f"at row {row}, column {column}"
    if len(strongest) > 1:
        where = f"on {len(strongest)} cells alike,"
    centre_row = (weights.sum(axis=1) * (np.arange(rows) + 0.5)).sum() / rows
    centre_column = (weights.sum(axis=0) * (np.arange(columns) + 0.5)).sum() / columns
    needed = int((np.cumsum(np.sort(weights, axis=None)[::-1]) < 0.5).sum()) + 1
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum() / np.log(max(weights.size, 2))
    return (
        f"strongest {where} of {rows} × {columns}; on the whole "
        f"{_place(centre_row, centre_column)}; half of its weight lies on {needed} of "
        f"{weights.size} cells (entropy {abs(entropy):.0%} of a uniform map's)"
    )


def _place(row: float, column: float) -> str:
    """Return words for a place in the unit square, (0, 0) being the upper left."""
    vertical = "top" if row < 0.45 else "bottom" if row > 0.55 else ""
    horizontal = "left" if column < 0.45 else "right" if column > 0.55 else ""
    words = " ".join(filter(None, (vertical, horizontal)))
    return f"towards the {words}" if words else "around the centre"
