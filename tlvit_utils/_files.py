"""Files that are complete or not there, and work that only one process does at a time."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
from filelock import FileLock, Timeout


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

    The system releases the lock when the process ends, however it ends. Where there are no locks
    (a folder without write permission, a file system without locks) the work goes on without one.
    """
    path = Path(path)
    with ExitStack() as stack:
        with suppress(OSError, NotImplementedError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                stack.enter_context(lock.acquire(timeout=0))
            except Timeout:  # it is held, or this folder has no locks
                with TemporaryDirectory(dir=path.parent) as folder:
                    FileLock(Path(folder, "lock")).acquire(timeout=0).lock.release()
                print("Another process is at the same work; waiting for it …")
                stack.enter_context(lock.acquire())
        yield


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
