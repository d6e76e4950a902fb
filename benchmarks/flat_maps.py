"""What the learned maps of trained networks are worth: the accuracy with others in their place.

It reads weights and results as `on_gpu.py` or `python -m tlvit_utils` left them in a
folder, and measures on all test images of CIFAR-10 what notebook 08 measures on some.

    python benchmarks/flat_maps.py [--write] runs    # the rows, and the result file

The rows that ship are of the published network with 4 and with 8 tokens, made in `runs` by

    KERAS_BACKEND=jax python benchmarks/on_gpu.py --config published --num-tokens 8 \\
        --seeds 0 1 2 3 4 --weights --out runs

and by the same command with `--num-tokens 4`. Means, spreads and `fixed_share` are those of the
maps of the first 500 images.
"""

from pathlib import Path

import keras
from results import result_parser, save_rows

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis import NetworkParts, accuracy_with_maps, attention_maps, fixed_share
from tlvit_utils.data import load_cifar10
from tlvit_utils.pretrained import restore_weights
from tlvit_utils.training.runs import read_experiment, run_path

SOME = 500  # images whose maps are described


def find_runs(folder):
    """Yield the experiment's file and the seed of each run that left its weights in the folder."""
    for path in sorted(folder.glob("*.json")):
        experiment = read_experiment(path)
        seeds = [run["seed"] for run in experiment["runs"]]
        seeds = [seed for seed in seeds if run_path(path, seed, ".npz").exists()]
        if not ViTConfig(**experiment["config"]).has_maps:
            print(f"{path.stem} makes no maps; left out.")
            continue
        yield from ((path, seed) for seed in seeds)


def measure(path, seed, test):
    """Return the row of one run."""
    config = ViTConfig(**read_experiment(path)["config"])
    network = build_vit(config)
    restore_weights(network, run_path(path, seed, ".npz"))
    maps = attention_maps(network, test.images[:SOME])  # (images, tokens, rows, columns)
    return {
        "run": path.stem,
        "seed": seed,
        "num_tokens": config.num_tokens,
        "map_means": maps.mean(axis=(0, 2, 3)).tolist(),
        "map_spreads": maps.std(axis=(2, 3)).mean(axis=0).tolist(),
        "fixed_share": fixed_share(maps),
        "accuracy": accuracy_with_maps(NetworkParts(network), *test),
    }


def main():
    parser = result_parser(__doc__)
    parser.add_argument("folder", type=Path, help="that on_gpu.py wrote to, with --weights")
    options = parser.parse_args()
    runs = list(find_runs(options.folder))
    if not runs:
        parser.error(f"{options.folder} holds no weights of a TokenLearner (--weights).")
    test = load_cifar10(source="cifar10").test
    rows = []
    for path, seed in runs:
        rows.append(measure(path, seed, test))
        print(path.stem, seed, rows[-1]["accuracy"], flush=True)
        keras.utils.clear_session()
    if options.write:
        command = "python benchmarks/flat_maps.py --write runs"
        save_rows("flat_maps", rows, command=command, images=len(test[1]))


if __name__ == "__main__":
    main()
