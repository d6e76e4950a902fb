"""Checks of arguments that several layers and `ViTConfig` share."""

from numbers import Integral


def check_count(name, count, advice=""):
    """Return `count`, called `name` in the message, as an int.

    Raises:
        ValueError: it is no whole number of at least 1.
    """
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise ValueError(
            f"{name} is {count!r}, but it must be a whole number of at least 1{advice}."
        )
    return int(count)


def check_num_tokens(num_tokens):
    """Return `num_tokens` as an int, as `check_count` does."""
    advice = "; for a network without TokenLearner use ViTConfig(num_tokens=None)"
    return check_count("num_tokens", num_tokens, advice)


def check_pooling(pooling):
    """Raise a ValueError unless `pooling` is "mean" or "sum"."""
    if pooling not in ("mean", "sum"):
        raise ValueError(f"pooling is {pooling!r}, but it must be 'mean' or 'sum'.")


def check_rate(dropout_rate):
    """Raise a ValueError unless `dropout_rate` is at least 0 and below 1."""
    if not 0 <= dropout_rate < 1:
        raise ValueError(f"dropout_rate is {dropout_rate}, but it must be at least 0 and below 1.")
