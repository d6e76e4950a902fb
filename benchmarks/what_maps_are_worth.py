"""What a network's maps are worth: the accuracy with others in their place, and where they lie.

    python benchmarks/what_maps_are_worth.py scenes10 --runs DIR --write    # or another

The source says which networks: with `scenes10` or `cifar10` those whose weights
`benchmarks/study.py` left in DIR; with `published` those that `benchmarks/on_gpu.py --config
published --weights --out DIR` left; with `shipped` those of the package. On all test images:

- the accuracy with the network's own maps, with those of another image, with each token's mean map
  over all images, and with flat maps, each as high as the mean of the own one;
- on scenes10, the share of images in which the highest cell lies on the hidden image: of a token's
  map (the mean over tokens), of the best token's, and of the mean of all tokens' maps; and the
  share of a token's map that lies there, its mass (the mean over tokens). Each is held
  to the image's own mask, to other images' masks and to chance, and beside it stands the hit rate
  of the best *fixed* cell, which knows where hidden images mostly are and does not look.

What a training gave is kept in DIR. The table has paired differences and their 95 % intervals for
other images and other seeds; `--write` puts it into assets/results/what_maps_are_worth.json. (The
rows of the published network have no intervals: its answers were not kept image by image.)
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from results import experiment_path, load_rows, result_path, table_parser, table_path
from study import STUDIES
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils._files import save_result
from tlvit_utils.analysis import (
    NetworkParts,
    attention_maps,
    localisation,
    mask_shares,
)
from tlvit_utils.analysis.comparison import pack_bits, paired_difference, unpack_bits
from tlvit_utils.analysis.interventions import answers_with_maps
from tlvit_utils.data import Dataset
from tlvit_utils.data.datasets import LOADERS
from tlvit_utils.pretrained import PRETRAINED, WEIGHTS_DIR, model_card, restore_weights
from tlvit_utils.session import session_fields
from tlvit_utils.training.runs import read_experiment, run_path, shown_command

WITH_MAPS = ("v1 mean", "v1 sum", "v1 weighted mean", "v1.1", "PatchMerger")
OTHERS = ("other image", "mean", "uniform")  # maps that take the place of the network's own
SCORES = ("token_hit", "best_token_hit", "mean_map_hit", "mass")


@dataclass(frozen=True)
class Training:
    """A trained network with maps."""

    method: str
    seed: int
    config: ViTConfig
    weights: Path
    load: Callable[[], Dataset]  # the images that it was trained on


def find_trainings(source: str, folder: Path, rows_file: Path | None) -> Iterator[Training]:
    """Yield the trainings of a source; the weights of some may be missing."""
    if source == "shipped":
        for name in PRETRAINED:
            card = model_card(name)
            config = ViTConfig(**card["config"])
            if config.has_maps:
                seed, load = card["recipe"].get("seed", 0), LOADERS[card["dataset"]]
                yield Training(name, seed, config, WEIGHTS_DIR / f"{name}.npz", load)
    elif source == "published":
        for path in sorted(folder.glob("published_*.json")):
            experiment = read_experiment(path)
            config = ViTConfig(**experiment["config"])
            for run in experiment["runs"] if config.has_maps else ():
                weights = run_path(path, run["seed"], ".npz")
                yield Training(path.stem, run["seed"], config, weights, LOADERS["CIFAR-10"])
    else:
        for row in load_rows(rows_file or result_path(f"study_{source}")):
            method, seed = row["method"], row["seed"]
            if method in WITH_MAPS:
                config = ViTConfig(**row["config"])
                weights = run_path(experiment_path(source, method, folder), seed, ".npz")
                yield Training(method, seed, config, weights, STUDIES[source].load)


def measure(model, test) -> dict:
    """Return which images one network gets right with which maps, and how its maps are."""
    answers = answers_with_maps(NetworkParts(model), *test)
    maps = attention_maps(model, test.images)
    worth = {
        "right": {name: pack_bits(answers[name]) for name in ("learned", *OTHERS)},
        "images": len(maps),
    }
    if test.masks is not None:
        shares = mask_shares(model, test.masks)  # (images, height, width)
        found = localisation(maps, shares)
        worth["localisation"] = {held_to: summarise(each) for held_to, each in found.items()}
        worth["best_fixed_cell"] = float((shares >= 0.5).mean(axis=0).max())
    return worth


def summarise(found) -> dict[str, float]:
    """Return the means and the best of the tokens' scores."""
    return {
        "token_hit": float(np.mean(found.hits)),
        "best_token_hit": float(np.max(found.hits)),
        "mean_map_hit": found.mean_map_hit,
        "mass": float(np.mean(found.mass)),
    }


