"""Which layout of scenes10 shows best that a reduction must choose where it reads.

    python benchmarks/scenes10_layouts.py --write    # or --out FILE.json

On each layout TokenLearner with the weighted mean and average pooling, which cost nearly the same,
are trained for a quarter of the standard budget, with one seed. The further apart their accuracies
lie, the better a layout separates methods. A row is written as soon as its training ends; a
training that has its row is not repeated.
"""

import sys
import tempfile
from pathlib import Path

import keras

from results import load_rows, table_parser, table_path
from study import METHODS, VALIDATION_IMAGES
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils._files import save_result
from tlvit_utils.analysis import attention_maps, localisation, mask_shares, model_cost
from tlvit_utils.data import load_cifar10, load_scenes10
from tlvit_utils.session import session_fields
from tlvit_utils.training import ProgressLine, Recipe, train
from tlvit_utils.training.runs import shown_command

LAYOUTS = {
    "standard": {},
    "no fragments": {"num_fragments": 0},
    "more and larger fragments": {"num_fragments": 24, "fragment_sizes": (8, 20)},
    "a larger scene": {"canvas_size": 96, "num_fragments": 27},
}
COMPARED = ("v1 weighted mean", "average pooling")
RECIPE, SCENES = Recipe.scenes(6), 7_680


def measure(layout: str, method: str, base) -> dict:
    """Return the row of one training: accuracy, and how often the mean map finds the image."""
    sizes = (SCENES, VALIDATION_IMAGES, 0)
    dataset = load_scenes10(sizes=sizes, base=base, **LAYOUTS[layout])
    side = dataset.train.images.shape[1]
    keras.utils.set_random_seed(RECIPE.seed)
    config = ViTConfig.scenes().replace(image_size=side, resized_size=side, crop_size=side)
    model = build_vit(config.replace(**METHODS[method]))
    line = ProgressLine(f"{layout}, {method}", SCENES, RECIPE.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        history = train(model, dataset, RECIPE, Path(folder) / "best.weights.h5", [line])
    if len(history["loss"]) < RECIPE.epochs:  # stopped by hand, which `train` survives
        raise KeyboardInterrupt
    row = {
        "layout": layout,
        "settings": LAYOUTS[layout],
        "method": method,
        "multiply_adds": model_cost(model).macs,
        "val_accuracy": max(history["val_accuracy"]),
        "history": history,
    }
    if method == COMPARED[0]:
        images, masks = dataset.validation.images, dataset.validation.masks
        found = localisation(attention_maps(model, images), mask_shares(model, masks))
        row["mean_map_hit"] = found["own"].mean_map_hit
        row["chance"] = found["chance"].mean_map_hit
    return row


def main():
    parser = table_parser(__doc__)
    options = parser.parse_args()
    path = table_path(parser, options, "scenes10_layouts")
    rows = load_rows(path)
    done = {(row["layout"], row["method"]) for row in rows}
    fields = {"recipe": RECIPE, "train_images": SCENES, "validation_images": VALIDATION_IMAGES}
    base = load_cifar10()
    command = shown_command("benchmarks/scenes10_layouts.py", sys.argv[1:])
    for layout in LAYOUTS:
        for method in COMPARED:
            if (layout, method) not in done:
                rows.append(
                    {**measure(layout, method, base), "command": command, **session_fields()}
                )
                save_result(path, **fields, rows=rows)
                keras.utils.clear_session()
        apart = {row["method"]: row["val_accuracy"] for row in rows if row["layout"] == layout}
        print(layout, {method: f"{value:.1%}" for method, value in apart.items()})


if __name__ == "__main__":
    main()
