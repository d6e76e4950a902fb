import ast
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_cifar10 import COUNT, expected_images, make_batch, make_folder

import tlvit_utils
from tlvit_utils.data import cifar10, shapes10
from tlvit_utils.data import datasets as data
from tlvit_utils.data.datasets import load_cifar10, load_course_data, load_shapes10
from tlvit_utils.data.download import RemoteFile
from tlvit_utils.figures import plots
from tlvit_utils.session import Profile

CIFAR10_DIR = os.environ.get("TLVIT_CIFAR10_DIR")  # each test unsets it
NOTHING = "CIFAR-10 is not on this machine and may not be downloaded here"


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    """No CIFAR-10, and no way to download it; whatever is drawn or cached is small."""
    for name in ("TLVIT_CIFAR10_DIR", "TLVIT_CIFAR10_URL", "TLVIT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TLVIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    monkeypatch.setattr(cifar10, "ARCHIVE", RemoteFile((), 0, ""))
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", COUNT)
    monkeypatch.setattr(data, "SPLIT_SIZES", (40, 10, 10))
    monkeypatch.setattr(plots, "note", None)


@pytest.fixture
def printed(capsys):
    """Return what was printed, without the banner's lines and line breaks."""
    return lambda: " ".join(re.sub("[─│┌┐└┘]", " ", capsys.readouterr().out).split())


def test_the_splits_of_cifar10(tmp_path):
    dataset = load_cifar10(make_folder(tmp_path / "here"))
    images, labels = expected_images()
    for split, rows in (
        (dataset.train, slice(0, 4 * COUNT)),
        (dataset.validation, slice(4 * COUNT, 5 * COUNT)),
        (dataset.test, slice(5 * COUNT, None)),
    ):
        np.testing.assert_array_equal(split.images, images[rows])
        np.testing.assert_array_equal(split.labels, labels[rows])
        assert split.masks is None
    assert repr(dataset) == "CIFAR-10: 80 / 20 / 20 images to train, validate and test"


@pytest.mark.skipif(not CIFAR10_DIR, reason="TLVIT_CIFAR10_DIR is not set")
def test_the_real_cifar10(monkeypatch):
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", 10_000)
    dataset = load_cifar10(CIFAR10_DIR)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert [split.images.shape for split in splits] == [
        (count, 32, 32, 3) for count in (40_000, 10_000, 10_000)
    ]
    assert {array.dtype.name for split in splits for array in split} == {"uint8"}
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), [1000] * 10)
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), [5000] * 10)


def test_where_there_is_no_cifar10_it_is_shapes10_and_that_is_said(printed):
    assert load_cifar10().name == "shapes10"
    text = printed()
    assert "shapes10, not CIFAR-10 These pictures are made by code" in text
    assert f"CIFAR-10 could not be downloaded (); {cifar10.WAYS_OUT}." in text


def test_cifar10_or_an_error():
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        load_cifar10(source="cifar10")
    with pytest.raises(ConnectionError, match=NOTHING):
        load_cifar10(source="cifar10", may_download=False)


@pytest.mark.parametrize("source", ["auto", "cifar10"])
def test_a_folder_that_was_named_is_never_replaced_by_shapes10(source, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        load_cifar10(tmp_path / "nowhere", source)


def test_other_sources_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="source is 'mnist', but it must be 'auto' or 'cifar10'"):
        load_cifar10(source="mnist")
    monkeypatch.setenv("TLVIT_DATA", "mnist")
    with pytest.raises(ValueError, match=r"\(TLVIT_DATA\) is 'mnist', but it must be"):
        load_course_data(Profile("smoke"))


# shapes10


