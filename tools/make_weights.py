"""Ship the weights of a finished run: its weights, its maps and its card go into the package.

    python tools/make_weights.py runs/modern_8_tokens_v1_cifar10_20_epochs.json modern_8_tokens

The run is one of `python -m tlvit_utils --maps` or of `benchmarks/on_gpu.py --weights`; then
`load_pretrained("modern_8_tokens")` finds it.
"""

import argparse
import shutil
from pathlib import Path

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils._files import replacing, save_result
from tlvit_utils._validation import parse_seed
from tlvit_utils.analysis import epoch_maps
from tlvit_utils.pretrained import WEIGHTS_DIR, restore_weights
from tlvit_utils.training.runs import read_experiment, run_path


def make_weights(
    experiment: Path,
    seed: int,
    name: str,
    weights_dir: Path = WEIGHTS_DIR,
    maps_dir: Path = epoch_maps.MAPS_DIR,
) -> list[Path]:
    """Write NAME.npz and NAME.json to `weights_dir`, and NAME.npz to `maps_dir` where there are
    maps; return their paths.

    Args:
        experiment: the experiment's results, `….json`, beside its runs' weights and maps.
        seed: which of its runs.
        name: what `load_pretrained` is to call it.

    Raises:
        ValueError: the experiment lacks this run, or its weights are of another network.
        FileNotFoundError: the run's weights are not there.
    """
    card = run_card(experiment, seed)
    weights, maps = (run_path(experiment, seed, suffix) for suffix in (".npz", ".maps.npz"))
    if not weights.exists():
        raise FileNotFoundError(
            f"{weights} is missing; train the run again, with --weights if by on_gpu.py."
        )
    restore_weights(build_vit(ViTConfig(**card["config"])), weights)  # they fit, or it raises
    written = [_copy(weights, weights_dir / f"{name}.npz")]
    if maps.exists():
        epoch_maps.read_epoch_maps(maps)
        written.append(_copy(maps, maps_dir / f"{name}.npz"))
    else:
        (maps_dir / f"{name}.npz").unlink(missing_ok=True)  # of earlier weights of this name
    save_result(weights_dir / f"{name}.json", **card)  # the last, for it makes the name known
    return [*written, weights_dir / f"{name}.json"]


def run_card(path: Path, seed: int) -> dict:
    """Return all that is known of one run: what its experiment's runs share, and its own."""
    shared = read_experiment(path)
    runs = {run["seed"]: run for run in shared.pop("runs")}
    if seed not in runs:
        raise ValueError(f"{path} has no run with seed {seed}, only {', '.join(map(str, runs))}.")
    run = dict(runs[seed])
    shared["recipe"] = {**shared["recipe"], "seed": run.pop("seed")}
    return {**shared, **run}


def _copy(source, target):
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path, help="its results, DIR/EXPERIMENT.json")
    parser.add_argument("name", help="what load_pretrained is to call it")
    parser.add_argument("--seed", type=parse_seed, default=0)
    options = parser.parse_args()
    try:
        for path in make_weights(options.experiment, options.seed, options.name):
            print(f"Wrote {path}")
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
