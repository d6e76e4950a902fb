"""One training as a command, `python -m tlvit_utils`: weights, results and maps in files.

It made the weights that ship. What it wrote it does not make again, and what was interrupted or
killed it takes up after the last finished epoch.
"""

import argparse
import hashlib
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tlvit_utils._files import save_result
from tlvit_utils._validation import POOLINGS
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.epoch_maps import RecordMaps
from tlvit_utils.data.datasets import Dataset, load_cifar10, load_scenes10, load_shapes10
from tlvit_utils.pretrained import restore_weights, save_pretrained
from tlvit_utils.session import choose_compute, session_fields
from tlvit_utils.training.loop import evaluate, train
from tlvit_utils.training.progress import ProgressLine
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.vit import VARIANTS, ViTConfig, build_vit

DATASETS = {
    "cifar10": lambda: load_cifar10(source="cifar10"),
    "shapes10": lambda: load_shapes10(),
    "scenes10": lambda: load_scenes10(base=load_cifar10(source="cifar10")),
}
KNOWN_COPIES = {  # SHA-256 of the 40,000 training images
    "59f15aaa69770ac87e285429c5019e150d40a6f2c9d67553d7c6a1e9cb37ca2c": (
        "CIFAR-10 decoded from JPEG copies: order and labels are the original's, the pixels differ "
        "by 5.8 of 255 in the mean of 6,187 images compared."
    )
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options that say which network is trained on what, and for how long."""
    parser.add_argument(
        "--config", choices=("modern", "light", "published", "scenes"), default="modern"
    )
    parser.add_argument("--num-tokens", type=int, help="without it, no TokenLearner")
    parser.add_argument(
        "--variant", choices=tuple(VARIANTS), default="v1", help="which TokenLearner"
    )
    parser.add_argument("--pooling", choices=POOLINGS, help="another than the network's, for v1")
    parser.add_argument("--num-groups", type=int, default=4, help="groups of the grouped variant")
    parser.add_argument(
        "--num-layers", type=int, help="blocks; TokenLearner stands after the middle, as published"
    )
    parser.add_argument("--weight-decay", type=float, help="another than the recipe's")
    parser.add_argument("--dataset", choices=tuple(DATASETS), default="cifar10")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for all that it writes"
    )


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the command's options."""
    parser = argparse.ArgumentParser(prog="python -m tlvit_utils", description=main.__doc__)
    add_options(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--maps", action="store_true", help="keep the maps of 24 test images at every epoch"
    )
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="folder for its logs")
    options = parser.parse_args(arguments)
    if options.num_tokens is None and (options.maps or options.variant != "v1"):
        parser.error("--maps and --variant ask for a TokenLearner; give its --num-tokens too.")
    return options


def run_name(options: argparse.Namespace) -> str:
    """Return the name of a run's files, which tells it from every other run."""
    parts = [options.config]
    if options.num_layers:
        parts.append(f"{options.num_layers}_layers")
    if options.num_tokens is None:
        parts.append("no_token_learner")
    else:
        groups = f"_{options.num_groups}" if options.variant == "grouped" else ""
        parts.append(f"{options.num_tokens}_tokens_{options.variant}{groups}")
    if options.pooling:
        parts.append(options.pooling)
    if options.weight_decay is not None:
        parts.append(f"decay_{options.weight_decay:g}")
    return "_".join([*parts, options.dataset, f"{options.epochs}_epochs_seed_{options.seed}"])


def configure(options: argparse.Namespace) -> tuple[ViTConfig, Recipe]:
    """Return the model and the recipe that the options ask for, but for the recipe's seed."""
    config = getattr(ViTConfig, options.config)(options.num_tokens)
    if options.num_tokens is not None:
        config = config.replace(variant=options.variant, num_groups=options.num_groups)
    if options.pooling:
        config = config.replace(pooling=options.pooling)
    if options.num_layers:
        config = config.replace(
            num_layers=options.num_layers, token_learner_after=options.num_layers // 2
        )
    recipe = getattr(Recipe, options.config)(options.epochs)
    if options.weight_decay is not None:
        recipe = replace(recipe, weight_decay=options.weight_decay)
    return config, recipe


