import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.epoch_maps import RecordMaps
from tlvit_utils.pretrained import restore_weights
from tlvit_utils.training import runs as experiment
from tlvit_utils.training.loop import evaluate
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.training.runs import configure, main, parse_arguments, run_name, shown_command


def test_the_command_explains_itself():
    command = [sys.executable, "-m", "tlvit_utils", "--help"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "usage: python -m tlvit_utils" in printed
    assert "--num-tokens" in printed


def options(*arguments):
    return parse_arguments([*arguments, "--out", "unused"])


def test_runs_that_differ_have_different_names():
    runs = [
        [],
        ["--config", "light"],
        ["--num-tokens", "8"],
        ["--num-tokens", "4"],
        ["--num-tokens", "8", "--variant", "v1.1"],
        ["--num-tokens", "8", "--variant", "grouped"],
        ["--num-tokens", "8", "--variant", "grouped", "--num-groups", "8"],
        ["--num-tokens", "8", "--pooling", "weighted_mean"],
        ["--num-layers", "8"],
        ["--weight-decay", "0.1"],
        ["--dataset", "shapes10"],
        ["--epochs", "100"],
        ["--seed", "1"],
    ]
    assert len({run_name(options(*run)) for run in runs}) == len(runs)
    assert run_name(options("--config", "light", "--num-tokens", "8", "--seed", "2")) == (
        "light_8_tokens_v1_cifar10_20_epochs_seed_2"
    )


@pytest.mark.parametrize("out", [["--out", "out"], ["--out", "a b/c"], ["--out=out"]], ids=str)
def test_the_published_command_names_no_folder(out):
    shown = shown_command("-m tlvit_utils", ["--epochs", "3", *out, "--seed", "1"])
    assert shown.replace("=", " ") == ("python -m tlvit_utils --epochs 3 --out DIR --seed 1")


def test_eight_layers_are_those_of_the_published_table():
    config, recipe = configure(options("--config", "published", "--num-layers", "8"))
    assert config == ViTConfig.published(None, num_layers=8)
    assert recipe == Recipe.published(20)


def test_another_weight_decay_than_the_recipes():
    assert configure(options("--weight-decay", "0"))[1].weight_decay == 0
    assert configure(options())[1].weight_decay == Recipe.modern().weight_decay


def test_the_grouped_kind_gets_its_groups():
    grouped = options("--config", "published", "--num-tokens", "8", "--variant", "grouped")
    grouped.num_groups = 2
    config, _ = configure(grouped)
    assert config == ViTConfig.published(8).replace(variant="grouped", num_groups=2)


def test_the_scenes_network_with_another_pooling():
    config, recipe = configure(options("--config", "scenes", "--num-tokens", "4"))
    assert (config, recipe) == (ViTConfig.scenes(4), Recipe.scenes(20))
    config, _ = configure(options("--config", "scenes", "--num-tokens", "4", "--pooling", "sum"))
    assert config == ViTConfig.scenes(4).replace(pooling="sum")


@pytest.fixture
def small(tiny_config, shapes, monkeypatch):
    """Let the command train tiny models on few pictures."""
    monkeypatch.setattr(ViTConfig, "light", lambda tokens: tiny_config.replace(num_tokens=tokens))
    monkeypatch.setitem(experiment.DATASETS, "cifar10", lambda: shapes)


NAME = "light_2_tokens_v1_cifar10_2_epochs_seed_3"
COMMAND = [
    "--config",
    "light",
    "--num-tokens",
    "2",
    "--epochs",
    "2",
    "--seed",
    "3",
    "--maps",
    "--out",
]


def test_the_command_writes_weights_results_and_maps(
    small, tiny_config, shapes, tmp_path, capsys, monkeypatch
):
    images_hash = hashlib.sha256(shapes.train.images.tobytes()).hexdigest()
    monkeypatch.setitem(experiment.KNOWN_COPIES, images_hash, "These pictures are made by code.")
    main([*COMMAND, str(tmp_path)])
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(written) == {f"{NAME}.json", f"{NAME}.npz", f"{NAME}.maps.npz"}

    card = json.loads(written[f"{NAME}.json"])
    config = ViTConfig(**card["config"])
    assert config == tiny_config.replace(num_tokens=2)
    assert (card["recipe"]["epochs"], card["recipe"]["seed"]) == (2, 3)
    assert card["dataset"] == shapes.name
    assert card["train_images_sha256"] == images_hash
    assert card["train_images_note"] == "These pictures are made by code."
    assert card["command"].startswith("python -m tlvit_utils --config light --num-tok")
    assert card["seconds"] == pytest.approx(sum(card["history"]["seconds"]))
    assert {"machine", "versions"} <= set(card)

    model = build_vit(config)
    restore_weights(model, tmp_path / f"{NAME}.npz")
    cost = model_cost(model)
    assert (card["parameters"], card["multiply_adds"]) == (cost.params, cost.macs)
    test = evaluate(model, *shapes.test)
    assert card["test"]["top1"] == pytest.approx(test["top1"])
    assert card["test"]["confusion"] == test["confusion"].tolist()

    with np.load(tmp_path / f"{NAME}.maps.npz") as maps:
        assert maps["maps"].shape == (2, 24, 2, 4, 4)
        assert maps["val_accuracy"] == pytest.approx(card["history"]["val_accuracy"])

    capsys.readouterr()
    main([*COMMAND, str(tmp_path)])
    assert f"already holds {NAME}" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written


def test_the_command_goes_on_where_it_was_interrupted(small, tmp_path, monkeypatch, capsys):
    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="The same command"):
        patch.setattr(RecordMaps, "on_epoch_begin", interrupt)
        main([*COMMAND, str(tmp_path)])
    assert not (tmp_path / f"{NAME}.json").exists()
    with np.load(tmp_path / f"{NAME}.maps.npz") as first:
        first_maps = first["maps"]
    capsys.readouterr()

    main([*COMMAND, str(tmp_path)])
    printed = capsys.readouterr().out
    assert "epoch 1 of 2" not in printed
    assert "epoch 2 of 2" in printed
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{NAME}.json", f"{NAME}.npz", f"{NAME}.maps.npz"}
    with np.load(tmp_path / f"{NAME}.maps.npz") as both:
        assert len(both["maps"]) == 2
        np.testing.assert_array_equal(both["maps"][:1], first_maps)


def test_a_training_that_was_killed_before_it_was_saved_is_not_repeated(
    small, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(
            experiment, "save_run", lambda *_, **__: (_ for _ in ()).throw(OSError("full"))
        )
        main([*COMMAND, str(tmp_path)])
    capsys.readouterr()
    main([*COMMAND, str(tmp_path)])
    assert "epoch" not in capsys.readouterr().out.replace("epochs", "")
    card = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert card["images_per_second"] is None and len(card["history"]["loss"]) == 2


def test_the_command_refuses_before_it_writes(small, tmp_path):
    with pytest.raises(ValueError, match="num_tokens is 0"):
        main(["--config", "light", "--num-tokens", "0", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("asked", [["--maps"], ["--variant", "v1.1"]])
def test_what_needs_a_token_learner_is_refused_without_one(asked, capsys):
    with pytest.raises(SystemExit):
        parse_arguments([*asked, "--out", "unused"])
    assert "give its --num-tokens" in capsys.readouterr().err
