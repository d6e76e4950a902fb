import json

import flat_maps
import pytest

from tlvit_utils._files import save_result
from tlvit_utils.pretrained import save_pretrained
from tlvit_utils.training.loop import evaluate


@pytest.fixture
def folder(tmp_path, tiny_model, tiny_config):
    save_pretrained(tiny_model, tmp_path / "tiny_seed_4.npz")
    save_result(tmp_path / "tiny.json", config=tiny_config, runs=[{"seed": 4}, {"seed": 5}])
    without = tiny_config.replace(num_tokens=None)
    save_pretrained(tiny_model, tmp_path / "without_seed_4.npz")
    save_result(tmp_path / "without.json", config=without, runs=[{"seed": 4}])
    return tmp_path


def test_each_run_with_weights_and_maps_gets_a_row(
    folder, shapes, tiny_model, tiny_config, monkeypatch
):
    """A network without TokenLearner lies in the folder, too, and costs no row."""
    saved = {}
    monkeypatch.setattr(flat_maps, "load_cifar10", lambda source: shapes)
    monkeypatch.setattr(
        flat_maps, "save_rows", lambda name, rows, **fields: saved.update(rows=rows)
    )
    monkeypatch.setattr("sys.argv", ["flat_maps.py", "--write", str(folder)])
    flat_maps.main()
    (row,) = saved["rows"]
    num_tokens = tiny_config.num_tokens
    assert (row["run"], row["seed"], row["num_tokens"]) == ("tiny", 4, num_tokens)
    assert len(row["map_means"]) == len(row["map_spreads"]) == num_tokens
    assert row["accuracy"]["learned"] == pytest.approx(
        evaluate(tiny_model, *shapes.test)["top1"], abs=1.5 / len(shapes.test.labels)
    )
    json.dumps(row)  # nothing of NumPy's in it


def test_a_folder_without_weights_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["flat_maps.py", str(tmp_path)])
    with pytest.raises(SystemExit):
        flat_maps.main()
    assert "no weights of a TokenLearner" in capsys.readouterr().err
