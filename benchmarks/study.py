"""TokenLearner beside other ways to make a network cheaper: accuracy against true multiply-adds.

    python benchmarks/study.py scenes10 --runs DIR --write    # or cifar10, or cifar10_short
    python benchmarks/study.py scenes10 --runs DIR --out FILE.json --methods "v1 sum" "one block"

It writes one row per training as it ends, with --write into assets/results/study_scenes10.json, and
each training's weights into DIR. A training that has its row is not repeated; an interrupted
one resumes after its last finished epoch. All methods are trained from seed 0 first, and so on.

The plan, written before the first training:

- Question 1, scenes10: an image is hidden in a scene four times as large. Does a reduction that can
  choose where it reads keep more than one that cannot, at the same cost? And how much of what a
  network without reduction has?
- Question 2, CIFAR-10 at 32 pixels: the same, where the object fills the picture. A screening,
  `cifar10_short`, asks it first in a quarter of the time: 5 epochs of 10,000 images.
- Networks: `ViTConfig.scenes()` and `ViTConfig.modern()`, each with 8 tokens after the first of its
  four blocks. The methods differ in nothing but the reduction, or have none and four, two blocks or
  one. METHODS below lists them.
- Training: scenes10, 12 epochs of 15,360 new scenes in batches of 128; CIFAR-10, 10 epochs of the
  first 20,000 training images in batches of 256, which takes two processor cores about three hours,
  two runs at a time (the older plan in study_scenes10.json has 40,000); otherwise
  `Recipe.modern`. No method's settings were tuned. The best epoch is chosen on the first 2,000
  validation images. Seeds 0, 1 and 2.
- Measured: right or wrong for each of the 10,000 test images, in float32 with the weights as
  written; multiply-adds by `model_cost`; seconds of an epoch, which other work on the machine can
  lengthen.
- Compared: by `paired_difference`, mean over seeds of the paired differences over images, with its
  95 % interval. Five comparisons are asked: v1 with the weighted mean against average pooling,
  against no reduction and against one block; v1.1 against average pooling; PatchMerger against
  v1.1. All others are for orientation.
- If time remains, on scenes10: why does it help to divide each map by its sum? The two layers of
  `division.py` each do half of it. If the length of the tokens is the reason, "divided only" is
  level with the weighted mean and ahead of the sum; if it is that cells compete, "competing only"
  is. "v1 mean" tells whether a constant factor is enough.
- What counts: one method is *ahead* of another if the interval lies above 0, *level* with it if
  the interval lies within 1 point of 0 on both sides, and otherwise the question is open. The goal
  on scenes10: TokenLearner ahead of average pooling by 8 points, and level with no reduction at
  40 % of its cost. What comes out against TokenLearner is published just as plainly.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

import division
import nested
from results import (
    experiment_path,
    load_rows,
    table_parser,
    table_path,
    training_images_fields,
)
from tlvit_utils import ViTConfig
from tlvit_utils._files import BusyError, locked, save_result
from tlvit_utils._validation import differences, parse_seed
from tlvit_utils.analysis.comparison import compare_methods, pack_bits
from tlvit_utils.data import Dataset, load_cifar10, load_scenes10
from tlvit_utils.session import choose_compute
from tlvit_utils.training import DivergedError, Recipe
from tlvit_utils.training.runs import shown_command, train_run

VALIDATION_IMAGES, TEST_IMAGES = 2_000, 10_000
SEEDS = (0, 1, 2)
METHODS = {  # what each changes in the network with 8 tokens; the first to be trained comes first
    "v1 weighted mean": {"pooling": "weighted_mean"},
    "average pooling": {"variant": "average"},
    "one block": {"num_tokens": None, "num_layers": 1},
    "no reduction": {"num_tokens": None},
    "v1.1": {"variant": "v1.1"},
    "PatchMerger": {"variant": "patch_merger"},
    "v1 sum": {"pooling": "sum"},
    "v1 mean": {"pooling": "mean"},
    "top K": {"variant": "top_k"},
    "strided convolution": {"variant": "strided"},
    "two blocks": {"num_tokens": None, "num_layers": 2},
    "divided only": {"variant": "divided"},
    "competing only": {"variant": "competing"},
    "nested": {"variant": "nested"},
}
OPTIONAL = ("divided only", "competing only", "nested")  # only where --methods names them
COMPARISONS = (  # asked before the first training
    ("v1 weighted mean", "average pooling"),
    ("v1 weighted mean", "no reduction"),
    ("v1 weighted mean", "one block"),
    ("v1.1", "average pooling"),
    ("PatchMerger", "v1.1"),
)


@dataclass(frozen=True)
class Study:
    """One data set with its network and its budget."""

    load: Callable[[], Dataset]
    config: ViTConfig
    recipe: Recipe


STUDIES = {
    "scenes10": Study(
        lambda: load_scenes10(sizes=(15_360, VALIDATION_IMAGES, TEST_IMAGES), base=load_cifar10()),
        ViTConfig.scenes(),
        Recipe.scenes(12),
    ),
    "cifar10": Study(
        lambda: load_cifar10().take(20_000, VALIDATION_IMAGES, TEST_IMAGES),
        ViTConfig.modern(),
        Recipe.modern(10),
    ),
    "cifar10_short": Study(
        lambda: load_cifar10().take(10_000, VALIDATION_IMAGES, TEST_IMAGES),
        ViTConfig.modern(),
        Recipe.modern(5),
    ),
}


def add_variants() -> None:
    """Let `ViTConfig` take the layers that only this study has."""
    division.add_variants()
    nested.add_variant()


def run(study: str, method: str, seed: int, dataset: Dataset, runs: Path, command: str) -> dict:
    """Train one network, leave its weights and its card in RUNS, and return its row.

    `tools/make_weights.py` ships them. The first seed keeps the maps of 24 test images too.
    """
    config = STUDIES[study].config.replace(**METHODS[method])
    recipe = replace(STUDIES[study].recipe, seed=seed)
    path = experiment_path(study, method, runs)
    maps = config.has_maps and seed == SEEDS[0]
    done = train_run(path, config, recipe, dataset, command, maps=maps)
    return {
        "method": method,
        "seed": seed,
        "accuracy": done["test"]["top1"],
        "right": pack_bits(done["right"]),
        "parameters": done["parameters"],
        "multiply_adds": done["multiply_adds"],
        "config": done["config"],
        "dtype_policy": done["compute"].dtype_policy,
        "history": done["history"],
        "command": command,
        "machine": done["machine"],
        "versions": done["versions"],
    }


def check_same_study(path: Path, shared: dict) -> dict:
    """Return what all rows of a study share: as its file says, or `shared` if there is none.

    A ValueError if the two are different trainings. The plan stays the file's.
    """
    if not path.exists():
        return shared
    before = json.loads(path.read_text(encoding="utf-8"))
    del before["rows"]
    recipes = (asdict(each) for each in (Recipe(**before["recipe"]), shared["recipe"]))
    changes = list(differences(*recipes, "recipe"))
    for name in ("study", "dataset", "train_images_sha256"):
        changes += differences(before[name], shared[name], name)
    if changes:
        raise ValueError(f"{path} holds another study: {', '.join(changes)}. Choose another file.")
    return before


def check_same_arithmetic(path: Path) -> None:
    """Raise a ValueError if the file's rows come from another backend or precision than this one's.

    Methods would differ by more than what is compared.
    """
    here = {"backend": keras.backend.backend(), "dtype_policy": choose_compute().dtype_policy}
    for row in load_rows(path):
        (backend,) = row["versions"].keys() & {"jax", "tensorflow", "torch"}
        there = {"backend": backend, "dtype_policy": row["dtype_policy"]}
        if changes := list(differences(there, here)):
            raise ValueError(
                f"{path} has trainings of another kind: {', '.join(changes)}. Set KERAS_BACKEND to "
                "the same backend, or choose another file."
            )


def add_row(path: Path, row: dict, shared: dict) -> None:
    """Add a row to a study's file, which another process may be writing too."""
    with locked(path.with_suffix(".lock")):
        shared = check_same_study(path, shared)
        rows = [each for each in load_rows(path) if _key(each) != _key(row)]
        methods = list(METHODS)
        rows.append(row)
        rows.sort(key=lambda each: (methods.index(each["method"]), each["seed"]))
        save_result(path, **shared, rows=rows)


