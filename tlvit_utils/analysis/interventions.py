"""Change what passes through a network's TokenLearner, and run the rest again (notebook 06).

A map shows where a token reads; only a change shows whether that matters. Here maps are
replaced, or all weights are redrawn; `NetworkParts` takes any other change.
"""

import random

import keras
import numpy as np

from tlvit_utils.analysis.graph import image_size
from tlvit_utils.analysis.maps import (
    BATCH_SIZE,
    MapsOf,
    compiled,
    find_token_learner,
    in_batches,
)
from tlvit_utils.data.batches import check_images, check_labels
from tlvit_utils.reductions import GroupedTokenLearner, PatchMerger, TopKTokens
from tlvit_utils.token_learner import SUM_EPSILON, TokenLearner, TokenLearnerV11, to_grid

TOKEN_LEARNERS = (TokenLearner, TokenLearnerV11, GroupedTokenLearner, PatchMerger, TopKTokens)


class NetworkParts:
    """A network in parts: up to TokenLearner, its maps, its pooling, and what follows it.

    With `grid = parts.grid(images)`, `parts.predict(parts.tokens(grid, parts.maps(grid)))` is the
    model's own prediction. The parts share the model's layers and so its weights. All arrays are
    NumPy's, results float32. The first call of each part compiles it.

    Attributes:
        image_size: side of the images in pixels.
        token_learner: the layer that the network is split at; layers after it may use only its
            tokens.
    """

    def __init__(self, model: keras.Model):
        call = find_token_learner(model)
        self.token_learner = call.layer
        if type(call.layer) not in TOKEN_LEARNERS:  # a subclass may pool in another way
            raise TypeError(
                f"It is unknown how {call.layer.name!r} ({type(call.layer).__name__}) pools; "
                f"expected one of {', '.join(each.__name__ for each in TOKEN_LEARNERS)}."
            )
        self.image_size = image_size(model)
        to_input = keras.Model(model.input, to_grid(call.input))
        grid = keras.Input(to_input.output_shape[1:])  # (height, width, dim)
        try:
            tail = _tail(model, call)
        except (KeyError, ValueError) as error:  # KeyError in Keras 3.10
            raise ValueError(
                f"The model {model.name!r} cannot be split at {call.layer.name!r}: the layers "
                "after it may use only its tokens."
            ) from error
        self._grid_shape, self._tokens_shape = grid.shape, tail.input_shape
        self._to_grid, self._tail = compiled(to_input), compiled(tail)
        self._to_maps = compiled(keras.Model(grid, MapsOf(call.layer)(grid)))
        values = call.layer.values(grid)
        self._to_values = None if values is grid else compiled(keras.Model(grid, values))

    def grid(self, images) -> np.ndarray:
        """Return what TokenLearner reads of images, `(N, height, width, dim)`."""
        return in_batches(self._to_grid, check_images(images, self.image_size))[0]

    def maps(self, grid) -> np.ndarray:
        """Return the maps that TokenLearner draws on a grid, `(N, num_tokens, height, width)`."""
        return in_batches(self._to_maps, _check("grid", grid, self._grid_shape))[0]

    def tokens(self, grid, maps) -> np.ndarray:
        """Return the tokens `(N, num_maps, dim)` that any maps pool from a grid, as the layer does.

        v1 takes maps as they are, or with its weighted mean divided by their sums. Other layers'
        maps sum to 1, so every map is first divided by its sum.

        Args:
            grid: `(N, height, width, dim)`, from `grid`.
            maps: `(N, num_maps, height, width)`, at least one map, values of at least 0.
        """
        grid = _check("grid", grid, self._grid_shape)
        batch, height, width, dim = grid.shape
        maps = _check("maps", maps, (batch, None, height, width))
        if not ((maps >= 0) & (maps < np.inf)).all():  # also refuses NaN
            raise ValueError(
                "The maps hold values that are negative or not finite; expected at least 0."
            )
        if not isinstance(self.token_learner, TokenLearner):
            sums = maps.sum((2, 3), keepdims=True)
            if not sums.all():
                raise ValueError(
                    "A map is 0 everywhere, but this TokenLearner's maps sum to 1; give it at "
                    "least one value above 0."
                )
            maps = maps / sums
        values = in_batches(self._to_values, grid)[0] if self._to_values else grid
        cells = values.reshape(batch, height * width, dim)
        weights = maps.reshape(batch, -1, height * width)
        pooling = getattr(self.token_learner, "pooling", None)
        if pooling == "mean":
            weights = weights / (height * width)
        elif pooling == "weighted_mean":
            weights = weights / (weights.sum(axis=-1, keepdims=True) + SUM_EPSILON)
        return weights @ cells

    def predict(self, tokens) -> np.ndarray:
        """Return the probabilities `(N, classes)` that follow from tokens `(N, num_tokens, dim)`.

        There may be any number of them, unless the layers behind TokenLearner need its own.
        """
        return in_batches(self._tail, _check("tokens", tokens, self._tokens_shape))[0]


