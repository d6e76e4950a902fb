"""Files that are complete or not there, and work that only one process does at a time."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes `path` when all went well, and goes if not.

    A crash or an interruption leaves an earlier file at `path` as it was. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{uuid4().hex}.{path.name}")  # of this writer alone
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: str | os.PathLike) -> Iterator[None]:
    """Wait until no other process holds the lock on the empty file `path`, and hold it.

    The system gives the lock up when a process ends, however it ends. Where a lock cannot be had
    (a folder without write permission, a file system without locks) the work goes on without.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")  # noqa: SIM115 (closed below)
    except OSError:
        yield
        return
    with file:
        if not _take_lock(file):
            print("Another process is at the same work; waiting for it …")
            while not _take_lock(file):
                time.sleep(0.2)
        yield


def _take_lock(file) -> bool:
    """Return False while another process holds the lock."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # this file system has no locks
        pass
    return True


def save_result(path: str | os.PathLike, **fields) -> None:
    """Write `fields` as JSON, complete or not at all.

    Dataclasses become objects, arrays lists, and NumPy's numbers Python's.
    """
    text = json.dumps(fields, indent=1, default=_plain)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value):
    if is_dataclass(value):
        return asdict(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"JSON cannot hold a value of type {type(value).__name__}.")
