"""Download one file of known size and hash from the first mirror that serves it.

Neither Keras's `get_file` nor pooch continues a broken download or abandons a slow mirror; both
wait for whole blocks, so they never notice a server that sends a byte now and then.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tlvit_utils._text import format_seconds, printable

BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file of `size` bytes that several servers offer, the best first, and its hash."""

    mirrors: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class Patience:
    """When to give up on a mirror.

    Attributes:
        seconds: wait for an answer or for more bytes, and the time over which a rate is measured.
        rate: bytes per second below which a mirror is too slow while another is untried.
        last_rate: bytes per second below which any mirror counts as dead.
        tries: number of times that a mirror may send fewer than `worthwhile` new bytes.
        pause: seconds before a mirror is tried again.
    """

    seconds: float = 10.0
    rate: float = 300e3
    last_rate: float = 5e3
    tries: int = 2
    worthwhile: int = 1_000_000
    pause: float = 2.0


class MirrorError(Exception):
    """A mirror did not serve the file; if `final`, there is no point in asking again."""

    def __init__(self, reason: str, final: bool = False):
        super().__init__(reason)
        self.final = final


def download(remote: RemoteFile, path: Path, patience: Patience = Patience()) -> None:
    """Download `remote` to `path`; when this returns, the file is there and its hash is right.

    An interrupted download leaves in `path` what has arrived; calling this again continues it, from
    any mirror. While other mirrors are untried, a slow one is abandoned for the next; in the end
    the fastest is used. If none serves the file, a ConnectionError gives each address and the
    reason. Only one process at a time may use `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        path.unlink()  # what another account left unfinished
    tries = dict.fromkeys(remote.mirrors, patience.tries)
    rates, reasons = {}, {}  # of the mirrors that were tried
    while left := [url for url in tries if tries[url] > 0]:
        fresh = [url for url in left if url not in rates]
        url = fresh[0] if fresh else max(left, key=rates.get)
        if len(fresh) > 1:
            slowest = patience.rate
        elif fresh:  # better than those that are left, or they get another try
            slowest = min(patience.rate, max([rates[u] for u in left if u in rates], default=0))
        else:
            slowest = 0
            time.sleep(patience.pause)
        size_before, start = _size(path), time.perf_counter()
        try:
            _fetch(url, remote, path, max(slowest, patience.last_rate), patience.seconds)
            return
        except MirrorError as error:
            gained = max(0, _size(path) - size_before)
            rates[url] = gained / (time.perf_counter() - start)
            reasons[url] = str(error)
            tries[url] = 0 if error.final else tries[url] - (gained < patience.worthwhile)
            print(f"{_host(url)}: {error}.")
    raise ConnectionError("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))


def _fetch(url: str, remote: RemoteFile, path: Path, slowest: float, seconds: float) -> None:
    """Append the missing bytes to `path`, and check the whole; a wrong file is deleted."""
    with open(path, "ab") as file:
        start = file.tell()
        if start < remote.size:
            with _network_errors():
                response = _answer(url, start, seconds)
            with response:
                start = start if response.status == 206 else 0  # else it sends all of the file
                _check_answer(response, start, remote.size)
                if start < file.tell():
                    file.truncate(start)
                with _Progress(_host(url), start, remote.size, slowest, seconds) as progress:
                    for block in _blocks(response):
                        file.write(block)
                        progress.update(len(block))
                        if progress.done > remote.size:
                            break
    size = _size(path)
    if size < remote.size:
        raise MirrorError(f"stopped after {size:,} of {remote.size:,} bytes")
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if size > remote.size or sha256 != remote.sha256:
        path.unlink()
        if start == 0:
            raise MirrorError("sent the wrong file", final=True)
        _fetch(url, remote, path, slowest, seconds)  # the fault may lie in what was there already


def _answer(url: str, start: int, seconds: float):
    """Ask for the bytes from `start`, and return the server's answer within `seconds`.

    That takes a thread: urlopen restarts its timeout with every byte of the response's header.
    """
    request = Request(url, headers={"User-Agent": "tlvit-utils", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    answers = SimpleQueue()

    def ask():
        try:
            answers.put(urlopen(request, timeout=seconds))
        except Exception as error:
            answers.put(error)

    Thread(target=ask, daemon=True).start()  # Python ends without it
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError("timed out") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def _network_errors() -> Iterator[None]:
    """Turn network errors into a `MirrorError`."""
    try:
        yield
    except HTTPError as error:
        busy = error.code in (408, 429) or error.code >= 500
        raise MirrorError(f"answers {error.code} {error.reason}", final=not busy) from error
    except (OSError, HTTPException, ValueError) as error:  # ValueError: not an address
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        words = " ".join(str(reason).split()) or type(error).__name__
        raise MirrorError(words, isinstance(error, ValueError)) from error


def _check_answer(response, start: int, size: int) -> None:
    """Refuse an answer that cannot be the bytes from `start` to the end of the file."""
    if response.headers.get_content_type() == "text/html":
        raise MirrorError("sends a web page instead of the file", final=True)
    content_range = response.headers.get("Content-Range", "")
    if start and not content_range.startswith(f"bytes {start}-"):
        raise MirrorError("sends the wrong part of the file", final=True)
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != size - start:
        raise MirrorError(
            f"offers {int(length):,} bytes where {size - start:,} are expected", final=True
        )


def _blocks(response) -> Iterator[bytes]:
    """Yield bytes as they arrive, however few."""
    while True:
        with _network_errors():
            block = response.read1(BLOCK_BYTES)
        if not block:
            return
        yield block


class _Progress:
    """A line with a bar, the rate and the time left, which also notices a slow mirror."""

    def __init__(self, host: str, done: int, size: int, slowest: float, seconds: float):
        self.host, self.done, self.size = host, done, size
        self.slowest, self.seconds = slowest, seconds
        self.start = self.window_start = time.perf_counter()
        self.first = self.window_done = done
        self.shown = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.show()
        print()

    def update(self, new_bytes: int) -> None:
        """Count bytes that have arrived; a MirrorError if the last `seconds` brought too few."""
        self.done += new_bytes
        now = time.perf_counter()
        if now - self.shown > 0.5:
            self.shown = now
            self.show()
        if (waited := now - self.window_start) >= self.seconds:
            rate = (self.done - self.window_done) / waited
            if rate < self.slowest:
                raise MirrorError(f"is too slow, {rate / 1e3:,.0f} kB/s")
            self.window_start, self.window_done = now, self.done

    def show(self) -> None:
        filled = 20 * self.done // self.size
        rate = (self.done - self.first) / (time.perf_counter() - self.start)
        left = format_seconds((self.size - self.done) / rate) if rate else "unknown time"
        line = (
            f"\r{self.host}  {'█' * filled}{'░' * (20 - filled)}  {self.done / 1e6:,.1f} of "
            f"{self.size / 1e6:,.1f} MB · {rate / 1e6:.2f} MB/s · {left} left   "
        )
        print(printable(line), end="", flush=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc or url
    except ValueError:
        return url
