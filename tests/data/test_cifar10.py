import contextlib
import hashlib
import io
import multiprocessing
import os
import pickle
import pickletools
import re
import struct
import tracemalloc

import numpy as np
import pytest

from misbehaving_server import MisbehavingServer
from small_cifar10 import COUNT, expected_images, make_archive, make_batch, make_folder
from tlvit_utils.data import cifar10
from tlvit_utils.data.cifar10 import copy_to_cache, find_folder, load, read_batch
from tlvit_utils.data.download import RemoteFile

LABELS = make_batch()[b"labels"]


def assert_complete(arrays):
    images, labels = expected_images()
    np.testing.assert_array_equal(arrays["images"], images)
    np.testing.assert_array_equal(arrays["labels"], labels)
    assert (arrays["images"].dtype, arrays["labels"].dtype) == ("uint8", "uint8")


# folders


def test_folders_of_any_name_are_read_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    data, cache = tmp_path / "data", tmp_path / "cache"
    for variable, folder in (("TLVIT_CIFAR10_DIR", data), ("TLVIT_CACHE_DIR", cache)):
        folder.mkdir()
        link = tmp_path / f"Übungen {folder.name}"
        link.symlink_to(folder, target_is_directory=True)
        monkeypatch.setenv(variable, f"~/{link.name}")
    make_folder(data / "cifar-10-batches-py")
    assert_complete(load())
    assert not list(cache.iterdir())
    copy_to_cache()
    monkeypatch.delenv("TLVIT_CIFAR10_DIR")
    assert_complete(load(may_download=False))
    before = (cache / "cifar10.npy").stat().st_mtime_ns
    copy_to_cache()  # from the cache to itself: nothing to do
    assert (cache / "cifar10.npy").stat().st_mtime_ns == before
    assert "Reading CIFAR-10 from the course's cache." in capsys.readouterr().out
    assert sorted(path.name for path in cache.iterdir()) == ["cifar10.lock", "cifar10.npy"]


def test_a_cache_that_may_not_be_entered_has_nothing(forbid, tmp_path):
    forbid(tmp_path / "cache")
    with pytest.raises(ConnectionError, match="not on this machine"):
        load(may_download=False)


def test_a_named_folder_comes_before_keras_cache(tmp_path, monkeypatch):
    assert find_folder() is None
    cache = tmp_path / "keras" / "datasets" / "cifar-10-batches-py-target"
    kept = make_folder(cache / "cifar-10-batches-py")
    assert find_folder() == (kept, "Keras's cache")
    named = make_folder(tmp_path / "named")
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(named))
    assert find_folder() == (named, "the folder that TLVIT_CIFAR10_DIR names")


def test_a_named_folder_that_lacks_a_file_is_refused(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "here")
    (folder / "data_batch_3").unlink()
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(folder))
    with pytest.raises(FileNotFoundError, match="here lacks data_batch_3; set TLVIT_CIFAR10_DIR"):
        load()
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        load()


# what is in a file


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as Python 2 wrote its `str`."""

    def save_string(self, obj):
        obj = obj.encode() if isinstance(obj, str) else obj
        self.write(pickle.BINSTRING + struct.pack("<i", len(obj)) + obj)

    dispatch = pickle._Pickler.dispatch | {bytes: save_string, str: save_string}


def written(batch, protocol, core="numpy._core", pickler=pickle.Pickler):
    """Return `batch` as a NumPy wrote it that gave this name to its core (before 2, numpy.core)."""
    path = io.BytesIO()
    pickler(path, protocol).dump(batch)
    content = pickletools.optimize(path.getvalue())
    return re.sub(rb"numpy\._?core", core.encode(), content) if protocol < 4 else content


WITH_TEXT = {"data": np.asfortranarray(make_batch()[b"data"])}
INTEGERS = {"labels": list(np.array(LABELS))}
FORMS = {
    **{f"protocol {protocol}": written(make_batch(), protocol) for protocol in range(6)},
    "Python 2": written(make_batch(), 2, "numpy.core", Python2Pickler),
    "array of labels": written(WITH_TEXT | {"labels": np.array(LABELS)}, 5),
    "other byte order": written(WITH_TEXT | {"labels": np.array(LABELS, ">i4")}, 4),
    "NumPy 1's integers": written(WITH_TEXT | INTEGERS, 2, "numpy.core"),
    "NumPy 2's integers": written(WITH_TEXT | INTEGERS, 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_file_is_read(form, tmp_path):
    (tmp_path / "batch").write_bytes(FORMS[form])
    images, labels = read_batch(tmp_path / "batch")
    green = make_batch()[b"data"][:, 1024:2048]
    np.testing.assert_array_equal(images[..., 1].reshape(COUNT, -1), green)
    np.testing.assert_array_equal(labels, LABELS)


class Calls:
    """Pickles as a call of `function`, and then sets a state."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = function, arguments, state

    def __reduce__(self):
        return self.reduced


