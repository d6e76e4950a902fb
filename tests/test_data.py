import ast
import inspect
import os
import pickle
import struct
from pathlib import Path

import keras
import numpy as np
import pytest

import tlvit_utils
from tlvit_utils import data
from tlvit_utils.data import check_images, find_cifar10, load_cifar10, make_pipeline, read_batch

FILES = (*data.TRAIN_FILES, data.TEST_FILE)
COUNT = 20  # images in each file of the small folders here
CIFAR10_DIR = os.environ.get("TLVIT_CIFAR10_DIR")  # each test unsets it


@pytest.fixture
def small(monkeypatch):
    """Let files of COUNT images pass for CIFAR-10's."""
    monkeypatch.setattr(data, "BATCH_IMAGES", COUNT)


@pytest.fixture(autouse=True)
def no_cifar10(monkeypatch, tmp_path):
    """No folder named in the environment, an empty Keras cache, and no way to download."""
    monkeypatch.delenv("TLVIT_CIFAR10_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(keras.utils, "get_file", lambda **_: pytest.fail("it would download"))


def make_batch(number=0):
    """Return a small batch as the files hold it; `number` is added to each pixel."""
    pixels = np.arange(COUNT * 3072).reshape(COUNT, 3072) + number
    labels = [(i + number) % 10 for i in range(COUNT)]
    return {b"data": pixels.astype("uint8"), b"labels": labels, b"batch_label": b"any"}


LABELS = make_batch()[b"labels"]


def make_folder(folder):
    folder.mkdir(parents=True)
    for number, name in enumerate(FILES):
        (folder / name).write_bytes(pickle.dumps(make_batch(number), protocol=2))
    return folder


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


def test_the_splits_hold_the_files_in_order(small, tmp_path):
    dataset = load_cifar10(make_folder(tmp_path / "here"))
    for (images, labels), numbers in (
        (dataset.train, range(4)),
        (dataset.validation, [4]),
        (dataset.test, [5]),
    ):
        batches = [make_batch(number) for number in numbers]
        pixels = np.concatenate([batch[b"data"] for batch in batches])
        expected = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, np.concatenate([b[b"labels"] for b in batches]))
        assert (images.dtype, labels.dtype) == ("uint8", "uint8")
    assert repr(dataset) == "CIFAR-10: 80 / 20 / 20 images to train, validate and test"


@pytest.mark.skipif(not CIFAR10_DIR, reason="TLVIT_CIFAR10_DIR is not set")
def test_the_real_cifar10():
    dataset = load_cifar10(CIFAR10_DIR)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert [images.shape for images, _ in splits] == [
        (count, 32, 32, 3) for count in (40_000, 10_000, 10_000)
    ]
    assert {array.dtype.name for split in splits for array in split} == {"uint8"}
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), [1000] * 10)
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), [5000] * 10)


def test_the_order_of_the_sources(small, tmp_path, monkeypatch):
    """Each source that is added comes before those that were there already."""
    downloads = []

    def download(**options):
        downloads.append(options)
        return str(make_folder(tmp_path / "download" / "cifar-10-batches-py").parent)

    monkeypatch.setattr(keras.utils, "get_file", download)
    assert find_cifar10() is None
    assert len(load_cifar10().train.labels) == 4 * COUNT
    (options,) = downloads
    assert (options["origin"], options["file_hash"]) == (data.CIFAR10_URL, data.CIFAR10_SHA256)

    cache = tmp_path / "keras" / "datasets"
    old = make_folder(cache / "cifar-10-batches-py")
    assert find_cifar10() == old
    new = make_folder(cache / options["fname"] / "cifar-10-batches-py")
    assert find_cifar10() == new
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(make_folder(tmp_path / "named")))
    assert find_cifar10() == tmp_path / "named"
    assert find_cifar10(make_folder(tmp_path / "argument")) == tmp_path / "argument"
    load_cifar10()
    assert len(downloads) == 1


def test_the_download_is_the_one_that_keras_makes():
    source = inspect.getsource(keras.datasets.cifar10.load_data)
    assert data.CIFAR10_URL in source
    assert data.CIFAR10_SHA256 in source
    assert '"cifar-10-batches-py-target"' in source


def test_an_incomplete_cache_is_passed_over(tmp_path):
    folder = make_folder(tmp_path / "keras" / "datasets" / "cifar-10-batches-py")
    (folder / "data_batch_3").unlink()
    assert find_cifar10() is None


def test_the_folder_above_will_do(tmp_path):
    inner = make_folder(tmp_path / "cifar-10-batches-py")
    assert find_cifar10(tmp_path) == inner


def test_a_named_folder_that_lacks_a_file_is_refused(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "here")
    (folder / "data_batch_3").unlink()
    with pytest.raises(FileNotFoundError, match=r"here \(data_dir\) lacks data_batch_3;"):
        load_cifar10(folder)
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"nowhere \(TLVIT_CIFAR10_DIR\) is not there"):
        load_cifar10()


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


