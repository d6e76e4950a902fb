"""`benchmarks/study.py` keeps what is done, and its rows compare methods on the same images."""

import json

import numpy as np
import pytest
import study

from make_weights import run_card
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis.comparison import unpack_bits
from tlvit_utils.pretrained import restore_weights
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.training.runs import run_path


@pytest.fixture
def run_study(shapes, tiny_config, tmp_path, monkeypatch):
    """A function that runs the command with a tiny network and few images."""
    tiny = study.Study(
        lambda: shapes,
        tiny_config.replace(num_tokens=8),
        Recipe(epochs=1, batch_size=64),
    )
    monkeypatch.setattr(study, "STUDIES", {"scenes10": tiny})
    monkeypatch.setattr(study, "TEST_IMAGES", len(shapes.test.labels))

    def run_study(*options):
        out = tmp_path / "study.json"
        arguments = ["study.py", "scenes10", "--out", str(out), *options]
        monkeypatch.setattr("sys.argv", arguments)
        study.main()
        return json.loads(out.read_text())

    run_study.folder = tmp_path
    return run_study


@pytest.mark.slow
def test_each_training_is_a_row_and_is_made_once(run_study, shapes, monkeypatch, capsys):
    options = ["--methods", "v1 weighted mean", "average pooling", "--seeds", "0"]
    result = run_study(*options, "--runs", str(run_study.folder))
    rows = result["rows"]
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("v1 weighted mean", 0),
        ("average pooling", 0),
    ]
    assert "Question 1" in result["plan"]
    for row in rows:
        network = build_vit(ViTConfig(**row["config"]))
        path = run_study.folder / f"scenes10_{row['method'].replace(' ', '_')}.json"
        restore_weights(network, run_path(path, 0, ".npz"))
        assert run_card(path, 0)["test"]["top1"] == row["accuracy"]
        assert run_path(path, 0, ".maps.npz").exists() == ("v1" in row["method"])
        right = network.predict(shapes.test.images, verbose=0).argmax(1) == shapes.test.labels
        np.testing.assert_array_equal(unpack_bits(row["right"], len(right)), right)
        assert row["accuracy"] == pytest.approx(right.mean())
    assert not list(run_study.folder.glob("*.resume.npz"))

    monkeypatch.setattr(study, "train_run", None)  # it must not be called again
    assert run_study(*options)["rows"] == rows
    assert "v1 weighted mean - average pooling" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run_study("--methods", "top K")  # no folder for its weights


@pytest.mark.parametrize("name", study.STUDIES)
def test_every_method_is_another_network_of_the_study(name):
    base = study.STUDIES[name].config
    configs = {base.replace(**changes) for changes in study.METHODS.values()}
    assert len(configs) == len(study.METHODS)
    assert {method for pair in study.COMPARISONS for method in pair} <= study.METHODS.keys()