def test_nothing_in_a_file_can_run(tmp_path):
    path = tmp_path / "batch"
    hostile = Calls(os.mkdir, str(tmp_path / "ran"))
    path.write_bytes(pickle.dumps(make_batch() | {b"extra": hostile}))
    with pytest.raises(ValueError, match=r"batch cannot be read \(it asks to load '\w+\.mkdir'\)"):
        read_batch(path)
    assert not (tmp_path / "ran").exists()


U1 = np.dtype("u1")
GADGETS = {  # with NumPy's own functions the first three crash Python, the last spoils its dtypes
    "pointers": Calls(np.ndarray, (COUNT,), np.dtype("O")),
    "crafted dtype": Calls(np.ndarray, (COUNT,), Calls(np.dtype, "O8", state=(3, "|"))),
    "state": Calls(np.ndarray, (0,), state=(1, (9,), U1)),
    "structured": np.zeros(COUNT, [("a", "O"), ("b", "u1")]),
    "objects": np.array([object] * COUNT, dtype=object),
    "changed dtype": Calls(np.dtype, "u1", state=(3, "<", None, ("a",), {"a": (U1, 0)}, 8, 1, 0)),
}


@pytest.mark.parametrize("key", [b"data", b"labels"])
@pytest.mark.parametrize("gadget", GADGETS)
def test_arrays_that_crash_numpy_are_refused(gadget, key, tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(make_batch() | {key: GADGETS[gadget]}))
    with pytest.raises(ValueError, match="batch cannot be read"):
        read_batch(path)
    assert np.dtype("u1") == np.uint8
    assert np.dtype("u1").names is None


def with_labels(operations):
    """Return a pickle whose labels these operations make."""
    return pickle.dumps(make_batch(), 3)[:-1] + b"U\x06labels" + operations + b"s."


NESTED = b")" + b"\x85" * 100_000  # tuples
DOUBLING = b"]q\x01" + b"]q\x02(h\x01h\x01eq\x01" * 26  # each list holds the one before twice
COSTLY = {
    "nested key": (b"}" + NESTED + b"Ns.", "a key that is not text"),
    "nested set": (b"\x8f(" + NESTED + b"\x90.", "the operation EMPTY_SET"),
    "nested labels": (with_labels(b"]" + NESTED + b"a"), "'labels' are not"),
    "doubling labels": (with_labels(b"(" + DOUBLING + b"l"), "'labels' are not"),
    "doubling name": (DOUBLING + b"h\x01\x93.", "expected str"),
    "far place in the memo": (b"Nr\x00\xe1\xf5\x05.", "it holds a NoneType"),
    "many values": (b"}" * 500_001, "more than 500,000 operations"),
    "much said, little there": (b"\x96" + (1 << 60).to_bytes(8, "little") + b".", "expected"),
    "large": (b"N" * 100_000_001, "more than 100,000,000 bytes"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_file_costs_no_more_than_its_size(name, tmp_path):
    """Python's own reader takes gigabytes for some, and crashes on others."""
    content, message = COSTLY[name]
    (tmp_path / "batch").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"batch cannot be read .*{message}"):
        read_batch(tmp_path / "batch")
    assert tracemalloc.get_traced_memory()[1] < 120e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content, message",
    [
        (pickle.dumps(make_batch())[:-100], "only 61419 remain"),
        (b"<!DOCTYPE html><p>Not found</p>", "opcode b'<' unknown"),
        (b"", "before seeing STOP"),
        (pickle.dumps([1, 2, 3]), "it holds a list, not a dictionary"),
        ({b"labels": LABELS}, r"'data' are not an array \(20, 3072\)"),
        ({b"data": make_batch()[b"data"]}, "'labels' are not"),
        (make_batch() | {b"data": np.zeros((COUNT - 1, 3072), "uint8")}, "'data' are not"),
        (make_batch() | {b"data": np.zeros((COUNT, 3072), "float32")}, "'f4', not of integers"),
        (make_batch() | {b"data": np.zeros((COUNT, 3072), "int64")}, "not uint8"),
        (make_batch() | {b"data": [0] * COUNT}, "'data' are not"),
        *(
            (make_batch() | {b"labels": labels}, "not 20 numbers 0..9")
            for labels in (LABELS[:-1], *([*LABELS[:-1], x] for x in (10, -1, "cat", True)))
        ),
    ],
)
def test_a_damaged_file_is_named(content, message, tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} cannot be read .*{message}") as e:
        read_batch(path)
    assert "\n" not in str(e.value)


