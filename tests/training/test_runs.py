import hashlib
import json
import shlex
import shutil
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest
from keras.ops import convert_to_numpy

from make_weights import make_weights, run_card
from tlvit_utils import ViTConfig, build_vit, load_pretrained, pretrained
from tlvit_utils.analysis import epoch_maps
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.epoch_maps import RecordMaps, load_epoch_maps, read_epoch_maps
from tlvit_utils.pretrained import WEIGHTS_DIR, model_card, restore_weights
from tlvit_utils.training import runs
from tlvit_utils.training.callbacks import DivergedError
from tlvit_utils.training.loop import evaluate
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.training.runs import (
    add_options,
    add_run,
    configure,
    experiment_name,
    has_run,
    main,
    shown_command,
)


def asked(*arguments):
    """Return the configuration, the recipe and the name that belong to the arguments."""
    parser = ArgumentParser()
    add_options(parser)
    options = parser.parse_args([*arguments, "--out", "unused"])
    return *configure(parser, options), experiment_name(options)


def test_experiments_that_differ_have_different_names():
    experiments = (
        "",
        "--config published",
        "--num-tokens 8",
        "--num-tokens 4",
        "--num-tokens 8 --variant v1.1",
        "--num-tokens 8 --variant grouped",
        "--num-tokens 8 --variant grouped --num-groups 8",
        "--num-layers 8",
        "--weight-decay 0.1",
        "--dataset shapes10",
        "--epochs 100",
    )
    assert len({asked(*each.split())[-1] for each in experiments}) == len(experiments)
    assert asked("--num-tokens", "8", "--variant", "v1") == asked("--num-tokens", "8")


def test_options_reach_the_network_and_the_recipe():
    config, recipe, _ = asked("--config", "published", "--num-layers", "8")
    assert config == ViTConfig.published(None, num_layers=8)
    assert recipe == Recipe.published(20)
    assert asked("--weight-decay", "0")[1].weight_decay == 0
    groups = ["--num-tokens", "8", "--variant", "grouped", "--num-groups", "2"]
    expected = ViTConfig.published(8).replace(variant="grouped", num_groups=2)
    assert asked("--config", "published", *groups)[0] == expected


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--variant", "v1.1"], "give its --num-tokens"),
        (["--num-tokens", "8", "--num-groups", "4"], "--variant grouped"),
        (["--num-layers", "0"], "num_layers is 0"),
        (["--num-tokens", "0"], "num_tokens is 0"),
        (["--epochs", "0"], "epochs is 0"),
        (["--weight-decay", "nan"], "weight_decay is nan"),
        (["--maps"], "give --num-tokens"),
        (["--maps", "--num-tokens", "4", "--variant", "average"], "a --variant with maps"),
        (["--seed", "-1"], "--seed: -1 is not"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", [["--out", "out"], ["--out", "a b/c"], ["--out=out"]], ids=str)
def test_the_published_command_names_no_folder(out):
    shown = shown_command("-m tlvit_utils", ["--epochs", "3", *out, "--seed", "1"])
    assert shown.replace("=", " ") == "python -m tlvit_utils --epochs 3 --out DIR --seed 1"
    shown = shown_command("study.py", ["a", "--runs", "/b c", "--rows", "d.json", *out])
    assert shown.replace("=", " ") == "python study.py a --runs DIR --rows FILE.json --out DIR"


# the file of an experiment


@pytest.fixture
def shared(tiny_config):
    return {
        "config": asdict(tiny_config),
        "recipe": {"epochs": 2, "batch_size": 128},
        "dataset": "shapes10",
        "train_images_sha256": "00",
    }


def test_seeds_come_together_in_order_and_each_is_found_again(shared, tmp_path):
    path = tmp_path / "tiny.json"
    noted = shared | {"train_images_note": "made by code"}
    add_run(path, noted, {"seed": 2, "top1": 0.5})
    add_run(path, shared, {"seed": 0, "top1": 0.25})
    add_run(path, shared, {"seed": 2, "top1": np.float32(0.75)})
    assert [run["seed"] for run in json.loads(path.read_text())["runs"]] == [0, 2]
    assert has_run(path, 2) and not has_run(path, 1) and not has_run(tmp_path / "other.json", 2)
    recipe = shared["recipe"] | {"seed": 2}
    expected = json.loads(json.dumps(noted | {"recipe": recipe, "top1": 0.75}))
    assert run_card(path, 2) == expected
    with pytest.raises(ValueError, match="no run with seed 1, only 0, 2"):
        run_card(path, 1)


def test_processes_can_add_seeds_at_the_same_time(shared, tmp_path):
    path = tmp_path / "tiny.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: add_run(path, shared, {"seed": seed}), range(24)))
    assert [run["seed"] for run in json.loads(path.read_text())["runs"]] == list(range(24))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"config": {"dropout_rate": 0.25}}, "config.dropout_rate was 0.0 and is 0.25"),
        ({"recipe": {"epochs": 3}}, "recipe.epochs was 2 and is 3"),
        ({"train_images_sha256": "11"}, "train_images_sha256 was '00' and is '11'"),
    ],
)
def test_the_results_of_another_experiment_are_not_mixed_in(change, message, shared, tmp_path):
    path = tmp_path / "tiny.json"
    add_run(path, shared, {"seed": 0})
    before = path.read_bytes()
    ((name, value),) = change.items()
    other = {**shared, name: {**shared[name], **value} if isinstance(value, dict) else value}
    with pytest.raises(ValueError, match=message):
        add_run(path, other, {"seed": 1})
    assert path.read_bytes() == before


