import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tlvit_utils._files import locked
from tlvit_utils.data.cache import cache_dir, cached, load_arrays, save_arrays

ARRAYS = {
    "images": np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype("uint8"),
    "labels": np.arange(5, dtype="uint8"),
    "masks": np.random.default_rng(1).integers(0, 2, (5, 4, 4)).astype("uint8"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLVIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def assert_same(arrays):
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert type(array) is np.ndarray
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])


def never():
    pytest.fail("it is made again")


def test_arrays_come_back_mapped(tmp_path):
    save_arrays(tmp_path / "file", ARRAYS)
    arrays = load_arrays(tmp_path / "file")
    assert_same(arrays)
    assert all(isinstance(array.base, np.memmap) for array in arrays.values())


def test_changes_stay_in_memory(tmp_path):
    save_arrays(tmp_path / "file", ARRAYS)
    load_arrays(tmp_path / "file")["labels"][:] = 7
    assert_same(load_arrays(tmp_path / "file"))


@pytest.mark.parametrize("keep", [0, 3, 40, -1])
def test_a_file_cut_short_is_noticed(keep, tmp_path):
    save_arrays(tmp_path / "file", ARRAYS)
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:keep])
    with pytest.raises(ValueError, match=r"The cached file .*file "):
        load_arrays(tmp_path / "file")


def test_other_files_are_not_taken_for_a_cache(tmp_path):
    np.save(tmp_path / "plain.npy", np.zeros(5))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "page.npy").write_text("<!DOCTYPE html>")
    for name in ("plain.npy", "objects.npy", "page.npy"):
        with pytest.raises(ValueError, match=name):
            load_arrays(tmp_path / name)


def test_what_is_cached_is_made_once(folder):
    assert_same(cached("name", lambda: ARRAYS))
    assert_same(cached("name", never))
    assert {path.name for path in folder.iterdir()} == {"name.npy", "name.lock"}


def test_a_failure_leaves_no_cache(folder):
    def fail():
        raise ConnectionError("no network")

    with pytest.raises(ConnectionError, match="no network"):
        cached("name", fail)
    assert [path.name for path in folder.iterdir()] == ["name.lock"]
    assert_same(cached("name", lambda: ARRAYS))


def test_a_damaged_file_is_made_anew(folder, capsys):
    folder.mkdir()
    (folder / "name.npy").write_bytes(b"half")
    assert_same(cached("name", lambda: ARRAYS))
    assert_same(cached("name", never))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"The cached file {folder / 'name.npy'} cannot be read")


def test_where_nothing_can_be_written_nothing_is_kept(folder, capsys):
    folder.write_text("not a folder")
    for _ in range(2):
        assert_same(cached("name", lambda: ARRAYS))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{folder / 'name.npy'} could not be written (")
    assert lines[0].endswith("or set TLVIT_CACHE_DIR to a folder with room.")


def test_a_lock_is_held_by_one_at_a_time(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with locked(tmp_path / "lock"):
            entered.set()

    thread = threading.Thread(target=enter)
    with locked(tmp_path / "lock"):
        thread.start()
        assert not entered.wait(0.5)
    thread.join()
    assert entered.is_set()
    assert capsys.readouterr().out == "Another process is at the same work; waiting for it …\n"


@pytest.mark.parametrize(
    "platform, variable, value, expected",
    [
        ("linux", "XDG_CACHE_HOME", "/other", Path("/other/tlvit")),
        ("linux", "XDG_CACHE_HOME", "", Path("home/.cache/tlvit")),
        ("darwin", "XDG_CACHE_HOME", "", Path("home/Library/Caches/tlvit")),
        ("win32", "LOCALAPPDATA", "/local", Path("/local/tlvit")),
        ("linux", "TLVIT_CACHE_DIR", "/mine", Path("/mine")),
    ],
)
def test_the_cache_is_where_each_system_keeps_caches(
    platform, variable, value, expected, monkeypatch
):
    monkeypatch.delenv("TLVIT_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    monkeypatch.setenv(variable, value)
    assert cache_dir() == expected