def table_row(source: str, method: str, runs: dict[int, dict]) -> dict:
    """Return the row of one method, from what `measure` gave for each seed."""
    seeds = sorted(runs)
    images = runs[seeds[0]]["images"]
    right = {
        name: np.stack([unpack_bits(runs[seed]["right"][name], images) for seed in seeds])
        for name in ("learned", *OTHERS)
    }
    row = {
        "source": source,
        "method": method,
        "seeds": seeds,
        "images": images,
        "accuracy": {name: answers.mean(axis=1) for name, answers in right.items()},
        "worth": {name: paired_difference(right["learned"], right[name]) for name in OTHERS},
    }
    if "localisation" in runs[seeds[0]]:
        by_seed = [runs[seed]["localisation"] for seed in seeds]
        row["localisation"] = {
            held_to: {name: [each[held_to][name] for each in by_seed] for name in SCORES}
            for held_to in by_seed[0]
        }
        row["best_fixed_cell"] = runs[seeds[0]]["best_fixed_cell"]
    command = shown_command("benchmarks/what_maps_are_worth.py", sys.argv[1:])
    return {**row, "command": command, **session_fields()}


def print_row(row: dict) -> None:
    """Print a method's accuracies and what its maps are worth."""
    own = 100 * np.mean(row["accuracy"]["learned"])
    print(f"{row['source']}, {row['method']}: {own:.2f} % with its own maps")
    for name, difference in row["worth"].items():
        print(f"    that is {difference} more than with the maps '{name}'")
    for held_to, scores in row.get("localisation", {}).items():
        shares = ", ".join(f"{name} {np.mean(each):.3f}" for name, each in scores.items())
        print(f"    {held_to}: {shares}")


def _is_newer(path: Path, source: Path) -> bool:
    """Return whether what was measured exists and is newer than the weights that it is of."""
    return path.exists() and path.stat().st_mtime >= source.stat().st_mtime


def main():
    parser = table_parser(__doc__)
    parser.add_argument("source", choices=(*STUDIES, "published", "shipped"))
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rows", type=Path, metavar="FILE.json", help="study.py's --out")
    options = parser.parse_args()
    out = table_path(parser, options, "what_maps_are_worth")
    tests, found = {}, {}
    for each in find_trainings(options.source, options.runs, options.rows):
        kept = options.runs / f"{each.weights.stem}.worth.json"
        if each.weights.exists() and not _is_newer(kept, each.weights):
            if each.load not in tests:
                tests[each.load] = each.load().test
            model = build_vit(each.config)
            restore_weights(model, each.weights)
            save_result(kept, **measure(model, tests[each.load]))
            keras.utils.clear_session()
            print(f"{each.weights.stem} measured", flush=True)
        if kept.exists():
            runs = found.setdefault(each.method, {})
            runs[each.seed] = json.loads(kept.read_text(encoding="utf-8"))
    if not found:
        parser.error(f"{options.runs} holds no weights of a network with maps.")
    rows = {(row["source"], row["method"]): row for row in load_rows(out)}
    for method, runs in found.items():
        row = rows[options.source, method] = table_row(options.source, method, runs)
        print_row(row)
    save_result(out, rows=list(rows.values()))


if __name__ == "__main__":
    main()