def test_the_splits_of_shapes10():
    dataset = load_shapes10(seed=3, sizes=(40, 20, 10))
    assert (dataset.name, dataset.class_names) == ("shapes10", shapes10.SHAPES10_CLASSES)
    for stream, (split, size) in enumerate(
        [(dataset.train, 40), (dataset.validation, 20), (dataset.test, 10)]
    ):
        drawn = shapes10.make_shapes10(3, size, stream=stream)
        for array, expected in zip((split.images, split.labels, split.masks), drawn, strict=True):
            assert array.dtype == np.uint8
            np.testing.assert_array_equal(array, expected)


def test_only_large_sets_are_cached(monkeypatch, tmp_path):
    def blank(seed, num_images, *, stream):
        drawn.append((seed, num_images, stream))
        shapes = ((32, 32, 3), (), (32, 32))
        return tuple(np.full((num_images, *shape), stream, "uint8") for shape in shapes)

    monkeypatch.setattr(shapes10, "make_shapes10", blank)
    for sizes, times in (((8000, 1000, 999), 2), ((8000, 1000, 1000), 1)):
        for seed in (0, 1):
            drawn = []
            for _ in range(2):
                dataset = load_shapes10(seed, sizes)
                for stream, split in enumerate((dataset.train, dataset.validation, dataset.test)):
                    assert len(split.labels) == sizes[stream]
                    assert (split.images == stream).all() and (split.masks == stream).all()
            assert drawn == times * [(seed, size, stream) for stream, size in enumerate(sizes)]
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


# what the notebooks work on


def test_the_course_works_on_cifar10_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(make_folder(tmp_path / "here")))
    plots.note = "what another data set left"
    for name in ("smoke", "quick"):
        assert load_course_data(Profile(name)).name == "CIFAR-10"
        assert plots.note is None
    assert "┌" not in capsys.readouterr().out
    assert load_course_data(Profile("smoke"), "shapes10").name == "shapes10"
    assert plots.note == "shapes10, not CIFAR-10"


@pytest.mark.parametrize("profile", ["smoke", "quick"])
@pytest.mark.parametrize("by_argument", [False, True])
def test_shapes10_by_choice(profile, by_argument, monkeypatch, printed):
    monkeypatch.setenv("TLVIT_DATA", "cifar10" if by_argument else "shapes10")
    dataset = load_course_data(Profile(profile), "shapes10" if by_argument else None)
    sizes = (1024, 256, 256) if profile == "smoke" else (40, 10, 10)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert tuple(len(split.labels) for split in splits) == sizes
    assert plots.note == "shapes10, not CIFAR-10"
    text = printed()
    assert "They were chosen with TLVIT_DATA" in text
    assert text.endswith("images to train, validate and test")


def test_shapes10_for_want_of_cifar10(printed):
    assert load_course_data(Profile("quick")).name == "shapes10"
    assert plots.note == "shapes10, not CIFAR-10"
    assert "CIFAR-10 could not be downloaded" in printed()


def test_the_smoke_profile_never_downloads(monkeypatch, printed):
    monkeypatch.setattr(cifar10, "download", lambda *_: pytest.fail("it downloads"))
    assert load_course_data(Profile("smoke")).name == "shapes10"
    assert "may not be downloaded here" in printed()
    with pytest.raises(ConnectionError, match=NOTHING):
        load_course_data(Profile("smoke"), "cifar10")


@pytest.mark.parametrize("at_hand", [False, True])
def test_scenes_are_made_of_what_is_at_hand(at_hand, tmp_path, monkeypatch, printed):
    if at_hand:
        monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(make_folder(tmp_path / "here")))
    monkeypatch.setattr(data, "SCENES_SIZES", (12, 6, 4))
    base = "CIFAR-10" if at_hand else "shapes10"
    dataset = load_course_data(Profile("quick"), "scenes10")
    assert dataset.name == data.load_scenes10(sizes=(1, 1, 1)).name == f"scenes10 made of {base}"
    assert plots.note == ("scenes10, not CIFAR-10" if at_hand else "shapes10, not CIFAR-10")
    few = load_course_data(Profile("quick"), "scenes10", only_test=True)
    assert len(few.train.labels) == len(few.validation.labels) == 0
    np.testing.assert_array_equal(few.test.images, dataset.test.images)
    assert f"scenes10 made of {base}: 12 / 6 / 4 images" in printed()


