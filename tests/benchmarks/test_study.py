"""`benchmarks/study.py` keeps what is done, and its rows compare methods on the same images."""

import json
from dataclasses import replace
from unittest.mock import Mock

import keras
import numpy as np
import pytest

import study
from make_weights import run_card
from results import load_rows
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils._files import BusyError
from tlvit_utils.analysis.comparison import unpack_bits
from tlvit_utils.pretrained import restore_weights
from tlvit_utils.training import runs
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


@pytest.mark.slow
def test_an_interrupted_training_leaves_no_row_and_is_resumed(run_study, monkeypatch):
    options = ["--methods", "average pooling", "--seeds", "0", "--runs", str(run_study.folder)]

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    scenes = study.STUDIES["scenes10"]
    recipe = replace(scenes.recipe, epochs=2)
    monkeypatch.setitem(study.STUDIES, "scenes10", replace(scenes, recipe=recipe))
    with monkeypatch.context() as context:
        context.setattr(runs, "ProgressLine", lambda *_: Interrupt())
        with pytest.raises(SystemExit, match="to continue"):
            run_study(*options)
    names = {path.name for path in run_study.folder.iterdir()}
    assert "scenes10_average_pooling_seed_0.resume.npz" in names
    assert not names & {"study.json", "scenes10_average_pooling.json"}
    (row,) = run_study(*options)["rows"]
    assert len(row["history"]["loss"]) == 2


SHARED = {"study": "a", "dataset": "b", "train_images_sha256": "c", "recipe": Recipe()}


def test_rows_of_two_processes_are_kept(tmp_path):
    path = tmp_path / "study.json"
    study.add_row(path, {"method": "average pooling", "seed": 1}, SHARED)
    study.add_row(path, {"method": "average pooling", "seed": 0}, SHARED)
    study.add_row(path, {"method": "v1 sum", "seed": 0}, SHARED)
    study.add_row(path, {"method": "v1 sum", "seed": 0, "again": True}, SHARED)
    assert [(row["method"], row["seed"]) for row in load_rows(path)] == [
        ("average pooling", 0),
        ("average pooling", 1),
        ("v1 sum", 0),
    ]
    assert load_rows(path)[2]["again"]


@pytest.mark.parametrize(
    "other", [{"dataset": "d"}, {"train_images_sha256": "d"}, {"recipe": Recipe(5)}], ids=str
)
def test_a_row_of_another_study_is_refused(tmp_path, other):
    path = tmp_path / "study.json"
    study.add_row(path, {"method": "v1 sum", "seed": 0}, {**SHARED, "plan": "the first"})
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"another study: {next(iter(other))}"):
        study.add_row(path, {"method": "v1 sum", "seed": 1}, {**SHARED, **other})
    assert path.read_bytes() == before
    study.add_row(path, {"method": "v1 sum", "seed": 1}, {**SHARED, "plan": "reworded"})
    assert json.loads(path.read_text())["plan"] == "the first"


def test_rows_of_another_backend_or_precision_are_not_added_to(run_study):
    path = run_study.folder / "study.json"
    others = {"jax", "tensorflow", "torch"} - {keras.backend.backend()}
    for backend, policy in ((others.pop(), "float32"), (keras.backend.backend(), "float64")):
        path.unlink(missing_ok=True)
        shared = {**SHARED, "study": "scenes10", "dataset": "shapes10"}
        scenes = study.STUDIES["scenes10"]
        shared |= {"recipe": replace(scenes.recipe, seed=0)}
        shared |= study.training_images_fields(scenes.load())
        row = {"method": "v1 sum", "seed": 0, "dtype_policy": policy, "versions": {backend: "1"}}
        study.add_row(path, row, shared)
        with pytest.raises(SystemExit, match=r"another kind: (backend|dtype_policy) was"):
            run_study("--methods", "average pooling", "--runs", str(run_study.folder))


def test_what_another_process_trains_is_left_to_it(run_study, monkeypatch, capsys):
    busy = Mock(side_effect=BusyError("Another training writes it."))
    monkeypatch.setattr(study, "train_run", busy)
    options = ["--methods", "average pooling", "one block", "--runs", str(run_study.folder)]
    with pytest.raises(FileNotFoundError):  # the fixture reads rows, and there are none
        run_study(*options, "--seeds", "0")
    assert busy.call_count == 2
    assert capsys.readouterr().out.count("Another training writes it.") == 2


@pytest.mark.parametrize("name", study.STUDIES)
def test_every_method_is_another_network_of_the_study(name):
    study.add_variants()
    base = study.STUDIES[name].config
    configs = {base.replace(**changes) for changes in study.METHODS.values()}
    assert len(configs) == len(study.METHODS)
    assert {method for pair in study.COMPARISONS for method in pair} <= study.METHODS.keys()
