"""Take a network apart at its TokenLearner and change what passes through (notebook 06).

A map shows where a token reads; only a change shows whether that matters. Here a token is left
out, a map is replaced by another, or all weights are drawn anew, and the rest of the network runs
again.
"""

import logging
import random
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from tlvit_utils.analysis.maps import BATCH_SIZE, find_token_learner
from tlvit_utils.data.batches import check_images
from tlvit_utils.reductions import GroupedTokenLearner, PatchMerger
from tlvit_utils.token_learner import SUM_EPSILON, TokenLearner, to_grid

TIE = 1e-6  # values that differ by no more share a rank


class NetworkParts:
    """A network in parts: up to TokenLearner, its maps, its pooling, and what follows it.

    With `grid = parts.grid(images)`, `parts.predict(parts.tokens(grid, parts.maps(grid)))` is the
    model's own prediction. The parts share the model's layers and so its weights. NumPy arrays go
    in, float32 arrays come out; the first call of each part compiles it, a later one takes a few
    milliseconds on a CPU. Made by `split_network`.

    Attributes:
        token_learner: the layer at which the network is split.
        image_size: side of the images in pixels.
        maps_sum_to_one: whether that layer's maps are softmaxes over the grid (v1.1, grouped).
    """

    def __init__(self, model: keras.Model, layer: str | None = None):
        token_learner = self.token_learner = find_token_learner(model, layer)
        self.maps_sum_to_one = not isinstance(token_learner, TokenLearner)
        self.image_size = model.input_shape[1]
        self._head = _compiled(model.input, to_grid(token_learner.input))
        grid = keras.Input(self._head.output_shape[1:])
        self._maps = _compiled(grid, token_learner(grid, return_attention_maps=True)[1])
        self._values = None  # what the maps weight, where that is not the grid itself
        if isinstance(token_learner, GroupedTokenLearner):
            self._values = _compiled(grid, token_learner.to_values(grid))
        elif isinstance(token_learner, PatchMerger):
            self._values = _compiled(grid, token_learner.norm(grid))
        self._tail = _tail(model, token_learner)

    def grid(self, images) -> np.ndarray:
        """Return what TokenLearner reads, `(N, height, width, dim)`.

        Args:
            images: `(N, 32, 32, 3)`, 0..255, uint8 or float.

        Raises:
            TypeError, ValueError: as `data.check_images`.
        """
        return _run(self._head, check_images(images, self.image_size))

    def maps(self, grid) -> np.ndarray:
        """Return the maps that TokenLearner draws on a grid, `(N, num_tokens, height, width)`."""
        return _run(self._maps, _check("grid", grid, self._maps.input_shape))

    def tokens(self, grid, maps) -> np.ndarray:
        """Return the tokens that any maps pool from a grid, pooled as the layer pools.

        Maps for v1 are taken as they are; the layer's own have values in (0, 1), and a map twice
        as high makes a token twice as long, except with the weighted mean, which divides each map
        by its sum. The other kinds' own maps are softmaxes over the
        grid, so for them every map is first divided by its sum.

        Args:
            grid: `(N, height, width, dim)`, from `grid`.
            maps: `(N, num_maps, height, width)`, at least one map, values of at least 0.

        Returns:
            `(N, num_maps, dim)`.

        Raises:
            ValueError: another shape, a value that is negative or not finite, or a map that is 0
                everywhere and must sum to 1.
        """
        grid = _check("grid", grid, self._maps.input_shape)
        batch, height, width, dim = grid.shape
        maps = _check("maps", maps, (batch, None, height, width))
        if not ((maps >= 0) & (maps < np.inf)).all():  # also refuses NaN
            raise ValueError(
                "The maps hold values that are negative or not finite; expected at least 0."
            )
        if self.maps_sum_to_one:
            sums = maps.sum((2, 3), keepdims=True)
            if not sums.all():
                raise ValueError(
                    "A map is 0 everywhere, but this TokenLearner's maps sum to 1; give it at "
                    "least one value above 0."
                )
            maps = maps / sums
        values = grid if self._values is None else _run(self._values, grid)
        cells = values.reshape(batch, height * width, dim)
        weights = maps.reshape(batch, -1, height * width)
        pooling = getattr(self.token_learner, "pooling", None)
        if pooling == "mean":
            weights = weights / (height * width)
        elif pooling == "weighted_mean":
            weights = weights / (weights.sum(axis=-1, keepdims=True) + SUM_EPSILON)
        return weights @ cells

    def predict(self, tokens) -> np.ndarray:
        """Return the probabilities that follow from tokens, `(N, classes)`.

        Args:
            tokens: `(N, num_tokens, dim)`, at least one token; the network need not have been
                trained with that many.

        Raises:
            ValueError: another shape, or no token.
        """
        return _run(self._tail, _check("tokens", tokens, self._tail.input_shape))


