"""Data sets kept on disk: one file each, memory-mapped, complete or not there."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tlvit_utils._files import locked, replacing


def cache_dir() -> Path:
    """Return the folder that `TLVIT_CACHE_DIR` names, or `tlvit` where this system keeps caches."""
    if named := os.environ.get("TLVIT_CACHE_DIR"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "tlvit"


def cache_path(name: str) -> Path:
    """Return where the arrays called `name` are kept, or would be."""
    return cache_dir() / f"{name}.npy"


def cached(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays that `make` returns, from the cache if they were made before.

    Of several processes that need the same arrays one makes them, and the others wait. A file that
    is damaged is made anew. Where the arrays cannot be kept, they are returned all the same, after
    a line that says why.

    Args:
        name: what to call them; another name wherever `make` would return others.
        make: returns the arrays; what it raises passes through.
    """
    path = cache_path(name)
    if path.exists():
        try:
            return load_arrays(path)
        except ValueError as error:
            print(f"{error} It is made anew.")
    with locked(path.with_suffix(".lock")):
        if path.exists():  # another process may have made it while this one waited
            try:
                return load_arrays(path)
            except ValueError:
                pass
        arrays = make()
        try:
            save_arrays(path, arrays)
        except OSError as error:
            megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
            print(
                f"{path} could not be written ({error.strerror}), so the next session starts over; "
                f"free {megabytes:,.0f} MB, or set TLVIT_CACHE_DIR to a folder with room."
            )
            return arrays
    return load_arrays(path)


def save_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays to one `.npy` file: a single record with one field for each of them.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    record = np.dtype([(name, array.dtype, array.shape) for name, array in arrays.items()])
    header = {"descr": np.lib.format.dtype_to_descr(record), "fortran_order": False, "shape": ()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)


def load_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Map the arrays of a file into memory: a page is read when it is used.

    They can be changed, but only in memory; the file stays as it is.

    Raises:
        ValueError: the file is cut short, or is not one that `save_arrays` wrote.
    """
    try:
        record = np.lib.format.open_memmap(path, mode="c")
        complete = os.path.getsize(path) == record.offset + record.nbytes
    except (ValueError, OSError) as error:
        raise ValueError(f"The cached file {path} cannot be read ({error}).") from error
    if not complete or not record.dtype.names:
        raise ValueError(f"The cached file {path} is cut short or holds something else.")
    return {name: np.asarray(record[name]) for name in record.dtype.names}
