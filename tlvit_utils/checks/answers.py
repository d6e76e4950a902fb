"""What all checks share: call an answer on random inputs, compare, name the mistake."""

import ast
import inspect
import linecache
import re
import textwrap
import traceback
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import partial, update_wrapper, wraps

import keras
import numpy as np

DRAWS = 3
SHOWN = 32  # numbers; a larger array is described by its shape
EXERCISES = {}


class NotDoneError(Exception):
    """An answer is not written yet."""


class CheckError(AssertionError):
    """An answer is wrong. `str` names the mistake; a notebook shows `box` in place of a traceback.

    Args:
        mistake: a sentence.
        details: what the answer was called with, what was expected and what came: texts by title.
    """

    def __init__(self, mistake, details=None):
        super().__init__(mistake)
        self.details = details or {}
        self.name = "Your answer"

    def box(self):
        """Return the message as lines of text."""
        title = f"{self.name} is not right yet"
        lines = [title, "─" * len(title), *textwrap.wrap(str(self), 88)]
        for name, text in self.details.items():
            first, *rest = text.splitlines()
            lines += [f"{name:14}{first}", *(14 * " " + line for line in rest)]
        return lines

    def _render_traceback_(self):  # IPython shows these lines
        return self.box()


def exercise(check=None, *, name=None, ours=None):
    """Register a check: a function of the answer that raises a CheckError where it is wrong.

    `name` is that of the function or class in the notebook (by default the check's without
    `check_`); `ours` is what the notebook goes on with as long as the answer is not done.
    """
    if check is None:
        return partial(exercise, name=name, ours=ours)
    EXERCISES[name or check.__name__.removeprefix("check_")] = check, ours
    return check


def check(answer):
    """Check a function or class, and return what the notebook goes on with.

    That is `answer` if it is right, and the package's own while it is not done yet: while a `...`
    is left in it, or it returns None. A wrong answer is a CheckError.
    """
    name = getattr(answer, "__name__", None)
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}. Keep the name that the notebook gives.")
    run, ours = EXERCISES[name]
    try:
        if blanks := count_blanks(answer):
            raise NotDoneError("1 blank left" if blanks == 1 else f"{blanks} blanks left")
        is_class = isinstance(answer, type)
        with _errors_of(answer):
            run(answer if is_class else update_wrapper(partial(_call, answer), answer))
    except NotDoneError as left:
        words = f"{name}: not done yet"
        if str(left):
            words += f" ({left})"
        print(words if ours is None else f"{words}. The package's version is used.")
        return answer if ours is None else ours
    except CheckError as error:
        error.name = name
        raise error from error.__cause__
    print(f"{name}: right")
    return answer


def _functions(answer):
    """Return the functions that an answer is made of: itself, or the methods of a class."""
    members = vars(answer).values() if isinstance(answer, type) else [answer]
    return [each for each in members if inspect.isfunction(each)]


def count_blanks(answer):
    """Return how often `...` stands for something to be written in a function or class."""
    count = 0
    for function in _functions(answer):
        with suppress(OSError, SyntaxError):  # not from a cell; a lambda within an expression
            count += blanks_in(ast.parse(textwrap.dedent(inspect.getsource(function))))
    return count


def blanks_in(tree):
    """Return how often `...` stands for something to be written in a syntax tree."""
    indices = {
        node
        for subscript in ast.walk(tree)
        if isinstance(subscript, ast.Subscript)
        for node in ast.walk(subscript.slice)
    }
    return sum(
        isinstance(node, ast.Constant) and node.value is ... and node not in indices
        for node in ast.walk(tree)
    )


@contextmanager
def _errors_of(answer, arguments=None):
    """Turn an error into a CheckError with the answer's line.

    With arguments, only the answer runs inside, so every error is its own. Without, an error from
    elsewhere passes as it is.
    """
    try:
        yield
    except (CheckError, NotDoneError):
        raise
    except Exception as error:
        place, missing = _line_of(answer, error), isinstance(error, NotImplementedError)
        if missing and _is_raised_by(answer, error):
            raise NotDoneError from error
        if arguments is None and place is None and not missing:  # Keras misses a layer's `call`
            raise
        details = {} if arguments is None else {"called with": _described(arguments, answer)}
        raise CheckError(_raised(error), details | (place or {})) from error


def _is_raised_by(answer, error):
    """Return whether a line of the answer raises an error itself, and calls nothing that does."""
    innermost = traceback.extract_tb(error.__traceback__)[-1]  # Keras hides its own frames
    files = {each.__code__.co_filename for each in _functions(answer)}
    return innermost.filename in files and "raise" in (innermost.line or "raise")


def _raised(error):
    """Return what an error says, without what Keras adds to errors in a layer's call."""
    text = str(error)
    if text.startswith("Exception encountered when calling"):
        _, text, *_ = re.sub(r"\x1b\[\d+m", "", text).split("\n\n")
    return f"It raised {type(error).__name__}: {text}"


def _line_of(answer, error):
    """Return the answer's line that raised an error, or None where that was elsewhere."""
    files = {each.__code__.co_filename for each in _functions(answer)}
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename in files]
    if not numbers:
        return None
    source = linecache.getline(next(iter(files)), numbers[-1]).strip()
    return {f"line {numbers[-1]}": source} if source else {}


