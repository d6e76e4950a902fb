"""Make docs/BAD_INPUT.md: what the tests tried that cannot work, and what happened.

    python tools/make_bad_input_table.py

Runs the tests that expect an error, without a network, and writes down what each of them got. Run
it when there are new ones.
"""

import argparse
import inspect
import re
import reprlib
import sys
from collections import defaultdict
from html import escape

import numpy as np
import pytest

from run_notebooks import ROOT, write_text

PAGE = ROOT / "docs" / "BAD_INPUT.md"
EXPECTED = ("message", "error", "expected")  # parameters that are no input
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 60
SHORT.maxdict = SHORT.maxlist = SHORT.maxtuple = 4
SHOWN = 3  # different answers of one test
HEAD = """# Bad input

What the tests tried that cannot work, and what happened: {inputs} inputs, each of them refused with
one error. `python tools/make_bad_input_table.py` makes this page from a run of the tests.
"""
OWN = re.compile(r"/\S*/pytest-of-\w+/pytest-\d+/[\w-]+|127\.0\.0\.1:\d+")


class Refusals:
    """A plugin of pytest that keeps the errors which tests expect."""

    def __init__(self):
        self.answers = defaultdict(list)  # pairs of input and answer, by the test's file and name
        self.key = self.given = None

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if "raises(" in inspect.getsource(item.function)]

    def pytest_runtest_call(self, item):
        self.key = item.path.relative_to(ROOT / "tests").as_posix(), item.function.__name__
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        inputs = {name: value for name, value in parameters.items() if name not in EXPECTED}
        self.given = ", ".join(f"{name} = {_short(value)}" for name, value in inputs.items())

    def watch(self, raises_exit):
        """Return what takes the place of `pytest.raises(…).__exit__`."""

        def leave(context, kind, error, traceback):
            expected = raises_exit(context, kind, error, traceback)
            if expected and kind is not KeyboardInterrupt:
                self.answers[self.key].append((self.given, f"{kind.__name__}: {error}"))
            return expected

        return leave


def _short(value) -> str:
    """Return what tells a parameter of a test from others, on part of a line."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__).replace("<lambda>", "…")
    return SHORT.repr(value)


def make_page(answers: dict[tuple[str, str], list[tuple[str, str]]]) -> str:
    """Return the page: a table for each folder of tests, up to three rows for each test."""
    inputs = sum(map(len, answers.values()))
    lines = [HEAD.format(inputs=inputs)]
    rooms = defaultdict(list)
    for (path, test), all_answers in sorted(answers.items()):
        different = {_one_line(answer): _one_line(given) for given, answer in reversed(all_answers)}
        rows = [(given, answer) for answer, given in reversed(different.items())]
        if len(rows) > SHOWN:
            rows = [*rows[:SHOWN], ("", f"and {len(rows) - SHOWN} more")]
        words = test.removeprefix("test_").replace("_", " ")
        for given, answer in rows:
            rooms[path.split("/")[0]].append(f"| {words} | {given} | {answer} |")
            words = ""
    for room, rows in rooms.items():
        lines += [f"## {room}\n", "| the test | input | what happens |", "|---|---|---|"]
        lines += [*rows, ""]
    return "\n".join(lines)


def _one_line(answer: str) -> str:
    """Return an answer as a table can hold it, without what is another in each run."""
    plain = OWN.sub("…", re.sub(r"\x1b\[\d+m", "", answer))
    text = escape(" ".join(plain.split()), quote=False)
    return re.sub(r"([|`*_\\\[\]$])", r"\\\1", text[:400])


def main(arguments: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(arguments)
    refusals = Refusals()
    pytest.RaisesExc.__exit__ = refusals.watch(pytest.RaisesExc.__exit__)
    options = ["-q", "-p", "no:randomly", "-m", "", str(ROOT / "tests")]
    if code := pytest.main(options, plugins=[refusals]):
        sys.exit(code)
    write_text(PAGE, make_page(refusals.answers))


if __name__ == "__main__":
    main()
