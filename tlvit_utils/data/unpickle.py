"""Reads the pickles that CIFAR-10's files are, without doing what they say.

A pickle is a program: it names functions and says what to call them with. NumPy's follow
pointers from the file, and nested values overflow the stack of Python's reader. This reader knows
only the few operations of these files. Each costs no more than its bytes, and a call is noted, not
made. An array is built from such a note, and only where its shape is the wanted one.
"""

import re
from dataclasses import dataclass, replace
from math import prod
from pickle import UnpicklingError
from pickletools import genops

import numpy as np

MAX_BYTES = 100_000_000  # three times a file of CIFAR-10
MAX_OPERATIONS = 500_000  # NumPy's integers as 10,000 labels take 180,000

_NAMES = re.compile(
    r"_codecs\.encode"
    r"|numpy\.(dtype|ndarray)"
    r"|numpy\.(core|_core)\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)"
)
_INTEGERS = re.compile(r"[iu][1248]")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class _Named:
    """Something that a pickle names, what it asks to call it with, and the state it sets."""

    name: str
    arguments: tuple | None = None
    state: tuple | None = None


def read_pickle(file):
    """Return the value in a binary file; text that Python 2 wrote comes as bytes.

    `read_array` and `read_integer` build what it holds of NumPy's. An UnpicklingError says what the
    file does that CIFAR-10's do not; a damaged one can raise almost any exception.
    """
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnpicklingError(f"it has more than {MAX_BYTES:,} bytes")
    stacks, memo = [[]], {}  # a stack for each mark that is open
    for number, (operation, argument, _) in enumerate(genops(content)):
        if number == MAX_OPERATIONS:
            raise UnpicklingError(f"it has more than {MAX_OPERATIONS:,} operations")
        _do(operation.name, argument, stacks, memo)
    return stacks[-1].pop()


def _do(name, argument, stacks, memo):
    """Do one operation of a pickle."""
    stack = stacks[-1]
    match name:
        case "PROTO" | "FRAME" | "STOP":
            pass
        case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1":
            stack.append(argument)
        case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
            stack.append(argument)
        case "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
            stack.append(argument)
        case "STRING" | "BINSTRING" | "SHORT_BINSTRING":  # from Python 2
            stack.append(argument.encode("latin1"))
        case "NONE" | "NEWTRUE" | "NEWFALSE":
            stack.append(_CONSTANTS[name])
        case "PUT" | "BINPUT" | "LONG_BINPUT":
            memo[argument] = stack[-1]
        case "MEMOIZE":
            memo[len(memo)] = stack[-1]
        case "GET" | "BINGET" | "LONG_BINGET":
            stack.append(memo[argument])
        case "MARK":
            stacks.append([])
        case "TUPLE":
            stacks[-2].append(tuple(stacks.pop()))
        case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
            first = len(stack) - _TUPLES[name]
            stack[first:] = [tuple(stack[first:])]
        case "EMPTY_LIST":
            stack.append([])
        case "LIST":
            stacks[-2].append(stacks.pop())
        case "APPEND":
            item = stack.pop()
            list.append(stack[-1], item)
        case "APPENDS":
            list.extend(stacks[-2][-1], stacks.pop())
        case "EMPTY_DICT":
            stack.append({})
        case "DICT":
            stacks[-2].append(_dictionary(stacks.pop()))
        case "SETITEM":
            value, key = stack.pop(), stack.pop()
            dict.update(stack[-1], _dictionary([key, value]))
        case "SETITEMS":
            dict.update(stacks[-2][-1], _dictionary(stacks.pop()))
        case "GLOBAL":
            stack.append(_named(*argument.split(" ")))
        case "STACK_GLOBAL":
            function, module = stack.pop(), stack.pop()
            stack.append(_named(module, function))
        case "REDUCE":
            arguments = stack.pop()
            stack[-1] = replace(stack[-1], arguments=arguments)
        case "BUILD":
            state = stack.pop()
            stack[-1].state = state
        case _:
            raise UnpicklingError(f"it has the operation {name}, which no array needs")


def _named(module, function):
    """Return a note of a function that the file names."""
    name = ".".join((module, function))
    if not _NAMES.fullmatch(name):
        raise UnpicklingError(f"it asks to load {name[:80]!r}")
    return _Named(function)


def _dictionary(items):
    """Return alternating keys and values as a dictionary."""
    keys = [_text(key) for key in items[::2]]
    if not all(type(key) in (str, bytes) for key in keys):  # others may nest deeply
        raise UnpicklingError("it has a key that is not text")
    return dict(zip(keys, items[1::2], strict=True))


def _text(value):
    """Return the text as which protocols before 3 write bytes, and anything else as it is."""
    match value:
        case _Named(name="encode", arguments=(text, "latin1")):
            return text
    return value


def read_array(name, value, shape):
    """Return the array of integers of this shape that a pickle holds under this name."""
    match value:
        case _Named(name="_reconstruct", state=(_, given, dtype, fortran, data)):
            pass
        case _Named(name="_frombuffer", arguments=(data, dtype, given, order)):
            fortran = order == "F"
        case _:
            given = None
    if given != shape:
        raise UnpicklingError(f"its {name!r} are not an array {shape}")
    return _array(data, dtype, shape).reshape(shape, order="F" if fortran else "C")


def read_integer(value):
    """Return a pickled NumPy number as an int, and anything else as it is."""
    match value:
        case _Named(name="scalar", arguments=(dtype, data)):
            return int(_array(data, dtype, ())[0])
    return value


def _array(data, dtype, shape):
    """Return a flat array of integers, as many as `shape` says, from its bytes."""
    match dtype:
        case _Named(name="dtype", arguments=(kind, *_), state=(_, order, *_)):
            kind, order = (x.decode() if isinstance(x, bytes) else x for x in (kind, order))
        case _:
            raise UnpicklingError("it holds an array of no type")
    if not _INTEGERS.fullmatch(kind) or order not in ("<", ">", "|", "="):
        raise UnpicklingError(f"it holds an array of type {kind[:80]!r}, not of integers")
    dtype = np.dtype(kind).newbyteorder(order)
    data = _text(data)
    if len(data) != prod(shape) * dtype.itemsize:
        raise UnpicklingError("it holds an array of another number of bytes")
    if isinstance(data, str):
        data = data.encode("latin1")
    return np.frombuffer(data, dtype)