def split_network(model: keras.Model, layer: str | None = None) -> NetworkParts:
    """Split a network at its TokenLearner, so that maps and tokens can be changed.

    Args:
        model: from `build_vit`, or any functional model whose output follows from the tokens
            alone, however many there are.
        layer: name of the TokenLearner, where the model has several.

    Raises:
        ValueError: no (single) TokenLearner, or layers behind it that need more than its tokens
            or a certain number of them.
    """
    return NetworkParts(model, layer)


def _compiled(inputs, outputs) -> keras.Model:
    """Return a model that compiles without XLA, which would compile again for every shape."""
    model = keras.Model(inputs, outputs)
    model.jit_compile = False
    return model


def _tail(model, token_learner) -> keras.Model:
    """Return the model from any number of tokens to the output, with the same layers."""
    tokens = token_learner.output[0]
    try:
        tail = keras.models.clone_model(
            keras.Model(tokens, model.output),
            input_tensors=keras.Input((None, tokens.shape[-1])),
            clone_function=lambda layer: layer,
        )
    except (KeyError, ValueError) as error:  # KeyError in Keras 3.10
        raise ValueError(
            f"The model {model.name!r} cannot be split at {token_learner.name!r}: the layers "
            "behind it must need nothing but its tokens, and take any number of them."
        ) from error
    return _compiled(tail.input, tail.output)


def _run(model, array) -> np.ndarray:
    """Apply a compiled model to an array batch by batch; return float32."""
    starts = range(0, max(len(array), 1), BATCH_SIZE)
    with _retracing_expected():
        outputs = [model.predict_on_batch(array[start : start + BATCH_SIZE]) for start in starts]
    return np.concatenate(outputs).astype("float32")


@contextmanager
def _retracing_expected():
    """Keep TensorFlow from warning that the parts are compiled one after the other."""

    def passes(record):
        return "retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)


def _check(name, array, shape) -> np.ndarray:
    """Return `array` as float32 if it has this shape, where None stands for any number."""
    array = np.asarray(array, dtype="float32")
    fits = array.ndim == len(shape) and 0 not in array.shape[1:]
    if not fits or any(b not in (None, a) for a, b in zip(array.shape, shape, strict=True)):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"The {name} have shape {array.shape}; expected ({expected}).")
    return array


@dataclass(frozen=True)
class TokenEffects:
    """What happens to the prediction of one image when each token is left out.

    Attributes:
        label: the class that is watched.
        probability: its probability with all tokens.
        probabilities: `(num_tokens, classes)`, all probabilities without each token.
        effects: `(num_tokens,)`, `probability` minus the probability without the token: above 0
            where the token speaks for the class, below 0 where it speaks against it.
        effect_ranks: `(num_tokens,)`, 1 for the largest change in either direction.
        mass: `(num_tokens,)`, each map's share of all maps' attention.
        mass_ranks: `(num_tokens,)`, 1 for the largest mass. Maps that sum to 1 (v1.1, grouped)
            all have the same mass and the rank 1.
    """

    label: int
    probability: float
    probabilities: np.ndarray
    effects: np.ndarray
    effect_ranks: np.ndarray
    mass: np.ndarray
    mass_ranks: np.ndarray


