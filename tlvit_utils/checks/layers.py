"""Checks of layers: the learner's beside the package's, with the same weights."""

import inspect
import warnings
from itertools import count

import keras
import numpy as np

from tlvit_utils.checks.answers import CheckError, as_pair, compare, random, to_numpy

RANDOM, IDENTITY = "random", "the identity; gamma of the norms: 1, 2, …"
POSITIONAL = inspect.Parameter.POSITIONAL_ONLY


def compare_layers(answer, ours, parts, small, large, wrong):
    """Raise a CheckError unless the learner's layer computes what the package's does.

    A mistake is shown on a small layer whose matrices are all the identity, so that it can be
    worked out by hand.

    Args:
        answer, ours: the learner's class and the package's.
        parts: names of the attributes that hold layers, or lists of layers.
        small: arguments of `__init__` and inputs, by name, for the layer with identity matrices.
        large: arguments of `__init__` and shapes of the inputs for one with random weights.
        wrong: function of the package's layer and of inputs, as for `compare`.

    Returns:
        The learner's layer and the package's, with random weights.
    """
    names, inputs = zip(*small[1].items(), strict=True)
    shapes = [each.shape for each in inputs]
    layers = {
        IDENTITY: _with_weights(IDENTITY, answer, ours, parts, small[0], shapes),
        RANDOM: _with_weights(RANDOM, answer, ours, parts, *large),
    }

    def of(which):
        def run(*arguments):
            *inputs, weights = arguments
            return to_numpy(layers[weights][which](*map(keras.ops.convert_to_tensor, inputs)))

        parameters = [inspect.Parameter(each, POSITIONAL) for each in (*names, "weights")]
        run.__signature__ = inspect.Signature(parameters)  # as a learner sees the call
        return run

    def wrong_results(*arguments):
        *inputs, weights = arguments
        return wrong(layers[weights][1], *inputs)

    def draw(rng):
        batch = int(rng.integers(2, 8))
        return *(random(rng, batch, *shape[1:]) for shape in large[1]), RANDOM

    compare(of(0), of(1), wrong_results, draw, small=(*inputs, IDENTITY))
    return layers[RANDOM]


def _with_weights(kind, answer, ours, parts, arguments, shapes):
    """Return a layer of the learner's class and one of the package's, with the same weights."""
    rng, gammas = np.random.default_rng(0), count(1)
    theirs, mine = ours(*arguments), answer(*arguments)
    theirs.build(*shapes)
    theirs.set_weights([_weights(each, kind, rng, gammas) for each in theirs.weights])
    with warnings.catch_warnings(action="ignore"):  # of a part that `call` does not use
        mine(*(np.zeros(each, "float32") for each in shapes))
    for part in parts:
        _copy(part, getattr(theirs, part), getattr(mine, part, None))
    return mine, theirs


def _weights(variable, kind, rng, gammas):
    """Return numbers for a weight: random ones, or those that change nothing but a norm's scale."""
    shape = variable.shape
    if kind == RANDOM:
        return 0.5 * random(rng, *shape)
    if "kernel" not in variable.name:
        return np.full(shape, next(gammas) if variable.name == "gamma" else 0, "float32")
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
    elif mine.weights or not theirs.weights:  # else `call` does not use it: the output will tell
        expected, got = ([tuple(w.shape) for w in each.weights] for each in (theirs, mine))
        if got != expected:
            details = {"expected": ", ".join(map(str, expected)), "got": ", ".join(map(str, got))}
            raise CheckError(f"The weights of `{name}` have the wrong shapes.", details)
        mine.set_weights(theirs.get_weights())


def check_option(mine, theirs, shape, option, **names):
    """Raise a CheckError unless a layer asked with `option` returns what the package's does.

    That is a pair; `names` says what each of the two must be.
    """
    x = keras.ops.convert_to_tensor(random(np.random.default_rng(0), *shape))
    right = map(to_numpy, theirs(x, **{option: True}))
    got = as_pair(
        mine(x, **{option: True}), f"With {option}=True, return the pair `({', '.join(names)})`."
    )
    for (name, what), a, b in zip(names.items(), map(to_numpy, got), right, strict=True):
        if a.shape != b.shape or not np.allclose(a, b, atol=1e-5):
            details = {"expected": f"an array {tuple(b.shape)}", "got": f"an array {a.shape}"}
            raise CheckError(f"With {option}=True, `{name}` is wrong; return {what}.", details)


def check_dropout_of(layer, shape):
    """Raise a CheckError unless a layer with dropout drops numbers in training alone."""
    x = random(np.random.default_rng(0), *shape)
    once, again, training = map(to_numpy, (layer(x), layer(x), layer(x, training=True)))
    if not np.array_equal(once, again):
        raise CheckError(
            "Dropout at inference: two calls with the same input differ. Pass `training` on; do "
            "not set it to True."
        )
    if np.array_equal(once, training):
        raise CheckError(
            "Dropout is missing: your layer returns the same in training and at inference."
        )