# the command


@pytest.fixture(scope="module")
def small(tiny_config, shapes):
    """Let the command train tiny models on few pictures."""
    with pytest.MonkeyPatch.context() as patch:
        config = tiny_config.replace(num_layers=1)
        patch.setattr(ViTConfig, "scenes", lambda tokens: config.replace(num_tokens=tokens))
        patch.setitem(runs.DATASETS, "cifar10", lambda: shapes)
        yield


NAME = "scenes_2_tokens_v1_cifar10_2_epochs"
RUN = f"{NAME}_seed_3"
COMMAND = shlex.split("--config scenes --num-tokens 2 --epochs 2 --seed 3 --maps --out")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    """The folder that the command wrote."""
    folder = tmp_path_factory.mktemp("runs")
    main([*COMMAND, str(folder)])
    return folder


def test_the_command_writes_weights_results_and_maps(trained, tiny_config, shapes, capsys):
    written = files(trained)
    assert set(written) == {f"{NAME}.json", f"{RUN}.npz", f"{RUN}.maps.npz"}

    card = run_card(trained / f"{NAME}.json", 3)
    config = ViTConfig(**card["config"])
    assert config == tiny_config.replace(num_layers=1, num_tokens=2)
    assert (card["recipe"]["epochs"], card["recipe"]["seed"]) == (2, 3)
    assert card["dataset"] == shapes.name
    images_hash = hashlib.sha256(shapes.train.images.tobytes()).hexdigest()
    assert card["train_images_sha256"] == images_hash
    assert card["command"].startswith("python -m tlvit_utils --config scenes --num-tok")
    assert card["seconds"] == pytest.approx(sum(card["history"]["seconds"]))
    assert {"machine", "versions"} <= set(card)

    model = build_vit(config)
    restore_weights(model, trained / f"{RUN}.npz")
    cost = model_cost(model)
    assert (card["parameters"], card["multiply_adds"]) == (cost.params, cost.macs)
    test = evaluate(model, *shapes.test)
    assert card["test"]["top1"] == pytest.approx(test["top1"])
    assert card["test"]["confusion"] == test["confusion"].tolist()

    maps = read_epoch_maps(trained / f"{RUN}.maps.npz")
    assert maps.maps.shape == (2, 24, 2, 4, 4)
    assert maps.val_accuracy == pytest.approx(card["history"]["val_accuracy"])

    main([*COMMAND, str(trained)])
    assert "has seed 3 already" in capsys.readouterr().out
    assert files(trained) == written


@pytest.mark.slow
def test_the_command_resumes_and_repeats_nothing(small, tmp_path, monkeypatch, capsys):
    """It is interrupted in the second epoch, and then killed before it has saved."""

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="Run the same command"):
        patch.setattr(RecordMaps, "on_epoch_begin", interrupt)
        main([*COMMAND, str(tmp_path)])
    assert not (tmp_path / f"{NAME}.json").exists()
    first = read_epoch_maps(tmp_path / f"{RUN}.maps.npz").maps
    capsys.readouterr()

    def killed(*arguments, **fields):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="full"):
        patch.setattr(runs, "save_run", killed)
        main([*COMMAND, str(tmp_path)])
    printed = capsys.readouterr().out
    assert "epoch 1 of 2" not in printed and "epoch 2 of 2" in printed
    both = read_epoch_maps(tmp_path / f"{RUN}.maps.npz").maps
    assert len(both) == 2
    np.testing.assert_array_equal(both[:1], first)

    main([*COMMAND, str(tmp_path)])
    assert "epoch 2 of 2" not in capsys.readouterr().out
    assert set(files(tmp_path)) == {f"{NAME}.json", f"{RUN}.npz", f"{RUN}.maps.npz"}
    card = run_card(tmp_path / f"{NAME}.json", 3)
    assert card["images_per_second"] is None and len(card["history"]["loss"]) == 2