def token_effects(parts: NetworkParts, image, label: int | None = None) -> TokenEffects:
    """Leave out each token of one image in turn and rerun what follows.

    The network never saw a shorter sequence in training, and a token's effect alone says nothing
    of what two tokens carry between them: both can have no effect because each stands in for the
    other.

    Args:
        parts: from `split_network`.
        image: `(32, 32, 3)`, 0..255.
        label: the class to watch; None for the one that the network predicts.

    Raises:
        TypeError, ValueError: a wrong image.
        ValueError: no such class, or only one token, without which nothing is left.
    """
    grid = parts.grid(np.asarray(image)[None])
    maps = parts.maps(grid)
    (tokens,) = parts.tokens(grid, maps)
    if len(tokens) == 1:
        raise ValueError("There is only one token; without it nothing is left to predict from.")
    (before,) = parts.predict(tokens[None])
    label = _check_label(label, before)
    rest = np.stack([np.delete(tokens, i, axis=0) for i in range(len(tokens))])
    after = parts.predict(rest)
    effects = before[label] - after[:, label]
    mass = maps[0].sum((1, 2)) / maps.sum()
    return TokenEffects(
        label, float(before[label]), after, effects, ranks(np.abs(effects)), mass, ranks(mass)
    )


def ranks(values) -> np.ndarray:
    """Return the rank of each value, 1 for the largest; equal values share the better rank."""
    values = np.asarray(values)
    return 1 + (values > values[:, None] + TIE).sum(axis=1)


def _check_label(label, probabilities) -> int:
    if label is None:
        return int(probabilities.argmax())
    if not 0 <= label < len(probabilities):
        raise ValueError(
            f"label is {label}, but the classes have the indices 0 to {len(probabilities) - 1}."
        )
    return int(label)


@dataclass(frozen=True)
class MapComparison:
    """The probability of one class of one image under different maps for the same token.

    Attributes:
        label: the class that is watched.
        painted: its probability with the map that was given.
        learned: with the network's own map.
        uniform: with the own map's mean in every cell.
        random: `(draws,)`, with the own map's values in random order.
    """

    label: int
    painted: float
    learned: float
    uniform: float
    random: np.ndarray


def compare_maps(
    parts: NetworkParts,
    image,
    painted,
    label: int | None = None,
    token: int | None = None,
    draws: int = 20,
    seed: int = 0,
) -> MapComparison:
    """Put a painted map in the place of a learned one, and compare what the network then says.

    The uniform and the random maps have the learned map's sum, and the random ones its very
    values, so that only the place differs. The painted map is taken as `NetworkParts.tokens`
    takes it; for v1 values between 0 and 1 are like the layer's own.

    Args:
        parts: from `split_network`.
        image: `(32, 32, 3)`, 0..255.
        painted: `(height, width)`, at least 0.
        label: the class to watch; None for the one that the network predicts.
        token: index of the token whose map is replaced; None replaces the maps of all.
        draws: number of random maps, at least 1.
        seed: seed of the random maps.

    Raises:
        TypeError, ValueError: a wrong image, or maps as in `NetworkParts.tokens`.
        ValueError: no such class or token, or no draws.
    """
    grid = parts.grid(np.asarray(image)[None])
    (learned,) = parts.maps(grid)
    if token is not None and not 0 <= token < len(learned):
        raise ValueError(
            f"token is {token}, but the tokens have the indices 0 to {len(learned) - 1}."
        )
    if draws < 1:
        raise ValueError(f"draws is {draws}, but it must be at least 1.")
    painted = _check("painted maps", np.asarray(painted)[None], (1, *learned.shape[1:]))
    rng = np.random.default_rng(seed)
    uniform = np.broadcast_to(learned.mean((1, 2), keepdims=True), learned.shape)
    others = [painted, uniform, *(shuffle_cells(learned, rng) for _ in range(draws))]
    candidates = np.stack([learned] * (len(others) + 1))
    chosen = slice(None) if token is None else token
    for candidate, other in zip(candidates[1:], others, strict=True):
        candidate[chosen] = np.broadcast_to(other, learned.shape)[chosen]
    grids = np.repeat(grid, len(candidates), axis=0)
    probabilities = parts.predict(parts.tokens(grids, candidates))
    label = _check_label(label, probabilities[0])
    own, hand, flat, *shuffled = probabilities[:, label]
    return MapComparison(label, float(hand), float(own), float(flat), np.array(shuffled))


