import contextlib
import hashlib
import os
import pickle
import pickletools
import re
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from misbehaving_server import MisbehavingServer
from small_cifar10 import COUNT, expected_images, make_archive, make_batch, make_folder

from tlvit_utils.data import cifar10
from tlvit_utils.data.cifar10 import find_folder, load, read_archive, read_batch
from tlvit_utils.data.download import RemoteFile

LABELS = make_batch()[b"labels"]


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    """No folder named in the environment, empty caches, no TensorFlow Datasets, no mirrors."""
    for name in ("TLVIT_CIFAR10_DIR", "TLVIT_CIFAR10_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TLVIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    monkeypatch.setattr(cifar10, "ARCHIVE", RemoteFile((), 0, ""))


@pytest.fixture
def small(monkeypatch):
    """Let files of COUNT images pass for CIFAR-10's."""
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", COUNT)


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as Python 2 wrote its `str`."""

    def save_string(self, obj):
        obj = obj.encode() if isinstance(obj, str) else obj
        self.write(pickle.BINSTRING + struct.pack("<i", len(obj)) + obj)

    dispatch = pickle._Pickler.dispatch | {bytes: save_string, str: save_string}


def python2_pickle(batch, path):
    """Write `batch` as the original files are: by Python 2 and a NumPy before 2."""
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(batch)
    path.write_bytes(path.read_bytes().replace(b"numpy._core", b"numpy.core"))


def assert_complete(arrays):
    images, labels = expected_images()
    np.testing.assert_array_equal(arrays["images"], images)
    np.testing.assert_array_equal(arrays["labels"], labels)
    assert (arrays["images"].dtype, arrays["labels"].dtype) == ("uint8", "uint8")


# folders


def test_a_folder_is_read_in_the_order_of_its_files(small, tmp_path, capsys):
    assert_complete(load(make_folder(tmp_path / "here")))
    assert capsys.readouterr().out == "Reading CIFAR-10 from the given folder.\n"
    assert not (tmp_path / "cache").exists()


def test_a_folder_can_be_copied_to_the_cache(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", "~/here")
    make_folder(tmp_path / "here")
    cifar10.copy_to_cache()
    monkeypatch.delenv("TLVIT_CIFAR10_DIR")
    assert_complete(load(may_download=False))
    assert "Reading CIFAR-10 from the course's cache." in capsys.readouterr().out


def test_the_order_of_the_sources(tmp_path, monkeypatch):
    """Each source that is added comes before those that were there already."""
    assert find_folder() is None
    cache = tmp_path / "keras" / "datasets"
    old = make_folder(cache / "cifar-10-batches-py")
    assert find_folder() == (old, "Keras's cache")
    new = make_folder(cache / "cifar-10-batches-py-target" / "cifar-10-batches-py")
    assert find_folder() == (new, "Keras's cache")
    named = make_folder(tmp_path / "named")
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(named))
    assert find_folder() == (named, "the folder that TLVIT_CIFAR10_DIR names")
    given = make_folder(tmp_path / "argument")
    assert find_folder(given) == (given, "the given folder")


def test_a_named_folder_that_lacks_a_file_is_refused(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "here")
    (folder / "data_batch_3").unlink()
    with pytest.raises(FileNotFoundError, match=r"here \(data_dir\) lacks data_batch_3;"):
        load(folder)
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"nowhere \(TLVIT_CIFAR10_DIR\) is not there"):
        load()


# what is in a file


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_every_pickle_protocol_is_read(protocol, small, tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(make_batch(), protocol=protocol))
    images, labels = read_batch(path)
    np.testing.assert_array_equal(
        images[..., 1].reshape(COUNT, -1), make_batch()[b"data"][:, 1024:2048]
    )
    np.testing.assert_array_equal(labels, LABELS)


def test_a_file_as_python_2_wrote_it_is_read(small, tmp_path):
    python2_pickle(make_batch(), tmp_path / "batch")
    images, labels = read_batch(tmp_path / "batch")
    np.testing.assert_array_equal(images[:, 0, 0, 0], make_batch()[b"data"][:, 0])
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    "labels",
    [np.array(LABELS), np.array(LABELS, ">i4"), list(np.array(LABELS))],
    ids=["array", "other byte order", "NumPy integers"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])  # NumPy 1 and 2 name it so
def test_text_keys_and_arrays_of_labels_are_read(core, protocol, labels, small, tmp_path):
    batch = {"data": np.asfortranarray(make_batch()[b"data"]), "labels": labels}
    written = pickletools.optimize(pickle.dumps(batch, protocol))
    if protocol < 4:  # later ones write the length of a name before it
        written = re.sub(rb"numpy\._?core", core.encode(), written)
    (tmp_path / "batch").write_bytes(written)
    images, read = read_batch(tmp_path / "batch")
    np.testing.assert_array_equal(read, LABELS)
    np.testing.assert_array_equal(images[:, 0, 0, 0], make_batch()[b"data"][:, 0])


class Hostile:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_in_a_file_can_run(small, tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(make_batch() | {b"extra": Hostile(tmp_path / "ran")}))
    with pytest.raises(ValueError, match=r"batch cannot be read \(it asks to load \w+\.mkdir\)"):
        read_batch(path)
    assert not (tmp_path / "ran").exists()


class Calls:
    """Pickles as a call of `function`, and then sets a state."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = function, arguments, state

    def __reduce__(self):
        return self.reduced


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
def test_arrays_that_crash_numpy_are_refused(gadget, key, small, tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(make_batch() | {key: GADGETS[gadget]}))
    with pytest.raises(ValueError, match=r"batch (cannot be read|has '(data|labels)')"):
        read_batch(path)
    assert np.dtype("u1") == np.uint8
    assert np.dtype("u1").names is None


@pytest.mark.parametrize(
    "content, message",
    [
        (pickle.dumps(make_batch())[:-100], "cannot be read"),
        (b"<!DOCTYPE html><p>Not found</p>", "cannot be read"),
        (b"", "cannot be read"),
        ([1, 2, 3], "lacks the keys 'data' and 'labels'"),
        ({b"data": make_batch()[b"data"]}, "lacks the keys"),
        (make_batch() | {b"data": np.zeros((COUNT, 3071), "uint8")}, r"not uint8 \(20, 3072\)"),
        (make_batch() | {b"data": np.zeros((COUNT - 1, 3072), "uint8")}, "not uint8"),
        (make_batch() | {b"data": np.zeros((COUNT, 3072), "float32")}, "'f4', not of integers"),
        (make_batch() | {b"data": np.zeros((COUNT, 3072), "int64")}, "not uint8"),
        (make_batch() | {b"data": [0] * COUNT}, "not uint8"),
        (make_batch() | {b"labels": LABELS[:-1]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], 10]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], -1]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], "cat"]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], True]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": 3}, "not 20 numbers 0..9"),
    ],
)
def test_a_damaged_file_is_named(content, message, small, tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        read_batch(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


# the archive


@pytest.fixture
def archive(tmp_path, small):
    """Write an archive of these bytes and return its path."""

    def archive(content):
        (tmp_path / "archive").write_bytes(content)
        return tmp_path / "archive"

    return archive


def test_an_archive_is_read_like_a_folder(archive, tmp_path):
    assert_complete(read_archive(archive(make_archive())))
    assert list(tmp_path.iterdir()) == [tmp_path / "archive"]  # nothing is unpacked


@pytest.mark.parametrize(
    "content, message",
    [
        (b"<!DOCTYPE html><p>Not found</p>", r"cannot be read \(not a gzip file\)"),
        (b"", "cannot be read"),
        (make_archive()[:-2000], "cannot be read"),
        (make_archive(data_batch_3=None), "lacks data_batch_3"),
        (make_archive(test_batch=[1]), "holds a test_batch that lacks the keys"),
    ],
)
def test_a_damaged_archive_is_named(content, message, archive):
    path = archive(content)
    with pytest.raises(ValueError, match=message) as error:
        read_archive(path)
    assert str(error.value).startswith(f"The archive {path} ")
    assert "or set TLVIT_CIFAR10_DIR to" in str(error.value)
    assert "\n" not in str(error.value)


# the network


@pytest.fixture
def serve(small, monkeypatch):
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

    def cache():
        return {path.name for path in (tmp_path / "cache").glob("*")} - {"cifar10.lock"}

    return cache


def test_what_was_downloaded_is_kept_in_one_file(serve, cache, capsys):
    server = serve("missing", "fine")
    for beginning in ("CIFAR-10 is not on this machine", "Reading CIFAR-10 from the course's"):
        assert_complete(load())
        assert capsys.readouterr().out.startswith(beginning)
        assert cache() == {"cifar10.npy"}
        assert len(server.requests) == 2


def test_a_mirror_of_ones_own_comes_first(serve, monkeypatch):
    server = serve("fine")
    monkeypatch.setenv("TLVIT_CIFAR10_URL", server.url("missing"))
    assert_complete(load())
    assert [behaviour for behaviour, _ in server.requests] == ["missing", "fine"]


def test_without_a_network_the_ways_out_are_told(serve, cache, monkeypatch):
    server = serve("web_page", "missing")
    with pytest.raises(ConnectionError) as error:
        load()
    for part in (server.url("web_page"), "404 Not Found", "TLVIT_CIFAR10_DIR", "TLVIT_CIFAR10_URL"):
        assert part in str(error.value)
    assert "cifar10.npy" not in cache()
    monkeypatch.setenv("TLVIT_CIFAR10_URL", server.url("fine"))  # one of the ways out
    assert_complete(load())


def test_nothing_is_downloaded_without_leave(serve, cache):
    server = serve("fine")
    with pytest.raises(ConnectionError, match="may not be downloaded here"):
        load(may_download=False)
    assert server.requests == []
    load()
    assert_complete(load(may_download=False))  # what is there may be used


def test_a_hostile_archive_does_not_run_and_is_not_kept(serve, cache, tmp_path):
    hostile = make_batch() | {b"extra": Hostile(tmp_path / "ran")}
    serve("fine", content=make_archive(data_batch_2=hostile))
    with pytest.raises(ValueError, match="it asks to load"):
        load()
    assert not (tmp_path / "ran").exists()
    assert cache() == set()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_with_the_download_is_named(serve, cache, tmp_path):
    serve("fine")
    archive = tmp_path / "cache" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    archive.symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        load()
    assert f"could not be downloaded to {archive} (No space left on device)" in str(error.value)
    assert "set TLVIT_CACHE_DIR to" in str(error.value)
    assert "cifar10.npy" not in cache()


def test_two_at_once_download_once(serve, cache, capsys):
    padded = make_batch(5) | {b"padding": np.random.default_rng(0).bytes(10_000)}
    server = serve("slow", content=make_archive(test_batch=padded))
    with ThreadPoolExecutor() as pool:
        for loaded in [pool.submit(load) for _ in range(2)]:
            assert_complete(loaded.result())
    assert "Another process is at the same work" in capsys.readouterr().out
    assert len(server.requests) == 1
    assert cache() == {"cifar10.npy"}


# TensorFlow Datasets


@pytest.fixture
def fake_datasets(small, monkeypatch):
    """TensorFlow Datasets, as far as it is used, with the images in an order of its own."""
    images, labels = expected_images()
    asked = []

    def load(name, *, split, batch_size, try_gcs, download):
        assert (name, split, batch_size) == ("cifar10", ["train", "test"], -1)
        assert try_gcs and not download
        asked.append(name)
        return [part(name, where) for name, where in zip(split, fake.parts, strict=True)]

    def part(name, where):
        order = np.random.default_rng(0).permutation(len(labels[where]))
        ids = np.array([f"{name}_{i:05}".encode() for i in order], dtype=object)
        return {"id": ids, "image": images[where][order], "label": labels[where][order]}

    fake = SimpleNamespace(load=load, as_numpy=lambda splits: splits, asked=asked)
    fake.parts = [slice(0, 5 * COUNT), slice(5 * COUNT, None)]
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    return fake


def test_tensorflow_datasets_gives_the_images_in_the_original_order(fake_datasets, serve, cache):
    server = serve("fine")
    for _ in range(2):
        assert_complete(load())
    assert cache() == {"cifar10.npy"}
    assert (fake_datasets.asked, server.requests) == (["cifar10"], [])


def test_where_tensorflow_datasets_cannot_the_mirrors_can(fake_datasets, serve, capsys):
    server = serve("fine")
    fake_datasets.parts = [slice(0, 5 * COUNT), slice(5 * COUNT, -1)]  # one image is missing
    assert_complete(load())
    assert "TensorFlow Datasets cannot give it (ValueError)." in capsys.readouterr().out
    assert len(server.requests) == 1
