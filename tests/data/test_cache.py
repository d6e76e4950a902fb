import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tlvit_utils.data.cache import cache_dir, cached, load_arrays, save_arrays

ARRAYS = {
    "images": np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype("uint8"),
    "labels": np.arange(5, dtype="uint8"),
    "masks": np.random.default_rng(1).integers(0, 2, (5, 4, 4)).astype("uint8"),
}
SHAPES = {name: array.shape for name, array in ARRAYS.items()}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def assert_same(arrays):
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert (type(array), array.dtype) == (np.ndarray, np.uint8)
        np.testing.assert_array_equal(array, ARRAYS[name])


def never():
    pytest.fail("it is made again")


def test_arrays_come_back_mapped_and_changes_stay_in_memory(tmp_path):
    save_arrays(tmp_path / "file", ARRAYS)
    arrays = load_arrays(tmp_path / "file", SHAPES)
    assert_same(arrays)
    assert all(isinstance(array.base, np.memmap) for array in arrays.values())
    arrays["labels"][:] = 7
    assert_same(load_arrays(tmp_path / "file", SHAPES))


def test_a_failure_leaves_no_cache_nor_what_a_killed_process_left(folder):
    def fail():
        raise ConnectionError("no network")

    folder.mkdir()
    (folder / f"{32 * '0'}.name.npy").touch()
    with pytest.raises(ConnectionError, match="no network"):
        cached("name", SHAPES, fail)
    assert [path.name for path in folder.iterdir()] == ["name.lock"]
    assert_same(cached("name", SHAPES, lambda: ARRAYS))


DAMAGES = {
    "cut short": lambda path: os.truncate(path, path.stat().st_size - 1),
    "without its header": lambda path: os.truncate(path, 40),
    "a plain array": lambda path: np.save(path, np.zeros(5)),
    "a pickle": lambda path: np.save(path, np.array([{}]), allow_pickle=True),
    "other fields": lambda path: save_arrays(path, {"pictures": ARRAYS["images"]}),
    "other shapes": lambda path: save_arrays(path, {name: a[:3] for name, a in ARRAYS.items()}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_another_file_is_made_anew_and_that_is_said(damage, folder, capsys):
    cached("name", SHAPES, lambda: ARRAYS)
    DAMAGES[damage](folder / "name.npy")
    assert_same(cached("name", SHAPES, lambda: ARRAYS))
    assert_same(cached("name", SHAPES, never))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"The cached file {folder / 'name.npy'} ")
    assert line.endswith("Making it again.")


def test_where_nothing_can_be_written_nothing_is_kept(folder, capsys):
    folder.write_text("not a folder")
    for _ in range(2):
        assert_same(cached("name", SHAPES, lambda: ARRAYS))
        (line,) = capsys.readouterr().out.splitlines()
        assert f"{folder / 'name.npy'} could not be written (" in line
        assert "TLVIT_CACHE_DIR" in line


def test_in_a_folder_that_may_not_be_entered_nothing_is_kept(folder, forbid, capsys):
    forbid(folder)
    assert_same(cached("name", SHAPES, lambda: ARRAYS))
    assert "could not be written (Permission denied)" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
def test_the_cache_is_where_this_system_keeps_caches(monkeypatch):
    monkeypatch.delenv("TLVIT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/other")
    assert cache_dir() == Path("/other/tlvit")
