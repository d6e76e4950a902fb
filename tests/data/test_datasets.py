import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from small_cifar10 import COUNT, expected_images, make_folder

from tlvit_utils.data import cifar10, datasets, shapes10
from tlvit_utils.data.datasets import load_cifar10, load_course_data, load_shapes10
from tlvit_utils.data.download import RemoteFile
from tlvit_utils.session import Profile

CIFAR10_DIR = os.environ.get("TLVIT_CIFAR10_DIR")  # each test unsets it
BANNER = "shapes10, not CIFAR-10"
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
    monkeypatch.setattr(datasets, "SPLIT_SIZES", (40, 10, 10))


@pytest.fixture
def printed(capsys):
    """Return what was printed, without the banner's lines and line breaks."""
    return lambda: " ".join(re.sub("[─│┌┐└┘]", " ", capsys.readouterr().out).split())


def sizes(dataset):
    return [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)]


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
    assert sizes(dataset) == [40_000, 10_000, 10_000]
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), [1000] * 10)
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), [5000] * 10)


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
    with pytest.raises(ValueError, match="source is 'mnist', but it must be one of 'auto', 'cif"):
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


# what the notebooks work on


def test_the_course_works_on_cifar10_where_it_is(tmp_path, monkeypatch, printed):
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(make_folder(tmp_path / "here")))
    for name in ("smoke", "quick"):
        assert load_course_data(Profile(name)).name == "CIFAR-10"
    assert sizes(load_course_data(Profile("quick"), only_test=True)) == [0, 0, COUNT]
    assert BANNER not in printed()
    assert load_course_data(Profile("smoke"), "shapes10").name == "shapes10"
    assert BANNER in printed()


@pytest.mark.parametrize("profile, counts", [("smoke", [1024, 256, 256]), ("quick", [40, 10, 10])])
def test_shapes10_by_choice(profile, counts, monkeypatch, printed):
    monkeypatch.setenv("TLVIT_DATA", "cifar10")
    by_argument = load_course_data(Profile(profile), "shapes10")
    monkeypatch.setenv("TLVIT_DATA", "shapes10")
    by_variable = load_course_data(Profile(profile))
    assert sizes(by_argument) == sizes(by_variable) == counts
    assert printed().count(f"{BANNER} These pictures are made by code") == 2
    few = load_course_data(Profile(profile), only_test=True)
    assert sizes(few) == [0, 0, counts[2]]
    np.testing.assert_array_equal(few.test.images, by_variable.test.images)
    np.testing.assert_array_equal(few.test.masks, by_variable.test.masks)


def test_shapes10_for_want_of_cifar10(printed):
    """Both ways to load say the same."""
    assert load_cifar10().name == "shapes10"
    text = printed()
    assert f"{BANNER} These pictures are made by code" in text
    assert f"CIFAR-10 could not be downloaded (); {cifar10.WAYS_OUT}." in text
    dataset = load_course_data(Profile("quick"))
    assert printed() == f"{text} {dataset}"


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
    monkeypatch.setattr(datasets, "SCENES_SIZES", (12, 6, 4))
    name = f"scenes10 made of {'CIFAR-10' if at_hand else 'shapes10'}"
    dataset = load_course_data(Profile("quick"), "scenes10")
    assert (dataset.name, sizes(dataset)) == (name, [12, 6, 4])
    few = load_course_data(Profile("quick"), "scenes10", only_test=True)
    assert sizes(few) == [0, 0, 4]
    np.testing.assert_array_equal(few.test.images, dataset.test.images)
    assert datasets.load_scenes10(sizes=(1, 1, 1)).name == name
    assert printed().count(BANNER) == (0 if at_hand else 3)


def test_the_banner_in_a_notebook(monkeypatch, capsys):
    shown = []
    display = SimpleNamespace(display=lambda bundle, raw: shown.append(bundle))
    fake = SimpleNamespace(get_ipython=object, display=display)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    datasets.show_banner("Because <of> this.")
    (bundle,) = shown
    assert f"<b>{BANNER}</b>" in bundle["text/html"]
    assert "Because &lt;of&gt; this." in bundle["text/html"]
    assert f"│ {BANNER} " in bundle["text/plain"]
    assert capsys.readouterr().out == ""


# all of them


def test_a_split_is_unpacked_and_indexed_as_images_and_labels(shapes):
    images, labels = shapes.test
    assert images is shapes.test.images is shapes.test[0]
    assert labels is shapes.test.labels is shapes.test[1]
