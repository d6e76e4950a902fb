"""Trainings that are killed, interrupted or run out of room, each in a process of its own.

The processes are forked from one that has imported Keras and computed nothing yet.
"""

import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from test_loop import At, train_on_noise

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]
FORKED = multiprocessing.get_context("forkserver") if sys.platform != "win32" else None
FILES = ["best.resume.npz", "best.weights.h5"]


def child(folder, kill_at=None, limit_at=None):
    """Train; be killed at one opened, renamed or deleted file, or let files grow no more."""
    import resource

    folder.mkdir(exist_ok=True)
    events = itertools.count(1)

    def at_each_event(event, arguments):
        of_this = event in ("open", "os.rename", "os.remove") and str(folder) in str(arguments[0])
        if of_this and next(events) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    if kill_at:
        sys.addaudithook(at_each_event)
    if limit_at == -1:
        limit()
    outcome = folder.with_suffix(".json")
    outcome.unlink(missing_ok=True)
    try:
        weights, history = train_on_noise(folder, 2, [At(limit_at, 0, limit)])
    except OSError as error:
        outcome.write_text(json.dumps(str(error)))
    else:
        outcome.write_text(json.dumps([history["loss"], *(each.tolist() for each in weights)]))


def start(folder, **options):
    process = FORKED.Process(target=child, args=(folder,), kwargs=options)
    process.start()
    return process


def run(folder, **options):
    """Train in another process; return its exit code and what it reported."""
    process = start(folder, **options)
    process.join()
    outcome = folder.with_suffix(".json")
    return process.exitcode, json.loads(outcome.read_text()) if outcome.exists() else None


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The seconds of an unbroken training, and its losses and weights."""
    FORKED.set_forkserver_preload(["keras", "test_loop"])
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    run(folder)  # imports what the others share
    begin = time.perf_counter()
    code, outcome = run(folder.with_name("again"))
    assert code == 0
    return time.perf_counter() - begin, outcome


def assert_goes_on(folder, unbroken):
    assert run(folder) == (0, unbroken[1])
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_a_training_killed_at_any_file_goes_on(unbroken, tmp_path):
    """At every fourth that it opens, renames or deletes."""
    for number in itertools.count(1, 4):
        folder = tmp_path / str(number)
        code, _ = run(folder, kill_at=number)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert_goes_on(folder, unbroken)
    assert number > 10


@pytest.mark.parametrize("signals", [[signal.SIGKILL], [signal.SIGINT], 2 * [signal.SIGINT]])
@pytest.mark.parametrize("seed", range(3))
def test_a_training_stopped_at_any_time_goes_on(signals, seed, unbroken, tmp_path):
    process = start(tmp_path / "run")
    process.join(random.Random(seed).uniform(0, unbroken[0]))
    for each in signals:
        with suppress(ProcessLookupError):
            os.kill(process.pid, each)
        process.join(0.05)
    process.join()
    assert process.exitcode in (0, 1, -signals[0])
    assert_goes_on(tmp_path / "run", unbroken)


@pytest.mark.parametrize("epoch", [-1, 0, 1])
def test_a_disk_that_is_full_is_told_in_a_sentence(epoch, unbroken, tmp_path):
    code, message = run(tmp_path / "run", limit_at=epoch)
    assert code == 0  # HDF5 would crash
    assert "cannot be written (File too large); choose a folder" in message
    assert not {path.name for path in Path(tmp_path, "run").iterdir()} - {*FILES}
    assert_goes_on(tmp_path / "run", unbroken)
