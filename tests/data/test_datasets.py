import os
import re

import numpy as np
import pytest

from small_cifar10 import COUNT, expected_images, make_folder
from tlvit_utils.data import cifar10, datasets, shapes10
from tlvit_utils.data.datasets import load_cifar10, load_course_data, load_scenes10, load_shapes10
from tlvit_utils.session import Profile

CIFAR10_DIR = os.environ.get("TLVIT_CIFAR10_DIR")  # each test unsets it
BANNER = "shapes10, not CIFAR-10 These pictures are made by code"
SMOKE, QUICK = Profile("smoke"), Profile("quick")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(datasets, "SPLIT_SIZES", (40, 10, 10))
    monkeypatch.setattr(datasets, "SCENES_SIZES", (12, 6, 4))


@pytest.fixture
def printed(capsys):
    """Return what was printed, without the banner's lines and line breaks."""
    return lambda: " ".join(re.sub("[─│┌┐└┘]", " ", capsys.readouterr().out).split())


def sizes(dataset):
    return [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)]


def assert_same(split, other):
    for name in ("images", "labels", "masks"):
        np.testing.assert_array_equal(getattr(split, name), getattr(other, name))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with CIFAR-10 that the environment names."""
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(make_folder(tmp_path / "here")))


def test_the_splits_of_cifar10(here):
    dataset = load_cifar10()
    images, labels = expected_images()
    for split, rows in (
        (dataset.train, slice(0, 4 * COUNT)),
        (dataset.validation, slice(4 * COUNT, 5 * COUNT)),
        (dataset.test, slice(5 * COUNT, None)),
    ):
        for array, expected in zip(split, (images[rows], labels[rows]), strict=True):
            np.testing.assert_array_equal(array, expected)
        assert split.masks is None
    assert repr(dataset) == "CIFAR-10: 80 / 20 / 20 images to train, validate and test"


@pytest.mark.skipif(not CIFAR10_DIR, reason="TLVIT_CIFAR10_DIR is not set")
def test_the_real_cifar10(monkeypatch):
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", 10_000)
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", CIFAR10_DIR)
    dataset = load_cifar10()
    assert sizes(dataset) == [40_000, 10_000, 10_000]
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), [1000] * 10)
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), [5000] * 10)


@pytest.mark.parametrize("source", ["auto", "cifar10"])
def test_a_folder_that_was_named_is_never_replaced_by_shapes10(source, tmp_path, monkeypatch):
    monkeypatch.setenv("TLVIT_CIFAR10_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="is not there"):
        load_course_data(QUICK, source)


def test_other_sources_are_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"^source is 'mnist'.*'shapes10', 'scenes10'"):
        load_course_data(SMOKE, "mnist")
    monkeypatch.setenv("TLVIT_DATA", "scenes10")
    for source in (None, "scenes10"):
        with pytest.raises(ValueError, match=r"^TLVIT_DATA is 'scenes10'.*'cifar10', 'shapes10'"):
            load_course_data(SMOKE, source)


@pytest.mark.parametrize("load", [load_shapes10, load_scenes10])
@pytest.mark.parametrize("sizes", [1000, (4, 3), ("10", 5, 5), (10, -1, 5)])
def test_other_sizes_are_refused(load, sizes):
    with pytest.raises(ValueError, match="sizes"):
        load(sizes=sizes)


def test_only_a_layout_can_be_changed():
    with pytest.raises(ValueError, match="layout's name is 'epoch'"):
        load_scenes10(sizes=(2, 2, 2), epoch=3)


def test_the_splits_of_shapes10():
    dataset = load_shapes10(seed=3, sizes=(40, 20, 10))
    assert (dataset.name, dataset.class_names) == ("shapes10", shapes10.SHAPES10_CLASSES)
    for stream, split in enumerate((dataset.train, dataset.validation, dataset.test)):
        drawn = shapes10.make_shapes10(3, (40, 20, 10)[stream], stream=stream)
        assert_same(split, datasets.Split(*drawn))


# what the notebooks work on


def test_the_course_works_on_cifar10_where_it_is(here, printed):
    for profile in (SMOKE, QUICK):
        assert load_course_data(profile).name == "CIFAR-10"
    assert sizes(load_course_data(QUICK, only_test=True)) == [0, 0, COUNT]
    assert BANNER not in printed()
    assert load_course_data(SMOKE, "shapes10").name == "shapes10"
    assert BANNER in printed()


@pytest.mark.parametrize("profile, counts", [(SMOKE, [1024, 256, 256]), (QUICK, [40, 10, 10])])
def test_shapes10_by_choice(profile, counts, monkeypatch, printed):
    monkeypatch.setenv("TLVIT_DATA", "cifar10")
    by_argument = load_course_data(profile, "shapes10")
    monkeypatch.setenv("TLVIT_DATA", "shapes10")
    by_variable = load_course_data(profile)
    assert sizes(by_argument) == sizes(by_variable) == counts
    assert printed().count(BANNER) == 2
    few = load_course_data(profile, only_test=True)
    assert sizes(few) == [0, 0, counts[2]]
    assert_same(few.test, by_variable.test)


def test_shapes10_for_want_of_cifar10(printed):
    dataset = load_course_data(QUICK)
    assert dataset.name == "shapes10"
    text = printed()
    assert BANNER in text
    assert f"CIFAR-10 could not be downloaded (); {cifar10.WAYS_OUT}." in text
    for load in (load_cifar10, lambda: load_course_data(QUICK, "cifar10")):
        with pytest.raises(ConnectionError, match="could not be downloaded"):
            load()


def test_the_smoke_profile_never_downloads(monkeypatch, printed):
    monkeypatch.setattr(cifar10, "download", lambda *_: pytest.fail("it downloads"))
    assert load_course_data(SMOKE).name == "shapes10"
    assert "may not be downloaded here" in printed()
    with pytest.raises(ConnectionError, match="may not be downloaded here"):
        load_course_data(SMOKE, "cifar10")


@pytest.mark.parametrize("base", ["CIFAR-10", "shapes10"])
def test_scenes_are_made_of_what_is_at_hand(base, request, printed):
    if base == "CIFAR-10":
        request.getfixturevalue("here")
    dataset = load_course_data(QUICK, "scenes10")
    assert (dataset.name, sizes(dataset)) == (f"scenes10 made of {base}", [12, 6, 4])
    few = load_course_data(QUICK, "scenes10", only_test=True)
    assert sizes(few) == [0, 0, 4]
    assert_same(few.test, dataset.test)
    assert load_scenes10(sizes=(1, 1, 1)).name == f"scenes10 made of {base}"
    assert printed().count(BANNER) == (0 if base == "CIFAR-10" else 3)