def _tail(model, call) -> keras.Model:
    """Return the model from the tokens, any number of them where it can, to the output."""
    tail = keras.Model(call.tokens, model.outputs[0])
    num_tokens, dim = call.tokens.shape[1:]

    def with_tokens(count):
        return keras.models.clone_model(
            tail, input_tensors=keras.Input((count, dim)), clone_function=lambda layer: layer
        )

    try:
        with_tokens(num_tokens + 1)  # refused, for example, by Flatten with a Dense layer behind
        return with_tokens(None)
    except ValueError:
        return with_tokens(num_tokens)


def _check(name, array, shape) -> np.ndarray:
    """Return `array` as float32 if it has this shape, where None stands for any number."""
    array = np.asarray(array, dtype="float32")
    fits = array.ndim == len(shape) and 0 not in array.shape[1:]
    if not fits or any(b not in (None, a) for a, b in zip(array.shape, shape, strict=True)):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"The shape of the {name} is {array.shape}; expected ({expected}).")
    return array


def answers_with_maps(parts: NetworkParts, images, labels) -> dict[str, np.ndarray]:
    """Return which answers are right, `(N,)`, with the learned maps and with others in their place.

    If almost as many are right when every image gets the same maps, or another image's, then the
    differences between the maps of two images matter little to the prediction.

    Args:
        images, labels: `(N, image_size, image_size, 3)`, 0..255, and `(N,)`, at least two.

    Returns:
        Booleans for the `learned` maps, the `other image`'s that is next in order, their `mean`
        over all images, and `uniform` maps (each map's mean in all cells).
    """
    images = check_images(images, parts.image_size)
    labels = check_labels(labels, images)
    if len(images) < 2:
        raise ValueError(f"Give at least two images, not {len(images)}.")
    # Grids are large, so each batch's is made twice and never kept.
    batches = [slice(i, i + BATCH_SIZE) for i in range(0, len(images), BATCH_SIZE)]
    learned = np.concatenate([parts.maps(parts.grid(images[batch])) for batch in batches])
    maps = {
        "learned": learned,
        "other image": np.roll(learned, -1, axis=0),
        "mean": np.broadcast_to(learned.mean(axis=0), learned.shape),
        "uniform": np.broadcast_to(learned.mean((2, 3), keepdims=True), learned.shape),
    }
    right = {name: np.zeros(len(images), bool) for name in maps}
    for batch in batches:
        grid = parts.grid(images[batch])
        for name in maps:
            predicted = parts.predict(parts.tokens(grid, maps[name][batch])).argmax(axis=1)
            right[name][batch] = predicted == labels[batch]
    return right


def randomised(model: keras.Model, seed: int) -> keras.Model:
    """Return a functional model of the same architecture with fresh initial weights.

    A map that looks the same from the random network shows the architecture or the image, not
    what was learned: the sanity check of Adebayo et al. 2018 (arXiv 1810.03292), with all weights
    random at once. Python's random state is left unchanged.
    """
    state = random.getstate()
    random.seed(seed)  # where Keras's initialisers without a seed draw theirs
    try:
        return keras.models.clone_model(model)
    finally:
        random.setstate(state)
