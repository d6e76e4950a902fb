"""One training as a command, `python -m tlvit_utils`: results, weights and maps in files.

An *experiment* is one network, recipe and data set; a *run* is its training with one seed.
EXPERIMENT.json holds the results of all its runs, EXPERIMENT_seed_N.npz and
EXPERIMENT_seed_N.maps.npz the weights and maps of one. A run that exists is not trained again,
and an interrupted one continues after its last complete epoch.
"""

import argparse
import json
import re
import shlex
import sys
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path

import keras

from tlvit_utils._files import locked, save_result
from tlvit_utils._validation import differences, parse_seed
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.epoch_maps import RecordMaps
from tlvit_utils.data.batches import sha256
from tlvit_utils.data.datasets import LOADERS, Dataset
from tlvit_utils.pretrained import restore_weights, save_pretrained
from tlvit_utils.session import choose_compute, session_fields
from tlvit_utils.training.callbacks import DivergedError
from tlvit_utils.training.loop import evaluate, train
from tlvit_utils.training.progress import ProgressLine
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.vit import VARIANTS, ViTConfig, build_vit

DATASETS = {  # by what `--dataset` calls them
    "cifar10": LOADERS["CIFAR-10"],
    "shapes10": LOADERS["shapes10"],
    "scenes10": LOADERS["scenes10 made of CIFAR-10"],
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options that say which network is trained on what, and for how long."""
    configs = ("modern", "published", "scenes")
    parser.add_argument("--config", choices=configs, default=configs[0])
    parser.add_argument("--num-tokens", type=int, help="without it, no TokenLearner")
    parser.add_argument("--variant", choices=tuple(VARIANTS), help="of TokenLearner (default: v1)")
    parser.add_argument("--num-groups", type=int, help="groups of the grouped variant (default: 4)")
    parser.add_argument(
        "--num-layers", type=int, help="blocks; TokenLearner follows block N // 2, counted from 0"
    )
    parser.add_argument("--weight-decay", type=float, help="instead of the recipe's")
    parser.add_argument("--dataset", choices=tuple(DATASETS), default="cifar10")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for everything it writes"
    )


def configure(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[ViTConfig, Recipe]:
    """Return model and recipe, with seed 0; options that do not fit together end the program."""
    if options.num_tokens is None and options.variant is not None:
        parser.error("--variant asks for a TokenLearner; give its --num-tokens too.")
    if options.num_groups is not None and options.variant != "grouped":
        parser.error("--num-groups is for --variant grouped; give that too.")
    try:
        config = getattr(ViTConfig, options.config)(options.num_tokens)
        recipe = getattr(Recipe, options.config)(options.epochs)
        changes = {name: getattr(options, name) for name in ("variant", "num_groups")}
        if options.num_layers is not None:
            changes["num_layers"] = options.num_layers
            changes["token_learner_after"] = options.num_layers // 2
        config = config.replace(**{k: v for k, v in changes.items() if v is not None})
        if options.weight_decay is not None:
            recipe = replace(recipe, weight_decay=options.weight_decay)
    except ValueError as error:
        parser.error(str(error))
    return config, recipe


def experiment_name(options: argparse.Namespace) -> str:
    """Return the name that distinguishes an experiment from every other one."""
    parts = [options.config]
    if options.num_layers is not None:
        parts.append(f"{options.num_layers}_layers")
    if options.num_tokens is None:
        parts.append("no_token_learner")
    else:
        variant = options.variant or "v1"
        groups = f"_{options.num_groups or 4}" if variant == "grouped" else ""
        parts.append(f"{options.num_tokens}_tokens_{variant}{groups}")
    if options.weight_decay is not None:
        parts.append(f"decay_{options.weight_decay:g}")
    return "_".join([*parts, options.dataset, f"{options.epochs}_epochs"])


def shown_command(program: str, arguments: list[str]) -> str:
    """Return the command as it is published: with DIR or FILE.json for a path of this machine."""

    def without_path(option):
        name, path = option.groups()
        return name + ("FILE.json" if path.strip("'").endswith(".json") else "DIR")

    command = f"python {program} {shlex.join(arguments)}".strip()
    return re.sub(r"(--(?:out|rows|runs)[ =])('[^']*'|\S+)", without_path, command)


def images_sha256(dataset: Dataset) -> str:
    """Return the SHA-256 of the training images."""
    return sha256(dataset.train.images)


def read_experiment(path: Path) -> dict:
    """Return an experiment's results: what its runs share, and `runs`, a dict for each seed."""
    experiment = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(experiment, dict) or "runs" not in experiment:
        raise ValueError(f"{path} does not hold an experiment's results.")
    return experiment


def has_run(path: Path, seed: int) -> bool:
    """Return whether the experiment's file exists and has the results of this seed."""
    return path.exists() and any(run["seed"] == seed for run in read_experiment(path)["runs"])


def remove_state(path: Path, seed: int) -> None:
    """Delete what a finished training of an experiment would resume from."""
    for suffix in (".weights.h5", ".resume.npz"):
        run_path(path, seed, suffix).unlink(missing_ok=True)


def describe_experiment(config: ViTConfig, recipe: Recipe, dataset: Dataset) -> dict:
    """Return what all seeds of an experiment share."""
    return {
        "config": asdict(config),
        "recipe": {name: value for name, value in asdict(recipe).items() if name != "seed"},
        "dataset": dataset.name,
        "train_images_sha256": images_sha256(dataset),
    }


def add_run(path: Path, shared: dict, run: dict) -> None:
    """Add the results of one seed to an experiment's file; processes may add at the same time.

    `shared` is what all seeds share: `describe_experiment`, and whatever else.
    """
    with locked(path.with_suffix(".lock"), leftovers_of=path):
        runs = [run]
        if path.exists():
            before = read_experiment(path)
            check_same_experiment(path, shared)
            shared = {**before, **shared}
            runs += [other for other in before["runs"] if other["seed"] != run["seed"]]
        save_result(path, **{**shared, "runs": sorted(runs, key=itemgetter("seed"))})


def check_same_experiment(path: Path, shared: dict) -> None:
    """Raise a ValueError if the experiment's file exists and does not agree with `shared`."""
    if not path.exists():
        return
    before = read_experiment(path)
    configs = (asdict(ViTConfig(**each["config"])) for each in (before, shared))
    recipes = (asdict(Recipe(**each["recipe"])) for each in (before, shared))
    changes = [*differences(*configs, "config"), *differences(*recipes, "recipe")]
    for name in ("dataset", "train_images_sha256"):
        changes += differences(before[name], shared[name], name)
    if changes:
        raise ValueError(
            f"{path} holds another experiment: {', '.join(changes)}. Choose another folder."
        )


def save_run(
    path: Path,
    model: keras.Model,
    in_float32: keras.Model,
    config: ViTConfig,
    recipe: Recipe,
    dataset: Dataset,
    history: dict[str, list[float]],
    **fields,
) -> dict:
    """Write a finished run's weights, measure them as written, and add the results to `path`.

    Returns all that it knows of the run, with `right` as `evaluate` returns it.
    """
    weights = run_path(path, recipe.seed, ".npz")
    save_pretrained(model, weights)
    restore_weights(in_float32, weights)
    test = evaluate(in_float32, *dataset.test)
    cost = model_cost(in_float32)
    shared = {
        **describe_experiment(config, recipe, dataset),
        "parameters": cost.params,
        "multiply_adds": cost.macs,
    }
    run = {
        "seed": recipe.seed,
        "test": {name: value for name, value in test.items() if name != "right"},
        "seconds": sum(history["seconds"]),
        "history": history,
        **fields,
        **session_fields(),
    }
    add_run(path, shared, run)
    return {**shared, **run, "right": test["right"]}


def run_path(path: Path, seed: int, suffix: str) -> Path:
    """Return the file of one run beside its experiment's `path`."""
    return path.with_name(f"{path.name.removesuffix('.json')}_seed_{seed}{suffix}")


def train_run(
    path: Path, config: ViTConfig, recipe: Recipe, dataset: Dataset, command: str, *, maps: bool
) -> dict:
    """Train a run, or go on with it, keep its maps if asked, and return what `save_run` does."""
    check_same_experiment(path, describe_experiment(config, recipe, dataset))
    compute = choose_compute()
    keras.config.set_dtype_policy(compute.dtype_policy)
    keras.utils.set_random_seed(recipe.seed)
    model = build_vit(config)
    name, num_images = run_path(path, recipe.seed, "").name, len(dataset.train.labels)
    line = ProgressLine(name, num_images, recipe.batch_size)
    callbacks = [line]
    if maps:
        callbacks.append(RecordMaps(run_path(path, recipe.seed, ".maps.npz"), dataset))
    checkpoint = run_path(path, recipe.seed, ".weights.h5")
    history = train(model, dataset, recipe, checkpoint, callbacks, resume=True)
    if len(history["loss"]) < recipe.epochs:
        sys.exit("Run the same command again to continue.")
    keras.config.set_dtype_policy("float32")  # in which accuracies are published
    run = save_run(
        path,
        model,
        build_vit(config),
        config,
        recipe,
        dataset,
        history,
        images_per_second=line.images_per_second,
        compute=compute,
        command=command,
    )
    remove_state(path, recipe.seed)
    return run


def main(arguments: list[str] | None = None) -> None:
    """Train a model; write its best weights (NAME_seed_N.npz), its results (into NAME.json) and,
    if asked, maps (NAME_seed_N.maps.npz). Run again, the command skips what is there and resumes
    what was interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m tlvit_utils", description=main.__doc__)
    add_options(parser)
    parser.add_argument("--seed", type=parse_seed, default=0)
    parser.add_argument(
        "--maps", action="store_true", help="keep the maps of 24 test images at every epoch"
    )
    options = parser.parse_args(arguments)
    config, recipe = configure(parser, options)
    if options.maps and not config.has_maps:
        parser.error("--maps: this network has none; give --num-tokens, and a --variant with maps.")
    recipe = replace(recipe, seed=options.seed)
    path = options.out / f"{experiment_name(options)}.json"
    command = shown_command("-m tlvit_utils", arguments)
    try:
        if has_run(path, options.seed):
            remove_state(path, options.seed)
            print(f"{path} has seed {options.seed} already; delete the run to train it again.")
            return
        dataset = DATASETS[options.dataset]()
        print(choose_compute())
        train_run(path, config, recipe, dataset, command, maps=options.maps)
    except (OSError, ValueError, DivergedError) as error:
        sys.exit(str(error))
