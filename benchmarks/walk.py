"""Train every step from the published network to modern(), and alternatives to its parts.

Each is trained for 5 epochs on the first 10,000 training images and measured on the first 5,000
validation images, with one seed: a screening, in which differences of one point mean nothing.
modern() is trained with two more seeds, which shows what chance does.

    python benchmarks/walk.py --out FILE.json    # one row at a time

A row that is there is not trained again: an interrupted run continues. Needs CIFAR-10.
"""

import argparse
import json
import sys
from pathlib import Path

import keras
from results import training_images_fields

from tlvit_utils._files import save_result
from tlvit_utils.analysis.comparison import pack_bits
from tlvit_utils.data import load_cifar10
from tlvit_utils.session import choose_compute, session_fields
from tlvit_utils.training import ProgressLine
from tlvit_utils.training.runs import shown_command
from tlvit_utils.training.walk import (
    ALTERNATIVES,
    EPOCHS,
    TRAIN_IMAGES,
    VALIDATION_IMAGES,
    WALK,
    run_step,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--images", type=int, default=TRAIN_IMAGES, help="training images")
    parser.add_argument("--validation-images", type=int, default=VALIDATION_IMAGES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    options = parser.parse_args()
    settings = {
        "epochs": options.epochs,
        "train_images": options.images,
        "validation_images": options.validation_images,
        "seed": options.seed,
    }
    rows = []
    if options.out.exists():
        found = json.loads(options.out.read_text(encoding="utf-8"))
        if found["settings"] != settings:
            parser.error(
                f"{options.out.name} holds a screening with other settings; choose another --out."
            )
        rows = found["rows"]

    dataset = load_cifar10(source="cifar10")
    images = training_images_fields(dataset)
    compute = choose_compute()
    keras.config.set_dtype_policy(compute.dtype_policy)
    runs = [
        *(("walk", step, options.seed) for step in WALK),
        *(("seeds", WALK[-1], options.seed + more) for more in (1, 2)),
        *(("alternatives", step, options.seed) for step in ALTERNATIVES),
    ]
    done = {(row["part"], row["change"], row["seed"]) for row in rows}
    for part, step, seed in runs:
        if (part, step.change, seed) in done:
            continue
        row = run_step(
            step,
            dataset,
            train_images=options.images,
            validation_images=options.validation_images,
            epochs=options.epochs,
            seed=seed,
            callbacks=[ProgressLine(step.change, options.images, step.recipe.batch_size)],
        )
        row["right"] = pack_bits(row["right"])
        about = {"part": part, "config": step.config, "recipe": step.recipe, "seed": seed}
        rows.append({**about, "dtype_policy": compute.dtype_policy, **row})
        save_result(
            options.out,
            settings=settings,
            **images,
            command=shown_command("benchmarks/walk.py", sys.argv[1:], "FILE.json"),
            **session_fields(),
            rows=rows,
        )


if __name__ == "__main__":
    main()
