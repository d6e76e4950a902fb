"""What the learned maps of trained networks are worth: the accuracy with others in their place.

It reads weights and results as `on_gpu.py` or `python -m tlvit_utils` left them in a
folder, and measures on all test images of CIFAR-10 what notebook 08 measures on some.

    python benchmarks/flat_maps.py runs    # writes assets/results/flat_maps.json

The rows that ship are of the published network with 4 and with 8 tokens, made in `runs` by

    KERAS_BACKEND=jax python benchmarks/on_gpu.py --config published --num-tokens 8 \\
        --seeds 0 1 2 3 4 --weights --out runs

and by the same command with `--num-tokens 4`. Means, spreads and `fixed_share` are those of the
maps of the first 500 images.
"""

import argparse
import json
from pathlib import Path

import keras
from results import save_rows

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis import accuracy_with_maps, attention_maps, fixed_share, split_network
from tlvit_utils.data import load_cifar10
from tlvit_utils.pretrained import restore_weights

SOME = 500  # images whose maps are described


def measure(path, test):
    """Return the row of one training, from its PATH.json and PATH.npz."""
    result = json.loads(path.read_text(encoding="utf-8"))
    network = build_vit(ViTConfig(**result["config"]))
    restore_weights(network, path.with_suffix(".npz"))
    maps = attention_maps(network, test.images[:SOME])  # (images, tokens, rows, columns)
    return {
        "run": path.stem.removesuffix(f"_seed_{result['recipe']['seed']}"),
        "seed": result["recipe"]["seed"],
        "num_tokens": result["config"]["num_tokens"],
        "map_means": maps.mean(axis=(0, 2, 3)).tolist(),
        "map_spreads": maps.std(axis=(2, 3)).mean(axis=0).tolist(),
        "fixed_share": fixed_share(maps),
        "accuracy": accuracy_with_maps(split_network(network), *test),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with NAME.json and NAME.npz of the trainings")
    options = parser.parse_args()
    paths = [p for p in sorted(options.folder.glob("*.json")) if p.with_suffix(".npz").exists()]
    if not paths:
        parser.error(f"{options.folder} holds no training with its weights (--weights).")
    test = load_cifar10(source="cifar10").test
    rows = []
    for path in paths:
        rows.append(measure(path, test))
        print(path.stem, rows[-1]["accuracy"], flush=True)
        keras.utils.clear_session()
    save_rows("flat_maps", rows, command="python benchmarks/flat_maps.py runs", images=len(test[1]))


if __name__ == "__main__":
    main()