def test_another_experiments_folder_is_refused_before_the_training(trained, monkeypatch):
    (path,) = trained.glob("*.json")
    before = path.read_bytes()
    monkeypatch.setattr(runs, "images_sha256", lambda dataset: "other images")
    monkeypatch.setattr(runs, "train", None)
    with pytest.raises(SystemExit, match="holds another experiment: train_images_sha256"):
        main([*COMMAND, str(trained), "--seed", "4"])
    assert path.read_bytes() == before


def test_a_training_that_diverges_ends_in_a_sentence(small, tmp_path, monkeypatch):
    def diverge(*arguments, **options):
        raise DivergedError("The loss is nan at step 1.")

    monkeypatch.setattr(runs, "train", diverge)
    with pytest.raises(SystemExit, match="loss is nan"):
        main([*COMMAND, str(tmp_path)])


# from a run to the weights that ship: tools/make_weights.py


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder in which weights and maps ship, in place of the package's."""
    monkeypatch.setattr(pretrained, "WEIGHTS_DIR", tmp_path / "weights")
    monkeypatch.setattr(pretrained, "PRETRAINED", ("tiny",))
    monkeypatch.setattr(epoch_maps, "MAPS_DIR", tmp_path / "maps")
    return tmp_path


def test_a_run_becomes_weights_maps_and_a_card(trained, shelf, tiny_config, shapes):
    make_weights(trained / f"{NAME}.json", 3, "tiny", shelf / "weights", shelf / "maps")
    model = load_pretrained("tiny")
    card = model_card("tiny")
    assert card == run_card(trained / f"{NAME}.json", 3)
    assert evaluate(model, *shapes.test)["top1"] == pytest.approx(card["test"]["top1"])
    assert load_epoch_maps("tiny").val_accuracy == pytest.approx(card["history"]["val_accuracy"])
    expected = build_vit(tiny_config.replace(num_layers=1, num_tokens=2))
    restore_weights(expected, trained / f"{RUN}.npz")
    for one, other in zip(model.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(convert_to_numpy(one), convert_to_numpy(other))


def test_maps_of_earlier_weights_do_not_stay(trained, shelf, tmp_path):
    runs = shutil.copytree(trained, tmp_path / "runs")
    places = (shelf / "weights", shelf / "maps")
    make_weights(runs / f"{NAME}.json", 3, "tiny", *places)
    assert (shelf / "maps" / "tiny.npz").exists()
    (maps,) = runs.glob("*.maps.npz")
    maps.unlink()
    make_weights(runs / f"{NAME}.json", 3, "tiny", *places)
    assert not (shelf / "maps" / "tiny.npz").exists()


def test_a_run_without_its_weights_ships_nothing(trained, shared, shelf, tmp_path):
    add_run(tmp_path / "tiny.json", shared, {"seed": 1})
    for seed, error in ((0, ValueError), (1, FileNotFoundError)):
        with pytest.raises(error):
            make_weights(tmp_path / "tiny.json", seed, "tiny", shelf / "weights", shelf / "maps")
    (tmp_path / "tiny_seed_1.npz").write_bytes((trained / f"{RUN}.npz").read_bytes())  # 2 tokens
    with pytest.raises(ValueError, match="another network"):
        make_weights(tmp_path / "tiny.json", 1, "tiny", shelf / "weights", shelf / "maps")
    assert not (shelf / "weights").exists() and not (shelf / "maps").exists()


@pytest.mark.parametrize(
    "name, experiment",
    [
        ("modern_8_tokens", "modern_8_tokens_v1_cifar10_20_epochs"),
        ("modern_8_tokens_v1.1", "modern_8_tokens_v1.1_cifar10_20_epochs"),
        ("modern_no_token_learner", "modern_no_token_learner_cifar10_20_epochs"),
        ("published_8_tokens", "published_8_tokens_v1_cifar10_20_epochs"),
    ],
)
def test_the_shipped_cards_are_those_that_the_tool_makes(name, experiment):
    card = model_card(name)
    results = WEIGHTS_DIR.with_name("results") / f"{experiment}.json"
    assert run_card(results, card["recipe"]["seed"]) == card


@pytest.mark.parametrize(
    "name, method",
    [
        ("scenes_average", "average pooling"),
        ("scenes_sum", "v1 sum"),
        ("scenes_v1.1", "v1.1"),
        ("scenes_weighted_mean", "v1 weighted mean"),
    ],
)
def test_the_cards_of_scenes_agree_with_the_study(name, method):
    card = model_card(name)
    study = json.loads(
        (WEIGHTS_DIR.with_name("results") / "study_scenes10.json").read_text("utf-8")
    )
    (row,) = (row for row in study["rows"] if (row["method"], row["seed"]) == (method, 0))
    assert (card["recipe"], card["dataset"]) == (study["recipe"], study["dataset"])
    shared = ("config", "parameters", "multiply_adds", "history")
    assert [card[key] for key in shared] == [row[key] for key in shared]
    assert card["test"]["top1"] == row["accuracy"]
