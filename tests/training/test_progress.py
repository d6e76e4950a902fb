import io
import math
import os
import sys

import IPython.display
import pytest
from matplotlib.figure import Figure

from tlvit_utils.training import progress
from tlvit_utils.training.progress import LiveCurves, ProgressLine

LOGS = {"loss": 1.5, "accuracy": 0.25}


class Clock:
    """Stands in for the module `time`: it goes when told."""

    now = 0.0

    def perf_counter(self):
        return self.now


class Notebook:
    """Stands in for IPython's `display`: keeps what was shown."""

    def __init__(self):
        self.handles = 0
        self.shown = []

    def display(self, shown, display_id, **options):
        self.handles += 1
        self.shown.append(shown)
        return self

    def update(self, shown, **options):
        self.shown.append(shown)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(progress, "time", Clock())
    return progress.time


@pytest.fixture
def notebook(monkeypatch):
    notebook = Notebook()
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", notebook.display)
    return notebook


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Make stdout a terminal that is wide enough for any line."""
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    size = os.terminal_size((200, 24))
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda **_: size)


@pytest.fixture
def line(clock):
    """Three epochs of 100 images in batches of 10."""
    line = ProgressLine("tiny", num_images=100, batch_size=10)
    line.set_params({"epochs": 3})
    line.on_train_begin()
    return line


def run_epoch(line, clock, epoch, batches=10):
    """One second per batch; the first takes 30 more, to compile."""
    line.on_epoch_begin(epoch)
    for batch in range(batches):
        clock.now += 1 if batch else 31
        line.on_train_batch_end(batch, LOGS)


def test_a_terminal_keeps_one_line_per_epoch(terminal, line, clock, capsys):
    run_epoch(line, clock, 0, batches=4)  # 26 s for 60 and 2 × 100 images, without compiling
    assert "10 images/s · 26 s left" in capsys.readouterr().out.split("\r")[-1]
    for epoch in range(3):
        run_epoch(line, clock, epoch)
        line.on_epoch_end(epoch, LOGS)
    kept = capsys.readouterr().out.split("\n")
    assert len(kept) == 4 and kept[-1] == ""


def test_a_file_holds_whole_lines_only(line, clock, capsys):
    for epoch in range(2):
        run_epoch(line, clock, epoch)
        line.on_epoch_end(epoch, LOGS | {"val_accuracy": 0.5})
    written = capsys.readouterr().out
    assert "\r" not in written
    assert len(written.splitlines()) == 2


def test_a_file_that_cannot_hold_the_bar_gets_question_marks(line, clock, monkeypatch):
    """As on Windows, where a log file is in cp1252."""
    file = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", file)
    run_epoch(line, clock, 0)
    line.on_epoch_end(0, LOGS)
    file.flush()
    assert b"tiny: epoch 1 of 3 ????????????" in file.buffer.getvalue()


def test_a_notebook_shows_one_line_in_place(notebook, line, clock, capsys):
    run_epoch(line, clock, 0)
    assert capsys.readouterr().out == ""
    assert len(notebook.shown) > 1 and notebook.handles == 1


def draw_two_epochs(epochs=(0, 1)):
    """Return the curves after two epochs of four batches, and what was drawn after each point."""
    drawn = []

    def draw(history, epochs):
        drawn.append((history["at"].copy(), epochs))
        return Figure()

    curves = LiveCurves(draw, points=2)
    curves.set_params({"epochs": 3, "steps": 4})
    curves.on_train_begin()
    for epoch in epochs:
        curves.on_epoch_begin(epoch)
        for batch, mean in enumerate((4.0, 3.0, 3.0, 2.0)):  # over the epoch so far, as Keras logs
            curves.on_train_batch_end(batch, {"loss": mean})
        curves.on_epoch_end(epoch, {"loss": 2.0, "val_loss": 2.5 - epoch})
    return curves, drawn


def test_curves_have_points_within_the_epochs_and_grow_in_place(notebook):
    curves, drawn = draw_two_epochs()
    assert curves.history["at"] == [0.5, 1.0, 1.5, 2.0]
    assert curves.history["loss"] == [3.0, 1.0, 3.0, 1.0]  # each of its two batches alone
    assert curves.history["val_loss"] == [2.5, 1.5]
    assert drawn == [([0.5, 1.0, 1.5, 2.0][:n], 3) for n in (1, 2, 3, 4)]
    assert notebook.handles == 1
    assert "2 of 3 epochs" in notebook.shown[-1]["text/plain"]


def test_the_epochs_before_a_resumed_training_are_empty():
    curves, drawn = draw_two_epochs(epochs=[2])
    assert curves.history["at"] == [2.5, 3.0]
    assert curves.history["val_loss"] == [pytest.approx(math.nan, nan_ok=True)] * 2 + [0.5]
    assert drawn == []  # outside a notebook