def _key(row):
    return row["method"], row["seed"]


def train_all(study: str, to_do: list[tuple[str, int]], runs: Path, path: Path) -> None:
    """Train methods with seeds, and add the row of each to the study's file."""
    dataset = STUDIES[study].load()
    shared = {
        "study": study,
        "dataset": dataset.name,
        **training_images_fields(dataset),
        "recipe": replace(STUDIES[study].recipe, seed=0),
        "plan": __doc__.split("The plan, written before the first training:\n\n")[1],
        "comparisons": COMPARISONS,
    }
    check_same_study(path, shared)
    check_same_arithmetic(path)
    command = shown_command("benchmarks/study.py", sys.argv[1:])
    for method, seed in to_do:
        if (method, seed) in map(_key, load_rows(path)):
            continue  # another process has trained it meanwhile
        try:
            row = run(study, method, seed, dataset, runs, command)
        except BusyError as error:
            print(error)
            continue
        add_row(path, row, shared)
        keras.utils.clear_session()


def print_table(rows: list[dict]) -> None:
    """Print each method's cost and accuracies, and the comparisons that the plan asks for."""
    print(f"{'':<22}{'M multiply-adds':>16}{'accuracy %':>12}   by seed")
    for method in METHODS:
        some = [row for row in rows if row["method"] == method]
        if some:
            accuracies = [100 * row["accuracy"] for row in some]
            print(
                f"{method:<22}{some[0]['multiply_adds'] / 1e6:>16.1f}{np.mean(accuracies):>12.2f}"
                f"   {' '.join(f'{each:.2f}' for each in accuracies)}"
            )
    for method, other in COMPARISONS:
        if difference := compare_methods(rows, method, other, TEST_IMAGES):
            print(f"{method} - {other}: {difference}, {len(difference.per_seed)} seeds")


def main():
    add_variants()
    parser = table_parser(__doc__)
    parser.add_argument("study", choices=tuple(STUDIES))
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder for the weights")
    parser.add_argument("--seeds", type=parse_seed, nargs="+", default=SEEDS)
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=tuple(METHODS),
        default=[method for method in METHODS if method not in OPTIONAL],
    )
    options = parser.parse_args()
    path = table_path(parser, options, f"study_{options.study}")
    done = {_key(row) for row in load_rows(path)}
    to_do = [(m, s) for s in options.seeds for m in options.methods if (m, s) not in done]
    if to_do and options.runs is None:
        parser.error(f"{len(to_do)} trainings are missing; give a folder for them with --runs.")
    if to_do:
        try:
            train_all(options.study, to_do, options.runs, path)
        except (OSError, ValueError, DivergedError) as error:
            sys.exit(str(error))
    print_table(load_rows(path))


if __name__ == "__main__":
    main()
