"""Files that are either complete or absent, and work that only one process does at a time."""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, is_dataclass
from functools import partial
from glob import escape
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock, Timeout

from tlvit_utils._text import printable

BLOCK_BYTES = 1_000_000
CORRUPT = (BadZipFile, EOFError, zlib.error)  # what a damaged .npz file raises


class BusyError(OSError):
    """Another process is doing this work."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path to write to, which becomes `path` if nothing is raised.

    Whatever happens, a file at `path` is complete. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{uuid4().hex}.{path.name}")  # of this writer alone
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # before the name, so that a power cut leaves no empty file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(prefix: str | os.PathLike) -> None:
    """Delete what killed writers left of files whose paths have this prefix; hold their lock."""
    prefix = Path(prefix)
    for path in prefix.parent.glob(f"{32 * '[0-9a-f]'}.{escape(prefix.name)}*"):
        with suppress(OSError):  # another account's, or on a read-only disk
            path.unlink()


def ensure_room(path: str | os.PathLike, size: int) -> None:
    """Raise an OSError unless `size` bytes can be written to `path`; make its folder."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        block = os.urandom(BLOCK_BYTES)  # a file system that compresses keeps zeros in no room
        # a name for `remove_leftovers`, where a killed process leaves the file
        with TemporaryFile(dir=path.parent, prefix=f"{uuid4().hex}.{path.name}.") as file:
            for start in range(0, size, BLOCK_BYTES):
                file.write(block[: size - start])
    except OSError as error:
        raise OSError(
            f"{path} cannot be written ({error.strerror or error}); choose a folder that you can "
            f"write to, with {size / 1e6:,.1f} MB free."
        ) from error


@contextmanager
def locked(
    path: str | os.PathLike, busy: str = "", *, leftovers_of: str | os.PathLike | None = None
) -> Iterator[bool]:
    """Hold the lock on the empty file `path`, which one process has at a time.

    Gives whether it is held; where it is, what killed writers left of `leftovers_of` is removed.
    While another has it, wait for it or, if `busy` is given, raise a BusyError that says so. The
    system releases it when the process ends, however that ends. In a read-only folder, or on a
    file system without locks, nothing is locked.
    """
    path = Path(path)
    # every account may hold it, and the lock of a killed process must not stay
    lock = partial(FileLock, path, mode=0o666, fallback_to_soft=False)
    with ExitStack() as held:
        is_held = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(lock(timeout=0))
        except Timeout:
            if busy:
                raise BusyError(busy) from None
            print(printable("Another process is doing the same work; waiting for it …"))
            held.enter_context(lock())
        except (OSError, NotImplementedError):
            is_held = False
        if is_held and leftovers_of is not None:
            remove_leftovers(leftovers_of)
        yield is_held


def save_result(path: str | os.PathLike, **fields) -> None:
    """Write `fields` as JSON, complete or not at all; dataclasses become objects, arrays lists."""
    text = json.dumps(_plain(fields), indent=1)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value):
    if is_dataclass(value):
        value = asdict(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
