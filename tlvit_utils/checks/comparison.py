"""What all checks share: call an answer on random inputs, compare, name the mistake."""

from copy import deepcopy
from functools import partial, wraps

import keras
import numpy as np

DRAWS = 3


class CheckError(AssertionError):
    """An answer is wrong; the message names the mistake where it is a typical one."""


def exercise(check):
    """Make a public check of a function that takes the guarded answer and says what was checked."""
    name = check.__name__.removeprefix("check_")  # as the notebook calls the function

    @wraps(check)
    def report(answer):
        try:
            checked = check(partial(_call, name, answer))
        except NotImplementedError:
            print(f"{name}: not done yet")
        else:
            print(f"{name}: right ({checked})")

    return report


def _call(name, answer, *arguments):
    """Return the answer to these arguments; raise NotImplementedError where there is none yet."""
    if answer is None or answer is ...:
        raise NotImplementedError
    try:
        result = answer(*arguments)
    except NotImplementedError:
        raise
    except Exception as error:
        raise CheckError(
            f"{name} was called with {_described(arguments)} and raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if result is None or result is ...:
        raise NotImplementedError
    return result


def _described(arguments):
    """Return the arguments in words: shapes of arrays, values of numbers."""
    words = []
    for x in arguments:
        if isinstance(x, np.ndarray):
            words.append(f"an array {x.shape}")
        else:
            words.append("a function" if callable(x) else f"{x}")
    return ", ".join(words)


def to_numpy(x):
    return keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)


def numbers(x):
    """Return an answer as an array; raise a CheckError if it is none."""
    try:
        array = to_numpy(x)
    except (TypeError, ValueError):  # rows of different lengths, a symbolic tensor
        array = None
    if array is None or array.dtype.kind not in "biuf":
        raise CheckError(
            f"Your function returned a {type(x).__name__} that is no array of numbers."
        )
    return array


def same(got, right):
    """Return whether two arrays agree: exactly if they count something, else nearly."""
    if got.shape != right.shape:
        return False
    if right.dtype.kind in "iu":
        return np.array_equal(got, right)
    return np.allclose(got, right, rtol=1e-4, atol=1e-5)


def compare(answer, right, wrong, draw):
    """Raise a CheckError unless `answer` does on random arguments what `right` does.

    Args:
        answer: the guarded answer.
        right: the right function.
        wrong: function that returns the results of typical mistakes, each by its sentence.
        draw: function of a NumPy generator that returns the arguments.
    """
    for seed in range(DRAWS):
        arguments = draw(np.random.default_rng(seed))
        given = deepcopy(arguments)
        got = numbers(answer(*given))
        for before, after in zip(arguments, given, strict=True):
            if isinstance(before, np.ndarray) and not np.array_equal(before, after):
                raise CheckError(
                    "Your function changes its input in place; whoever called it still needs the "
                    "old numbers. Work on a new array: `x = x + y` makes one, `x += y` and "
                    "`x[mask] = 0` do not."
                )
        expected = np.asarray(right(*arguments))
        if same(got, expected):
            continue
        for sentence, result in wrong(*arguments).items():
            if same(got, np.asarray(result)):
                raise CheckError(sentence)
        difference = _difference(got, expected)
        raise CheckError(f"{difference} It was called with {_described(arguments)}.")


def _difference(got, right):
    """Return in a sentence where two arrays differ."""
    if got.shape != right.shape:
        return f"Your answer has shape {got.shape}, but it must have shape {right.shape}."
    if not right.shape:
        return f"Your answer is {got}, but it must be {right}."
    place = np.unravel_index(np.argmax(np.abs(got.astype(float) - right)), right.shape)
    at = ", ".join(map(str, place))
    return (
        f"The shape of your answer is right, but the numbers are not: at [{at}] stands "
        f"{got[place]:.4g} in place of {right[place]:.4g}."
    )


def sizes(rng, count, low=2, high=8):
    """Return `count` different sizes from `low` to `high` - 1."""
    return rng.choice(np.arange(low, high), count, replace=False).tolist()


def random(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def softmax(x, axis):
    x = np.exp(x - x.max(axis=axis, keepdims=True))
    return x / x.sum(axis=axis, keepdims=True)