def test_the_banner_in_a_terminal(capsys):
    data.show_banner("The reason is long, " + 20 * "very " + "long.")
    lines = capsys.readouterr().out.splitlines()
    assert {len(line) for line in lines} == {80}
    assert lines[1].startswith("│ shapes10, not CIFAR-10 ")
    assert "long." in lines[-2]


def test_the_banner_in_a_notebook(monkeypatch, capsys):
    shown = []
    fake = SimpleNamespace(
        get_ipython=object,
        display=SimpleNamespace(display=lambda bundle, raw: shown.append(bundle)),
    )
    monkeypatch.setitem(sys.modules, "IPython", fake)
    data.show_banner("Because <of> this.")
    (bundle,) = shown
    assert "border" in bundle["text/html"]
    assert "<b>shapes10, not CIFAR-10</b>" in bundle["text/html"]
    assert "Because &lt;of&gt; this." in bundle["text/html"]
    assert "│ shapes10, not CIFAR-10 " in bundle["text/plain"]
    assert capsys.readouterr().out == ""


# all of them


def test_take_keeps_the_first_images_of_each_split_without_copying(shapes):
    few = shapes.take(5, 4, 3)
    assert [len(labels) for _, labels in (few.train, few.validation, few.test)] == [5, 4, 3]
    np.testing.assert_array_equal(few.train.images, shapes.train.images[:5])
    assert np.shares_memory(few.train.images, shapes.train.images)
    assert few.name == shapes.name


def test_take_keeps_the_masks():
    few = load_shapes10(sizes=(20, 10, 10)).take(5, 4, 3)
    splits = (few.train, few.validation, few.test)
    assert [split.masks.shape for split in splits] == [(n, 32, 32) for n in (5, 4, 3)]


def test_a_split_is_unpacked_and_indexed_as_images_and_labels(shapes):
    images, labels = shapes.test
    assert images is shapes.test.images is shapes.test[0]
    assert labels is shapes.test.labels is shapes.test[1]


PEAK = """
import sys
from pathlib import Path
import keras, numpy as np
if keras.backend.backend() == "tensorflow":
    import tensorflow
from tlvit_utils.data.datasets import load_cifar10
from tlvit_utils.data.batches import make_pipeline

def kibibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(name)]
    return int(line.split()[1])

imported = kibibytes("VmRSS")
dataset = load_cifar10(sys.argv[1])
for images, labels in make_pipeline(*dataset.train, 128, shuffle_seed=0):
    images = np.asarray(images)
print(kibibytes("VmHWM") - imported)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux")
def test_loading_and_an_epoch_take_less_than_a_gibibyte(tmp_path):
    folder = make_folder(tmp_path / "full")
    pixels = np.random.default_rng(0).integers(0, 256, (10_000, 3072), dtype="uint8")
    batch = make_batch() | {b"data": pixels, b"labels": [0] * 10_000}
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    for name in cifar10.FILES[:-1]:
        (folder / name).unlink()
        (folder / name).symlink_to(folder / "test_batch")
    command = [sys.executable, "-c", PEAK, str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    all_images = 60_000 * 3072 / 2**10
    assert all_images < int(printed.splitlines()[-1]) < 2**20


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


def test_only_the_test_images_if_that_is_all_that_is_needed(monkeypatch):
    monkeypatch.setenv("TLVIT_DATA", "shapes10")
    both = [load_course_data(Profile("smoke"), only_test=only_test) for only_test in (False, True)]
    assert [len(each.train.labels) for each in both] == [1024, 0]
    np.testing.assert_array_equal(both[0].test.images, both[1].test.images)
    np.testing.assert_array_equal(both[0].test.masks, both[1].test.masks)
