"""Reads pickles of arrays and plain values without running anything that they name.

A pickle names functions and says what to call them with. Here no such function is ever called, not
even NumPy's: `numpy.ndarray` with a crafted dtype follows pointers that stand in the file. What a
pickle names is only noted, and the arrays are built from that.
"""

import pickle
import re

import numpy as np

_NAMES = re.compile(
    r"_codecs\.encode"
    r"|numpy\.(dtype|ndarray)"
    r"|numpy\.(core|_core)\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)"
)
_INTEGERS = re.compile(r"[iu][1248]")


def read_pickle(file):
    """Return the value in a binary file; text that Python 2 wrote comes as bytes.

    Arrays and numbers of integers are read, as NumPy 1 and 2 write them. Anything else that is
    named or done raises a pickle.UnpicklingError; a damaged file can raise almost any exception.
    """
    return _plain(_Unpickler(file, encoding="bytes").load())


class _Named:
    """Something that a pickle names, and what it asks to call it with."""

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name, arguments=None):
        self.name = name
        self.arguments = arguments
        self.state = None

    def __call__(self, *arguments):
        return _Named(self.name, arguments)

    def __setstate__(self, state):
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if not _NAMES.fullmatch(f"{module}.{name}"):
            raise pickle.UnpicklingError(f"it asks to load {module}.{name}")
        return _Named(name)


def _plain(value):
    """Return a value with all that is `_Named` in it built."""
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _built(value) if isinstance(value, _Named) else value


def _built(value):
    """Return the bytes, number or array that a called name stands for."""
    match value.name, value.arguments, value.state:
        case "encode", (str(text), "latin1"), None:  # bytes, as protocols before 3 write them
            return text.encode("latin1")
        case "scalar", (dtype, data), None:
            return int(_array(data, dtype, (), False)[()])
        case "_reconstruct", _, (int(), tuple(shape), dtype, fortran, data):
            return _array(data, dtype, shape, fortran)
        case "_frombuffer", (data, dtype, tuple(shape), order), None:
            return _array(data, dtype, shape, order == "F")
    raise pickle.UnpicklingError(f"it calls {value.name} in a way that is not needed for an array")


def _array(data, dtype, shape, fortran):
    """Return an array of integers from its bytes."""
    kind, order = (_text(each) for each in (dtype.arguments[0], dtype.state[1]))
    if not _INTEGERS.fullmatch(kind) or order not in ("<", ">", "|", "="):
        raise pickle.UnpicklingError(f"it holds an array of type {kind!r}, not of integers")
    data = _built(data) if isinstance(data, _Named) else data
    array = np.frombuffer(data, np.dtype(kind).newbyteorder(order))
    return array.reshape(shape, order="F" if fortran else "C").copy()


def _text(value):
    """Return text, which Python 2 wrote as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
