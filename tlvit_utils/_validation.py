"""Checks of arguments that layers, `ViTConfig` and `Recipe` share.

Each returns the value as plain Python or raises a ValueError that says what it is and must be.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import fields
from numbers import Integral, Real

import numpy as np

BOOLEANS = (bool, np.bool_)
POOLINGS = ("mean", "sum", "weighted_mean")


def check_count(name, count, advice="", *, low=1) -> int:
    """Return `count` as an int, where it is a whole number of at least `low`."""
    if isinstance(count, BOOLEANS) or not isinstance(count, Integral) or count < low:
        raise ValueError(
            f"{name} is {count!r}, but it must be a whole number of at least {low}{advice}."
        )
    return int(count)


def check_counts(name, counts) -> tuple[int, ...]:
    """Return a list of one or more whole numbers of at least 1 as a tuple of ints."""
    if not _is_sequence(counts) or not len(counts):
        raise ValueError(f"{name} is {counts!r}, but it must be a tuple of whole numbers.")
    return tuple(check_count(f"{name}[{i}]", count) for i, count in enumerate(counts))


def check_pairs(name, pairs) -> tuple[tuple[int, int], ...]:
    """Return a list of pairs of whole numbers of at least 1 as a tuple of tuples."""
    if not _is_sequence(pairs) or any(not _is_sequence(x) or len(x) != 2 for x in pairs):
        raise ValueError(f"{name} is {pairs!r}, but it must be a tuple of pairs.")
    return tuple(check_counts(f"{name}[{i}]", pair) for i, pair in enumerate(pairs))


def _is_sequence(value):
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def check_number(name, number, *, positive=False, below=math.inf) -> float:
    """Return `number` as a float, where it is finite, at least 0 and less than `below`.

    Where it must be `positive`, 0 is refused, too.
    """
    is_number = isinstance(number, Real) and not isinstance(number, BOOLEANS)
    try:
        value = float(number) if is_number else math.nan
    except OverflowError:
        value = math.inf
    if not (math.isfinite(value) and 0 <= value < below) or (positive and value == 0):
        limits = "above 0" if positive else "of at least 0"
        if below < math.inf:
            limits += f" and below {below:g}"
        raise ValueError(f"{name} is {number!r}, but it must be a number {limits}.")
    return value


def check_flag(name, flag) -> bool:
    """Return `flag` as a bool, where it is True or False."""
    if not isinstance(flag, BOOLEANS):
        raise ValueError(f"{name} is {flag!r}, but it must be True or False.")
    return bool(flag)


def check_choice(name, choice, choices) -> str:
    """Return `choice`, where it is one of `choices`."""
    if not isinstance(choice, str) or choice not in choices:
        names = ", ".join(map(repr, choices))
        raise ValueError(f"{name} is {choice!r}, but it must be one of {names}.")
    return choice


def check_fields(config, **special) -> None:
    """Check a frozen dataclass's fields by their types, or by functions of name and value.

    Each field is replaced by its plain Python value, such as an int for NumPy's.
    """
    by_type = {
        int: check_count,
        float: check_number,
        bool: check_flag,
        tuple[int, ...]: check_counts,
        tuple[tuple[int, int], ...]: check_pairs,
    }
    for field in fields(config):
        check = special.get(field.name) or by_type[field.type]
        object.__setattr__(config, field.name, check(field.name, getattr(config, field.name)))


def check_rate(name, rate) -> float:
    """Return a share as a float, where it is at least 0 and below 1."""
    return check_number(name, rate, below=1)


def whole_number(low, high):
    """Return a type for argparse: a whole number from `low` to `high`."""

    def parse(text):
        if not (text.isdecimal() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}.")
        return int(text)

    return parse


parse_seed = whole_number(0, 2**32 - 1)  # as NumPy takes it
parse_count = whole_number(1, 2**31 - 1)


def differences(before, now, name="") -> Iterator[str]:
    """Yield where two nested JSON values differ, such as `recipe.epochs was 4 and is 5`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            path = f"{name}.{key}" if name else key
            yield from differences(before.get(key), now.get(key), path)
    elif before != now:
        yield f"{name} was {before!r} and is {now!r}"
