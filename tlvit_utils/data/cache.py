"""Data sets kept on disk: one file each, memory-mapped, either complete or absent."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from tlvit_utils._files import locked, replacing
from tlvit_utils._text import printable

Shapes = dict[str, tuple[int, ...]]


def cache_dir() -> Path:
    """Return the folder that `TLVIT_CACHE_DIR` names, or `tlvit` where this system keeps caches."""
    if named := os.environ.get("TLVIT_CACHE_DIR"):
        return Path(os.path.expanduser(named))  # "~" stays where there is no home
    return user_cache_path("tlvit", appauthor=False, opinion=False)


def cache_path(name: str) -> Path:
    """Return where the arrays called `name` are kept, or would be."""
    return cache_dir() / f"{name}.npy"


def cached(
    name: str, shapes: Shapes, make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return the uint8 arrays of these shapes that `make` returns, from the cache if it has them.

    If several processes need the same arrays, one makes them and the others wait. A file that is
    damaged or holds other arrays is made again. If nothing can be kept, a line says why. The `name`
    must change whenever `make` would return other arrays.
    """
    path = cache_path(name)
    if os.path.exists(path):  # which, unlike Path.exists, is False where one may not look
        try:
            return load_arrays(path, shapes)
        except ValueError as error:
            print(printable(f"{error} Making it again."))
    with locked(path.with_suffix(".lock"), leftovers_of=path):
        with suppress(ValueError):  # another process may have made it meanwhile
            return load_arrays(path, shapes)
        arrays = make()
        try:
            save_arrays(path, arrays)
        except OSError as error:
            megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
            text = (
                f"{path} could not be written ({error.strerror or error}), so the next session "
                "starts over; to avoid that, set TLVIT_CACHE_DIR to a folder that you can write "
                f"to, with {megabytes:,.0f} MB free."
            )
            print(printable(text))
            return arrays
    return load_arrays(path, shapes)


def save_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """Write uint8 arrays to one `.npy` file, complete or not at all, as one record."""
    record = _record({name: array.shape for name, array in arrays.items()})
    header = {"descr": np.lib.format.dtype_to_descr(record), "fortran_order": False, "shape": ()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)


def load_arrays(path: str | os.PathLike, shapes: Shapes) -> dict[str, np.ndarray]:
    """Map the arrays of a file into memory, where they can be changed; the file stays as it is.

    A file that cannot be read, is cut short or holds other arrays raises a ValueError.
    """
    try:
        record = np.lib.format.open_memmap(path, mode="c")
        complete = os.path.getsize(path) == record.offset + record.nbytes
    except (ValueError, OSError) as error:
        raise ValueError(f"The cached file {path} cannot be read ({error}).") from error
    if not complete or record.shape != () or record.dtype != _record(shapes):
        raise ValueError(f"The cached file {path} is cut short or holds something else.")
    return {name: np.asarray(record[name]) for name in shapes}


def _record(shapes: Shapes) -> np.dtype:
    return np.dtype([(name, "uint8", shape) for name, shape in shapes.items()])