# the network


@pytest.fixture
def serve(monkeypatch):
    """Serve an archive, as long as the test runs, and let the known mirrors behave as named."""
    with contextlib.ExitStack() as stack:

        def serve(*behaviours, content=None):
            content = content or make_archive()
            server = stack.enter_context(MisbehavingServer(content))
            mirrors = tuple(server.url(behaviour) for behaviour in behaviours)
            sha256 = hashlib.sha256(content).hexdigest()
            monkeypatch.setattr(cifar10, "ARCHIVE", RemoteFile(mirrors, len(content), sha256))
            return server

        yield serve


@pytest.fixture
def cache(tmp_path):
    """The names of the files in the cache, but for the lock."""
    return lambda: {path.name for path in (tmp_path / "cache").glob("*")} - {"cifar10.lock"}


def test_what_was_downloaded_is_kept_in_one_file(serve, cache, capsys):
    server = serve("missing", "fine")
    for may_download, beginning in (
        (True, "CIFAR-10 is not on this machine"),
        (False, "Reading CIFAR-10 from the course's cache."),
    ):
        assert_complete(load(may_download))
        assert capsys.readouterr().out.startswith(beginning)
        assert cache() == {"cifar10.npy"}
        assert len(server.requests) == 2


def test_without_a_network_the_ways_out_are_told(serve, cache, monkeypatch):
    server = serve("web_page", "missing")
    with pytest.raises(ConnectionError) as error:
        load()
    for part in (server.url("web_page"), "404 Not Found", "TLVIT_CIFAR10_DIR", "TLVIT_CIFAR10_URL"):
        assert part in str(error.value)
    assert "cifar10.npy" not in cache()
    monkeypatch.setenv("TLVIT_CIFAR10_URL", server.url("fine"))  # one of the ways out
    server.requests.clear()
    assert_complete(load())
    assert server.requests == [("fine", None)]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_with_the_download_is_named(serve, cache, tmp_path):
    serve("fine")
    archive = tmp_path / "cache" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    archive.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as error:
        load()
    assert all(part in str(error.value) for part in (str(archive), "set TLVIT_CACHE_DIR to"))
    assert "cifar10.npy" not in cache()


def load_elsewhere(archive, folder):
    """Load in a process of its own."""
    cifar10.BATCH_IMAGES, cifar10.ARCHIVE = COUNT, archive
    os.environ |= {"TLVIT_CACHE_DIR": folder, "KERAS_HOME": folder, "no_proxy": "127.0.0.1"}
    for name in ("TLVIT_CIFAR10_DIR", "TLVIT_CIFAR10_URL"):
        os.environ.pop(name, None)
    assert_complete(load())


@pytest.mark.slow
def test_a_class_of_thirty_downloads_once(serve, cache, tmp_path):
    padded = make_batch(5) | {b"padding": np.random.default_rng(0).bytes(50_000)}
    server = serve("slow", content=make_archive(test_batch=padded))
    fresh = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
    fresh.set_forkserver_preload(["keras"])
    folder = str(tmp_path / "cache")
    learners = [
        fresh.Process(target=load_elsewhere, args=(cifar10.ARCHIVE, folder)) for _ in range(30)
    ]
    for learner in learners:
        learner.start()
    for learner in learners:
        learner.join()
    assert {learner.exitcode for learner in learners} == {0}
    assert len(server.requests) == 1
    assert cache() == {"cifar10.npy"}
