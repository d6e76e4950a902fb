"""Attention maps from the very forward pass that made the prediction, and scores (notebook 06).

The scores ask whether maps find the object, how much they differ from each other and from image
to image, and whether what they mark matters to the prediction. No such number means anything
alone: chance and the maps of other images are scored beside, and `interventions.randomised` makes
the network with random weights to compare with.
"""

from dataclasses import dataclass

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
    (views,) = _in_batches(lambda batch: [view(batch)], masks[..., None])
    rows, columns = find_token_learner(model, layer).output[1].shape[2:]
    return np.clip(_cells(views, rows, columns).mean((2, 4, 5)), 0, 1)


def _cells(views, rows, columns):
    """Return views `(N, height, width, channels)` as `(N, rows, ·, columns, ·, channels)`."""
    count, height, width, channels = views.shape
    if height % rows or width % columns:
        raise ValueError(
            f"The maps have {rows} × {columns} cells, which do not divide the view of {height} × "
            f"{width} pixels evenly."
        )
    return views.reshape(count, rows, height // rows, columns, width // columns, channels)


@dataclass(frozen=True)
class Localisation:
    """How well maps find the object: means over images, all from 0 to 1.

    Attributes:
        hits: `(num_tokens,)`, the pointing game of each token: the share of images in which its
            map's highest cell lies at least half inside the mask.
        any_hit: the share of images in which at least one token hits.
        mean_map_hit: the pointing game of the mean of all tokens' maps.
        mass: `(num_tokens,)`, the share of each map's sum that lies inside the mask.
        mean_map_mass: the same of the mean of all tokens' maps.
    """

    hits: np.ndarray
    any_hit: float
    mean_map_hit: float
    mass: np.ndarray
    mean_map_mass: float


def localisation(maps, shares, num_shuffles: int = 10, seed: int = 0) -> dict[str, Localisation]:
    """Score maps by masks of the objects, beside two levels of chance.

    TokenLearner's maps belong to no class: a hit says that a token reads the object, and nothing
    of why. Where several cells are equally high, each counts for its part, so that a flat map
    scores what chance scores.

    Source: the pointing game is Zhang et al. 2018 (arXiv 1608.00507), with cells for points and
    without their margin of 15 pixels around the object.

    Args:
        maps: `(N, num_tokens, height, width)`, at least 0.
        shares: `(N, height, width)`, from `mask_shares`.
        num_shuffles: to how many other images' masks each map is held, at least 1.
        seed: seed of the choice of other images.

    Returns:
        "own": the maps held to their own images' masks.
        "other": the same maps held to other images' masks. What lies near "own" here is a
            matter of place: the maps look where objects tend to be, whatever the image.
        "chance": a random cell and a uniform map, which score the masks' area; for `any_hit` as
            many random cells as there are tokens.

    Raises:
        ValueError: maps and shares that do not fit each other, fewer than two images, wrong
            values in the maps, or no shuffles.
    """
    maps, shares = _check_maps(maps), np.asarray(shares, dtype=float)
    count, num_tokens, height, width = maps.shape
    if shares.shape != (count, height, width) or count < 2:
        raise ValueError(
            f"The maps have shape {maps.shape} and the shares {shares.shape}; expected (N, "
            "num_tokens, height, width) and (N, height, width) with at least two images."
        )
    if num_shuffles < 1:
        raise ValueError(f"num_shuffles is {num_shuffles}, but it must be at least 1.")
    maps = np.concatenate([maps, maps.mean(axis=1, keepdims=True)], axis=1)
    weights = maps / maps.sum((2, 3), keepdims=True)
    peaks = maps == maps.max((2, 3), keepdims=True)
    peaks = peaks / peaks.sum((2, 3), keepdims=True)
    inside = (shares >= 0.5).astype(float)

    def score(images):
        hits = np.einsum("nshw,nhw->ns", peaks, inside[images])
        mass = np.einsum("nshw,nhw->ns", weights, shares[images]).mean(axis=0)
        any_hit = 1 - np.prod(1 - hits[:, :-1], axis=1)
        hits = hits.mean(axis=0)
        return Localisation(
            hits[:-1], float(any_hit.mean()), float(hits[-1]), mass[:-1], float(mass[-1])
        )

    others = [vars(score(images)) for images in _other_images(count, num_shuffles, seed)]
    hit, mass = inside.mean((1, 2)), float(shares.mean())
    return {
        "own": score(np.arange(count)),
        "other": Localisation(
            **{name: np.mean([other[name] for other in others], axis=0) for name in others[0]}
        ),
        "chance": Localisation(
            hits=np.full(num_tokens, hit.mean()),
            any_hit=float((1 - (1 - hit) ** num_tokens).mean()),
            mean_map_hit=float(hit.mean()),
            mass=np.full(num_tokens, mass),
            mean_map_mass=mass,
        ),
    }


def _other_images(count, num_shuffles, seed):
    """Yield `(count,)` indices, up to `num_shuffles` times, of which none is at its own place."""
    order = np.random.default_rng(seed).permutation(count)
    for shift in range(1, min(num_shuffles, count - 1) + 1):
        others = np.empty_like(order)
        others[order] = np.roll(order, shift)
        yield others


def _check_maps(maps) -> np.ndarray:
    maps = np.asarray(maps, dtype="float32")
    if maps.ndim != 4 or 0 in maps.shape:
        raise ValueError(
            f"The maps have shape {maps.shape}; expected (N, num_tokens, height, width)."
        )
    if not ((maps >= 0) & (maps < np.inf)).all():  # also refuses NaN
        raise ValueError("The maps hold values that are negative or not finite.")
    if not maps.any((2, 3)).all():
        raise ValueError("A map is 0 everywhere, so it has no highest cell and no shares.")
    return maps


def diversity(maps) -> float:
    """Return 1 minus the mean cosine between two tokens' maps of one image.

    0 where all tokens look at the same places, 1 where no two of them share a cell.

    Args:
        maps: `(N, num_tokens, height, width)`, at least 0, at least two tokens.

    Raises:
        ValueError: wrong maps, or only one token.
    """
    maps = _check_maps(maps)
    count, num_tokens = maps.shape[:2]
    if num_tokens == 1:
        raise ValueError("There is only one token; diversity compares at least two.")
    maps = maps.reshape(count, num_tokens, -1)
    maps = maps / np.linalg.norm(maps, axis=2, keepdims=True)
    cosines = maps @ maps.transpose(0, 2, 1)  # (N, num_tokens, num_tokens), 1 on the diagonal
    return float(1 - (cosines.sum() / count - num_tokens) / (num_tokens * (num_tokens - 1)))


def fixed_share(maps) -> float:
    """Return the share of the maps' variance that is the same in every image.

    Each token's values vary over images and cells; what its mean map over all images has of this
    is a matter of place. 1 where a token's map is the same whatever the image.

    Args:
        maps: `(N, num_tokens, height, width)`, at least 0.

    Raises:
        ValueError: wrong maps, or maps without variance, every one uniform.
    """
    maps = _check_maps(maps)
    centred = maps - maps.mean((0, 2, 3), keepdims=True)
    total = np.square(centred).mean()
    if total == 0:
        raise ValueError("Every map is uniform, so there is no variance to share out.")
    return float(np.square(centred.mean(axis=0)).mean() / total)


@dataclass(frozen=True)
class Mosaics:
    """Pictures of four images each, of four classes, one of which is asked for.

    Attributes:
        images: `(N, 32, 32, 3)`, uint8.
        labels: `(N,)`, the class that is asked for.
        classes: `(N, 4)`, the class in each quarter: upper left, upper right, lower left, lower
            right.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray

    def masks(self, labels=None) -> np.ndarray:
        """Return masks of the quarters that show these classes, `(N, 32, 32)`, uint8.

        Args:
            labels: `(N,)`, one class per mosaic; None for those that are asked for. The mask of a
                class that a mosaic does not show is 0 everywhere.
        """
        labels = np.asarray(self.labels if labels is None else labels)
        shown = (self.classes == labels[:, None]).reshape(-1, 2, 2)
        return shown.astype("uint8").repeat(16, axis=1).repeat(16, axis=2)


def mosaics(images, labels, count: int, target_class: int | None = None, seed: int = 0) -> Mosaics:
    """Put four images of four classes into one picture, each at half its size.

    So images without masks get a rough one: the quarter that shows a class. Each pixel is the
    mean of 2×2. The network never saw objects this small, nor four at once, so tell its accuracy
    here beside its maps' scores. Nor can maps that belong to no class know which of the four is
    asked for; fairer is to ask whether they prefer the quarter whose class the network names:
    `masks(predicted)`, where it shows.

    Args:
        images: `(M, 32, 32, 3)`, 0..255.
        labels: `(M,)`, integers of at least four classes.
        count: number of mosaics N, at least 1.
        target_class: the class that is asked for; None draws one for each mosaic.
        seed: seed of classes, images and places.

    Raises:
        TypeError, ValueError: wrong images.
        ValueError: not one label per image, fewer than four classes, no images of the class, or
            no mosaics.
    """
    images, labels = check_images(images), np.asarray(labels)
    if labels.shape != (len(images),):
        raise ValueError(
            f"There are {len(images)} images and labels of shape {labels.shape}; expected one "
            "label per image."
        )
    if count < 1:
        raise ValueError(f"count is {count}, but it must be at least 1.")
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels).tolist()}
    if len(members) < 4:
        raise ValueError(f"There are {len(members)} classes, but a mosaic shows four.")
    if target_class is not None and target_class not in members:
        raise ValueError(f"There are no images of the class {target_class!r}.")
    rng = np.random.default_rng(seed)
    targets, classes, chosen = [], [], []
    for _ in range(count):
        target = rng.choice(list(members)) if target_class is None else target_class
        others = rng.choice([label for label in members if label != target], 3, replace=False)
        quarters = rng.permutation([target, *others])
        targets.append(target)
        classes.append(quarters)
        chosen.append([rng.choice(members[label]) for label in quarters])
    small = _cells(images[np.ravel(chosen)], 16, 16).mean((2, 4))  # (4 * N, 16, 16, 3)
    small = np.round(small).astype("uint8").reshape(count, 2, 2, 16, 16, 3)
    pictures = small.transpose(0, 1, 3, 2, 4, 5).reshape(count, 32, 32, 3)
    return Mosaics(pictures, np.array(targets), np.array(classes))


def removal_accuracy(
    model: keras.Model,
    images,
    labels,
    counts=(0, 4, 8, 16, 32, 48),
    seed: int = 0,
    layer: str | None = None,
) -> dict[str, np.ndarray]:
    """Return the accuracy when patches are removed: the most attended, and others to compare.

    If maps mark what the prediction rests on, removing the cells that they mark hurts more than
    removing as many others. A removed cell takes the mean colour of the whole view. No network
    was trained on such pictures, so compare the accuracies with each other. The cells' order is
    that of the mean of all tokens' maps of the whole image; ties fall at random.

    Args:
        model: from `build_vit`, with a TokenLearner.
        images: `(N, 32, 32, 3)`, 0..255, at least two.
        labels: `(N,)`, integers.
        counts: how many cells to remove, one accuracy for each.
        seed: seed of the random cells and of the choice of other images.
        layer: name of the TokenLearner, where the model has several.

    Returns:
        Accuracies `(len(counts),)` without the "most attended" cells, without those that are the
        most attended in an "other image", without "random" cells, and without the "least
        attended".

    Raises:
        TypeError, ValueError: wrong images, or a model without a (single) TokenLearner or
            without a cropping layer.
        ValueError: fewer than two images, not one label per image, or counts outside the grid.
    """
    images, labels = check_images(images, model.input_shape[1]), np.asarray(labels)
    if len(images) < 2 or labels.shape != (len(images),):
        raise ValueError(
            f"There are {len(images)} images and labels of shape {labels.shape}; expected at least "
            "two images and one label per image."
        )
    attention = attention_maps(model, images, layer).mean(axis=1)
    rows, columns = attention.shape[1:]
    attention = attention.reshape(len(images), -1)
    if not all(0 <= count <= rows * columns for count in counts):
        raise ValueError(f"counts is {counts}, but the grid has {rows * columns} cells.")
    random = np.random.default_rng(seed).random(attention.shape)
    attended = np.lexsort((random, -attention))  # cells by falling attention
    (others,) = _other_images(len(images), 1, seed)
    orders = {
        "most attended": attended,
        "other image": attended[others],
        "random": random.argsort(axis=1),
        "least attended": attended[:, ::-1],
    }
    view = find_augmentation(model).output
    before, after = keras.Model(model.input, view), keras.Model(view, model.output)
    (views,) = _in_batches(lambda batch: [before(batch)], images)
    means = views.mean((1, 2), keepdims=True)

    def accuracy(order, count):
        removed = np.zeros(order.shape, bool)
        np.put_along_axis(removed, order[:, :count], True, axis=1)
        removed = removed.reshape(-1, rows, 1, columns, 1, 1)
        pictures = np.where(removed, means[:, :, None, :, None], _cells(views, rows, columns))
        (probabilities,) = _in_batches(lambda batch: [after(batch)], pictures.reshape(views.shape))
        return np.mean(probabilities.argmax(axis=1) == labels)

    return {
        name: np.array([accuracy(order, count) for count in counts])
        for name, order in orders.items()
    }


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
