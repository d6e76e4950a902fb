import json
from dataclasses import asdict

import pytest
import study
import what_maps_are_worth

from tlvit_utils._files import save_result
from tlvit_utils.pretrained import save_pretrained
from tlvit_utils.training.loop import evaluate
from tlvit_utils.training.runs import run_path


@pytest.mark.slow
def test_each_method_with_maps_gets_a_row(
    shapes, tiny_model, tiny_config, tmp_path, monkeypatch, capsys
):
    tiny = study.Study(lambda: shapes, tiny_config, None)
    monkeypatch.setitem(study.STUDIES, "scenes10", tiny)
    methods = [("v1 mean", 0), ("v1 mean", 1), ("average pooling", 0), ("v1.1", 0)]
    about = {"config": asdict(tiny_config)}
    rows = [{"method": method, "seed": seed, **about} for method, seed in methods]
    save_result(tmp_path / "rows.json", rows=rows)
    for method, seed in methods[:3]:  # the last is not trained yet
        path = study.experiment_path("scenes10", method, tmp_path)
        save_pretrained(tiny_model, run_path(path, seed, ".npz"))

    out = tmp_path / "worth.json"
    options = ["--runs", str(tmp_path), "--rows", str(tmp_path / "rows.json")]
    monkeypatch.setattr("sys.argv", ["", "scenes10", *options, "--out", str(out)])
    what_maps_are_worth.main()
    (row,) = json.loads(out.read_text())["rows"]
    assert (row["method"], row["seeds"], row["images"]) == ("v1 mean", [0, 1], 64)
    top1 = evaluate(tiny_model, *shapes.test)["top1"]
    assert row["accuracy"]["learned"] == pytest.approx([top1, top1], abs=1.5 / 64)
    for kind, worth in row["worth"].items():
        lost = row["accuracy"]["learned"][0] - row["accuracy"][kind][0]
        assert worth["mean"] == pytest.approx(lost)
        assert worth["low"] <= lost <= worth["high"]
    scores = row["localisation"]["own"]
    assert all(len(each) == 2 for each in scores.values())
    assert scores["token_hit"][0] <= scores["best_token_hit"][0]
    assert row["localisation"]["chance"]["token_hit"][0] == pytest.approx(
        row["localisation"]["chance"]["mean_map_hit"][0]
    )
    assert scores["mean_map_hit"][0] <= 1 and 0 < row["best_fixed_cell"] <= 1
    assert "v1 mean" in capsys.readouterr().out