def shuffle_cells(maps, rng: np.random.Generator) -> np.ndarray:
    """Return maps `(..., height, width)` with the cells of each in an order of its own."""
    cells = np.reshape(maps, (-1, maps.shape[-2] * maps.shape[-1]))
    return rng.permuted(cells, axis=1).reshape(maps.shape)


def accuracy_with_maps(parts: NetworkParts, images, labels, seed: int = 0) -> dict[str, float]:
    """Return the accuracy with the learned maps and with others in the place of all of them.

    If the accuracy hardly falls when every image gets the same maps, or those of another image,
    then what differs between the maps of two images matters little to the prediction.

    Args:
        parts: from `split_network`.
        images: `(N, 32, 32, 3)`, 0..255, at least two.
        labels: `(N,)`, integers.
        seed: seed of the shuffled maps.

    Returns:
        Shares of right answers with the maps that are `learned`, of the `other image` next in
        order, their `mean` over all images, `uniform` (each map's mean in all cells), or
        `shuffled` (each map's values in random order).

    Raises:
        TypeError, ValueError: wrong images.
        ValueError: fewer than two images, or not one label per image.
    """
    images, labels = check_images(images, parts.image_size), np.asarray(labels)
    if len(images) < 2 or labels.shape != (len(images),):
        raise ValueError(
            f"There are {len(images)} images and labels of shape {labels.shape}; give at least "
            "two images and one label per image."
        )
    batches = [slice(i, i + BATCH_SIZE) for i in range(0, len(images), BATCH_SIZE)]
    learned = np.concatenate([parts.maps(parts.grid(images[batch])) for batch in batches])
    maps = {
        "learned": learned,
        "other image": np.roll(learned, -1, axis=0),
        "mean": np.broadcast_to(learned.mean(axis=0), learned.shape),
        "uniform": np.broadcast_to(learned.mean((2, 3), keepdims=True), learned.shape),
        "shuffled": shuffle_cells(learned, np.random.default_rng(seed)),
    }
    right = dict.fromkeys(maps, 0)
    for batch in batches:
        grid = parts.grid(images[batch])
        for name in maps:
            predicted = parts.predict(parts.tokens(grid, maps[name][batch])).argmax(axis=1)
            right[name] += int((predicted == labels[batch]).sum())
    return {name: count / len(images) for name, count in right.items()}


def randomised(model: keras.Model, seed: int) -> keras.Model:
    """Return a model of the same architecture with fresh initial weights.

    A map that looks the same from the random network shows the architecture or the image, not
    what was learned: the sanity check of Adebayo et al. 2018 (arXiv 1810.03292), with all weights
    random at once. Python's random state is left as it was. An initialiser with a seed of its own
    keeps it.

    Args:
        model: any functional model; it is not changed.
        seed: seed of the weights; the same one gives the same weights.
    """
    state = random.getstate()
    random.seed(seed)  # where Keras's initialisers without a seed draw theirs
    try:
        return keras.models.clone_model(model)
    finally:
        random.setstate(state)
