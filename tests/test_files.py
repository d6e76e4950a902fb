import errno
import json
import sys
import threading
from dataclasses import asdict
from unittest.mock import Mock

import numpy as np
import pytest

from tlvit_utils._files import locked, remove_leftovers, save_result
from tlvit_utils.training.recipe import Recipe


def test_a_result_is_plain_json_and_complete(tmp_path):
    path = tmp_path / "new" / "result.json"
    values = [np.int64(3), np.float32(0.5), np.bool_(True), {np.int64(3): np.eye(2, dtype="uint8")}]
    save_result(path, recipe=Recipe(epochs=3), values=values)
    result = json.loads(path.read_text(encoding="utf-8"))
    expected = {
        "recipe": asdict(Recipe(epochs=3)),
        "values": [3, 0.5, True, {"3": [[1, 0], [0, 1]]}],
    }
    assert result == expected
    with pytest.raises(TypeError, match="type object"):
        save_result(path, values=object())
    assert [each.name for each in path.parent.iterdir()] == ["result.json"]
    assert json.loads(path.read_text(encoding="utf-8")) == result


def test_a_lock_is_held_by_one_at_a_time(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with locked(tmp_path / "lock"):
            entered.set()

    thread = threading.Thread(target=enter)
    with locked(tmp_path / "lock"):
        thread.start()
        assert not entered.wait(0.2)
    thread.join(timeout=5)
    assert entered.is_set()
    assert "waiting" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["file/lock", "."])
def test_where_no_lock_can_be_written_the_work_goes_on(place, tmp_path, capsys):
    (tmp_path / "file").touch()
    with locked(tmp_path / place, "busy"):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks without these functions")
@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("os.open", errno.EACCES),
        ("fcntl.flock", errno.ENOLCK),
        ("fcntl.flock", errno.ENOSYS),
    ],
)
def test_in_a_folder_without_locks_the_work_goes_on(function, code, tmp_path, monkeypatch):
    monkeypatch.setattr(function, Mock(side_effect=OSError(code, "refused")))
    with locked(tmp_path / "lock", "busy") as is_held:
        assert not is_held


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_every_account_may_hold_a_lock(tmp_path):
    with locked(tmp_path / "lock") as is_held:
        assert is_held and (tmp_path / "lock").stat().st_mode & 0o777 == 0o666


def test_another_account_s_leftovers_stay(tmp_path, monkeypatch):
    (tmp_path / f"{32 * 'a'}.file").touch()
    monkeypatch.setattr("pathlib.Path.unlink", Mock(side_effect=PermissionError))
    remove_leftovers(tmp_path / "file")
