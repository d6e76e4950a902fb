"""How numbers are written for a reader, and what a reader's terminal can show."""

import sys


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it: `45 s`, `3 min 20 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def printable(text: str) -> str:
    """Return the text with ? for what standard output cannot show, as in a log file on Windows."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