def shown_command(program: str, arguments: list[str], place: str = "DIR") -> str:
    """Return the command as it is published: with `place` in place of a path of this machine."""
    command = f"python {program} {shlex.join(arguments)}".strip()
    return re.sub(r"(--(?:out|tensorboard)[ =])('[^']*'|\S+)", rf"\1{place}", command)


def training_images_fields(dataset: Dataset) -> dict[str, str]:
    """Return the SHA-256 of the training images, and a note where they are a known copy."""
    images_hash = hashlib.sha256(np.ascontiguousarray(dataset.train.images)).hexdigest()  # no copy
    facts = {"train_images_sha256": images_hash}
    if note := KNOWN_COPIES.get(images_hash):
        facts["train_images_note"] = note
    return facts


def build_exact(config: ViTConfig) -> keras.Model:
    """Build the network in float32, in which the accuracy of weights is published.

    The session's dtype policy is float32 from then on.
    """
    keras.config.set_dtype_policy("float32")
    return build_vit(config)


def save_run(
    path: Path,
    model: keras.Model,
    exact: keras.Model,
    config: ViTConfig,
    recipe: Recipe,
    dataset: Dataset,
    history: dict[str, list[float]],
    **facts,
) -> dict:
    """Write the weights of a finished training to PATH.npz and its results to PATH.json.

    Args:
        model: with the weights of its best epoch.
        exact: the same network in float32, which gets the weights as they were written and
            measures the test accuracy.
        facts: more for the results.

    Returns:
        What `evaluate` gave on the test images.
    """
    save_pretrained(model, f"{path}.npz")
    restore_weights(exact, f"{path}.npz")
    test = evaluate(exact, *dataset.test)
    cost = model_cost(exact)
    save_result(
        f"{path}.json",
        config=config,
        recipe=recipe,
        dataset=dataset.name,
        **training_images_fields(dataset),
        test=test,
        parameters=cost.params,
        multiply_adds=cost.macs,
        seconds=sum(history["seconds"]),
        history=history,
        **facts,
        **session_fields(),
    )
    return test


def main(arguments: list[str] | None = None) -> None:
    """Train a model; write NAME.npz (its best weights), NAME.json (the results) and, if asked,
    NAME.maps.npz. Run again, the command skips what is there and resumes what was interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(arguments)
    name = run_name(options)
    if (options.out / f"{name}.json").exists():
        print(f"{options.out} already holds {name}; delete its files to train it again.")
        return
    config, recipe = configure(options)
    recipe = replace(recipe, seed=options.seed)
    dataset = DATASETS[options.dataset]()
    num_images = len(dataset.train.labels)
    compute = choose_compute()
    print(compute)
    keras.config.set_dtype_policy(compute.dtype_policy)
    keras.utils.set_random_seed(options.seed)
    model = build_vit(config)

    checkpoint = options.out / f"{name}.weights.h5"
    line = ProgressLine(name, num_images, recipe.batch_size)
    callbacks = [line]
    if options.maps:
        callbacks.append(RecordMaps(options.out / f"{name}.maps.npz", dataset))
    history = train(
        model,
        dataset,
        recipe,
        checkpoint,
        callbacks,
        compute.jit_compile,
        resume=True,
        tensorboard=options.tensorboard,
    )
    if len(history["loss"]) < recipe.epochs:
        sys.exit("The same command goes on from there.")

    save_run(
        options.out / name,
        model,
        build_exact(config),
        config,
        recipe,
        dataset,
        history,
        images_per_second=line.images_per_second,
        compute=compute,
        command=shown_command("-m tlvit_utils", arguments),
    )
    checkpoint.unlink()
    checkpoint.with_name(f"{name}.resume.npz").unlink()