def test_text_keys_and_an_array_of_labels_are_read(small, tmp_path):
    batch = {"data": make_batch()[b"data"], "labels": np.array(LABELS)}
    (tmp_path / "batch").write_bytes(pickle.dumps(batch))
    np.testing.assert_array_equal(read_batch(tmp_path / "batch")[1], LABELS)


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
        (make_batch() | {b"data": np.zeros((COUNT, 3072), "float32")}, "not uint8"),
        (make_batch() | {b"data": [0] * COUNT}, "not uint8"),
        (make_batch() | {b"labels": LABELS[:-1]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], 10]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], -1]}, "not 20 numbers 0..9"),
        (make_batch() | {b"labels": [*LABELS[:-1], "cat"]}, "not 20 numbers 0..9"),
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


def test_a_file_must_hold_ten_thousand_images(tmp_path):
    folder = make_folder(tmp_path / "small")
    with pytest.raises(ValueError, match=r"data_batch_1 has 'data' that.*\(10000, 3072\)"):
        load_cifar10(folder)


GOOD = np.full((2, 32, 32, 3), 200, dtype="uint8")


@pytest.mark.parametrize(
    "images", [GOOD, GOOD.astype("int64"), GOOD * 0.5, GOOD * 0.0, GOOD[:0], GOOD.tolist()]
)
def test_good_images_pass_unchanged(images):
    checked = check_images(images)
    np.testing.assert_array_equal(checked, images)
    assert checked.dtype == np.asarray(images).dtype


@pytest.mark.parametrize(
    "images, error, message",
    [
        (GOOD / 255, ValueError, "multiply by 255"),
        (GOOD * 1.5, ValueError, "run from 300.0 to 300.0; expected"),
        (GOOD.astype("int64") - 201, ValueError, "run from -1 to -1; expected"),
        (np.where(GOOD == 200, np.nan, 0), ValueError, "nan"),
        (GOOD[0], ValueError, r"shape \(32, 32, 3\).*image\[None\]"),
        (GOOD[:, :28], ValueError, r"shape \(2, 28, 32, 3\); expected \(N, 32, 32, 3\)"),
        (GOOD[..., :1], ValueError, r"shape \(2, 32, 32, 1\)"),
        (GOOD.reshape(2, -1), ValueError, r"shape \(2, 3072\)"),
        (GOOD.astype(str), TypeError, "type <U"),
        ("cat.png", TypeError, "type <U"),
        (None, TypeError, "type object"),
        (GOOD == 200, TypeError, "type bool"),
    ],
)
def test_wrong_images_get_one_sentence(images, error, message):
    with pytest.raises(error, match=message):
        check_images(images)


def test_other_image_sizes_are_checked_too():
    check_images(np.zeros((1, 64, 64, 3)), image_size=64)
    with pytest.raises(ValueError, match=r"\(N, 64, 64, 3\)"):
        check_images(GOOD, image_size=64)


def read_pipeline(pipeline):
    """Return the batches' sizes and labels, after comparing each image with its label."""
    batches = [(images.numpy(), labels.numpy()) for images, labels in pipeline]
    for images, labels in batches:
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
    return [len(labels) for _, labels in batches], np.concatenate([y for _, y in batches]).tolist()


def test_the_pipeline():
    labels = np.arange(100, dtype="uint8")
    images = np.broadcast_to(labels[:, None, None, None], (100, 32, 32, 3))

    in_order = make_pipeline(images, labels, 30)
    assert read_pipeline(in_order) == ([30, 30, 30, 10], labels.tolist())

    shuffled = make_pipeline(images, labels, 30, shuffle_seed=0)
    sizes, first_epoch = read_pipeline(shuffled)
    assert sizes == [30, 30, 30]
    assert len(set(first_epoch)) == 90
    assert first_epoch != sorted(first_epoch)
    assert read_pipeline(shuffled)[1] != first_epoch
    assert read_pipeline(make_pipeline(images, labels, 30, shuffle_seed=0))[1] == first_epoch
    assert read_pipeline(make_pipeline(images, labels, 30, shuffle_seed=1))[1] != first_epoch


def test_take_keeps_the_first_images_of_each_split_without_copying(shapes):
    few = shapes.take(5, 4, 3)
    assert [len(labels) for _, labels in (few.train, few.validation, few.test)] == [5, 4, 3]
    np.testing.assert_array_equal(few.train.images, shapes.train.images[:5])
    assert np.shares_memory(few.train.images, shapes.train.images)
    assert few.name == shapes.name


@pytest.mark.parametrize(
    "path", sorted(Path(tlvit_utils.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_no_module_imports_tensorflow_when_it_is_imported(path):
    """An import inside a function is fine: tf.data is needed there only."""
    nodes = list(ast.parse(path.read_text(encoding="utf-8")).body)
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        nodes.extend(ast.iter_child_nodes(node))
        names = [getattr(node, "module", None)] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert not {"tensorflow", "tf_keras"} & {(name or "").split(".")[0] for name in names}
