"""Checks of layers: the learner's beside the package's, with the same weights."""

import warnings

import keras
import numpy as np

from tlvit_utils.checks.comparison import CheckError, random, to_numpy

RANDOM, IDENTITY = "random", "the identity"


def layer_pairs(answer, ours, parts, small, large):
    """Return the learner's layers and the package's, each by the name of its weights.

    A check calls them by name: what a mistake does to the small layer, whose matrices are all the
    identity, a reader can work out by hand.

    Args:
        answer, ours: the learner's class and the package's.
        parts: names of the attributes that hold layers, or lists of layers.
        small, large: the arguments of `__init__` and the input's shape, of the layer with identity
            weights and of the one with random weights. A list of shapes for several inputs.

    Raises:
        CheckError: an attribute is missing, or its weights have other shapes.
    """
    mine, theirs, rng = {}, {}, np.random.default_rng(0)
    for name, (arguments, shape) in {IDENTITY: small, RANDOM: large}.items():
        shapes = shape if isinstance(shape, list) else [shape]
        theirs[name] = ours(*arguments)
        theirs[name].build(*shapes)
        theirs[name].set_weights([_weights(w, name, rng) for w in theirs[name].weights])
        mine[name] = answer(*arguments)
        with warnings.catch_warnings(action="ignore"):  # of a part that `call` does not use
            mine[name](*(np.zeros(each, "float32") for each in shapes))
        for part in parts:
            _copy(part, getattr(theirs[name], part), getattr(mine[name], part, None))
    return mine, theirs


def _weights(variable, name, rng):
    """Return numbers for a weight: random ones, or those that change nothing."""
    shape = variable.shape
    if name == RANDOM:
        return 0.5 * random(rng, *shape)
    if "kernel" not in variable.name:
        return np.full(shape, variable.name == "gamma", "float32")
    if len(shape) == 4:  # a convolution that keeps its cell
        kernel = np.zeros(shape, "float32")
        kernel[shape[0] // 2, shape[1] // 2] = np.eye(*shape[2:])
        return kernel
    return np.eye(shape[0] if len(shape) == 2 else shape[-1], shape[-1]).reshape(shape)


def _copy(name, theirs, mine):
    """Give the learner's part of a layer the weights of the package's."""
    if mine is None:
        raise CheckError(f"Your layer has no attribute `{name}`. Keep the names of the stub.")
    if isinstance(theirs, list):
        if not isinstance(mine, list) or len(mine) != len(theirs):
            raise CheckError(f"`{name}` must be a list of {len(theirs)} layers here.")
        for i, pair in enumerate(zip(theirs, mine, strict=True)):
            _copy(f"{name}[{i}]", *pair)
        return
    weights = theirs.get_weights()
    shapes = [w.shape for w in weights]
    if not mine.weights and weights:  # `call` does not use it: the output will tell
        return
    if [tuple(w.shape) for w in mine.weights] != shapes:
        raise CheckError(
            f"The weights of `{name}` have the wrong shapes.",
            {
                "expected": ", ".join(map(str, shapes)),
                "got": ", ".join(str(tuple(w.shape)) for w in mine.weights),
            },
        )
    mine.set_weights(weights)


def check_dropout_of(layer, x):
    """Raise a CheckError unless a layer with dropout drops numbers in training alone."""
    if not np.array_equal(to_numpy(layer(x)), to_numpy(layer(x))):
        raise CheckError(
            "Dropout at inference: two calls with the same input differ. Pass `training` on; do "
            "not set it to True."
        )
    if np.array_equal(to_numpy(layer(x)), to_numpy(layer(x, training=True))):
        raise CheckError("No dropout: in training, your layer gives what it gives at inference.")


def apply(layer, *arguments):
    """Return what a layer makes of its arguments as an array."""
    return to_numpy(layer(*(keras.ops.convert_to_tensor(each) for each in arguments)))