def _call(answer, *arguments):
    """Return the answer to these arguments; raise NotDoneError where there is none yet."""
    with _errors_of(answer, arguments):
        result = answer(*arguments)
    if result is None or result is ...:
        raise NotDoneError
    return result


def _described(arguments, answer):
    """Return the arguments in words, a line each: small arrays whole, others by their shape."""
    try:
        names = [f"{name} = " for name in inspect.signature(answer).parameters]
    except (TypeError, ValueError):
        names = []
    names += [""] * len(arguments)
    return "\n".join(name + shown(x) for name, x in zip(names, arguments, strict=False))


def shown(x):
    """Return an argument or a result in words."""
    if keras.ops.is_tensor(x):
        x = to_numpy(x)
    if not isinstance(x, np.ndarray):
        return "a function" if callable(x) else f"{x}"
    if x.size > SHOWN:
        return f"an array {x.shape}"
    numbers = np.array2string(x, separator=", ", formatter={"float_kind": "{:.4g}".format})
    return " ".join(numbers.split()) + (f", shape {x.shape}" if x.ndim > 1 else "")


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
            f"Your function returned a {type(x).__name__} that is not an array of numbers."
        )
    return array


def same(got, right):
    """Return whether two arrays agree: exactly if they count something, else nearly."""
    if got.shape != right.shape:
        return False
    if right.dtype.kind in "iu":
        return np.array_equal(got, right)
    return np.allclose(got, right, rtol=1e-4, atol=1e-5)


def compare(answer, right, wrong, draw, small=None):
    """Raise a CheckError unless `answer` does on random arguments what `right` does.

    Args:
        wrong: function that returns the results of typical mistakes, each by its sentence.
        draw: function of a NumPy generator that returns the arguments.
        small: arguments that a reader can work out by hand. A mistake that they show is shown
            with them. Only the random arguments name it: on few numbers, mistakes can coincide.
    """
    for seed in range(DRAWS):
        arguments = draw(np.random.default_rng(seed))
        error = _mistake(answer, right, wrong, arguments)
        if error is None:
            continue
        smaller = None if small is None else _mistake(answer, right, lambda *_: {}, small)
        if smaller and ("expected" in smaller.details) == ("expected" in error.details):
            if str(error) in wrong(*arguments):
                error.details = smaller.details
            else:
                error = smaller
        raise error from error.__cause__


def compare_pairs(answer, right, wrong, draw, small=None):
    """`compare` answers that are pairs; `wrong` has a function for each of the two, by its name."""
    names = ", ".join(wrong)
    for i, wrong_part in enumerate(wrong.values()):

        @wraps(answer)
        def part(*arguments, i=i):
            return as_pair(answer(*arguments), f"Return two arrays, ({names}).")[i]

        compare(part, lambda *arguments, i=i: right(*arguments)[i], wrong_part, draw, small)


def as_pair(got, sentence):
    """Return what an answer returned, if that is a pair."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise CheckError(sentence)
    return got


def distinct(draw, right, wrong):
    """Return `draw`, repeated until the right answer and all mistakes have different results."""

    def draw_again(rng):
        while True:
            arguments = draw(rng)
            results = [right(*arguments), *wrong(*arguments).values()]
            told_apart = {np.round(np.asarray(each, float), 6).tobytes() for each in results}
            if len(told_apart) == len(results):
                return arguments

    return draw_again


def _mistake(answer, right, wrong, arguments):
    """Return what is wrong with an answer to these arguments as a CheckError, or None."""
    given = deepcopy(arguments)
    try:
        got = numbers(answer(*given))
    except CheckError as error:
        return error
    for before, after in zip(arguments, given, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            return CheckError(
                "Your function changes its input in place; its caller still needs the old "
                "numbers. Work on a new array: `x = x + y` makes one, `x += y` and `x[mask] = 0` "
                "do not."
            )
    expected = np.asarray(right(*arguments))
    if same(got, expected):
        return None
    details = {"called with": _described(arguments, answer)}
    details |= {"expected": shown(expected), "got": shown(got)}
    for sentence, result in wrong(*arguments).items():
        if same(got, np.asarray(result)):
            if got.shape == expected.shape and got.size > SHOWN:
                details["worst"] = _worst(got, expected)
            return CheckError(sentence, details)
    return CheckError(_difference(got, expected), details)


def _difference(got, right):
    """Return in a sentence how two arrays differ."""
    if got.shape != right.shape:
        return f"Your answer has shape {got.shape}, but it must have shape {right.shape}."
    if not right.shape:
        return f"Your answer is {got}, but it must be {right}."
    return f"The shape of your answer is right, but the numbers are not: {_worst(got, right)}."


def _worst(got, right):
    """Return where two arrays differ most."""
    place = np.unravel_index(np.argmax(np.abs(got.astype(float) - right)), right.shape)
    at = ", ".join(map(str, place))
    return f"at [{at}] it has {got[place]:.4g} instead of {right[place]:.4g}"


def sizes(rng, count, low=2, high=8):
    """Return `count` different sizes from `low` to `high` - 1."""
    return rng.choice(np.arange(low, high), count, replace=False).tolist()


def random(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    x = np.exp(x - x.max(axis=axis, keepdims=True))
    return x / x.sum(axis=axis, keepdims=True)
