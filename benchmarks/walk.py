"""Train every step from the published network to modern(), and alternatives to its parts.

Each is trained for 5 epochs on the first 10,000 training images and measured on the first 5,000
validation images, with one seed: a screening, in which differences of one point mean nothing.
modern() is trained with two more seeds, which shows what chance does.

    python benchmarks/walk.py --write    # or --out FILE.json; one row at a time

A row that is there is not trained again: an interrupted run continues. Needs CIFAR-10.
"""

import sys
from dataclasses import replace

import keras
import numpy as np
from keras import ops

from results import load_rows, table_parser, table_path, training_images_fields
from tlvit_utils import ViTConfig
from tlvit_utils._files import save_result
from tlvit_utils.analysis.comparison import pack_bits
from tlvit_utils.data import load_cifar10
from tlvit_utils.session import choose_compute, session_fields
from tlvit_utils.training import ProgressLine, Recipe
from tlvit_utils.training.runs import shown_command
from tlvit_utils.training.walk import EPOCHS, WALK, Step, run_step

TRAIN_IMAGES = 10_000
VALIDATION_IMAGES = 5_000


def small_normal_positions(model: keras.Model) -> keras.Model:
    """Draw the position embedding from N(0, 0.02) in place of Keras's U(-0.05, 0.05)."""
    embedding = model.get_layer("patch_encoder").position_embedding.embeddings
    embedding.assign(keras.random.normal(embedding.shape, stddev=0.02))
    return model


def sin_cos_positions(model: keras.Model) -> keras.Model:
    """Give the positions fixed sines and cosines of row and column, a quarter of the width each."""
    encoder = model.get_layer("patch_encoder")
    side, quarter = round(encoder.num_patches**0.5), encoder.projection_dim // 4
    rows, columns = np.divmod(np.arange(side**2), side)
    frequencies = 10_000.0 ** (-np.arange(quarter) / quarter)
    angles = [place[:, None] * frequencies for place in (rows, columns)]  # each (tokens, quarter)
    values = np.concatenate([f(angle) for angle in angles for f in (np.sin, np.cos)], axis=1)
    encoder.position_embedding.embeddings.assign(ops.cast(values, "float32"))
    encoder.trainable = False
    return model


def alternatives() -> tuple[Step, ...]:
    modern, recipe = ViTConfig.modern(8), Recipe.modern(EPOCHS)
    deeper = ((24, 1), (48, 2), (48, 1), (96, 2), (96, 1), (96, 1))

    def other(change, adapt=None, in_recipe=None, **in_config):
        changed = replace(recipe, **(in_recipe or {}))
        return Step(change, modern.replace(**in_config), changed, adapt)

    return (
        other("no TokenLearner", num_tokens=None),
        other("TokenLearner v1.1", variant="v1.1"),
        other("4 tokens, not 8", num_tokens=4),
        other("TokenLearner after the 2nd block", token_learner_after=1),
        other("TokenLearner after the 3rd block", token_learner_after=2),
        other("tokens are means again", pooling="mean"),
        other("the MLP ends with GELU again", activate_last=True),
        other("three blocks, not four", num_layers=3),
        other("six convolutions, not four", convolutions=deeper),
        other("dropout 0.1 again", dropout_rate=0.1),
        other("positions drawn from N(0, 0.02)", small_normal_positions),
        other("fixed sine and cosine positions", sin_cos_positions),
        other("the published weight decay", in_recipe={"weight_decay": 1e-4}),
        other("learning rate 0.001", in_recipe={"learning_rate": 1e-3}),
        other("batches of 128, not 256", in_recipe={"batch_size": 128}),
        other("no label smoothing", in_recipe={"label_smoothing": 0.0}),
    )


ALTERNATIVES = alternatives()
SEED = 0
SETTINGS = {
    "epochs": EPOCHS,
    "train_images": TRAIN_IMAGES,
    "validation_images": VALIDATION_IMAGES,
    "seed": SEED,
}


def main():
    parser = table_parser(__doc__)
    path = table_path(parser, parser.parse_args(), "walk")
    try:
        rows = load_rows(path)
    except (OSError, ValueError, KeyError, TypeError):
        parser.error(f"{path} holds other things than rows; choose another file with --out.")
    dataset = load_cifar10()
    images = training_images_fields(dataset)
    compute = choose_compute()
    keras.config.set_dtype_policy(compute.dtype_policy)
    runs = [
        *(("walk", step, SEED) for step in WALK),
        *(("seeds", WALK[-1], SEED + more) for more in (1, 2)),
        *(("alternatives", step, SEED) for step in ALTERNATIVES),
    ]
    done = {(row["part"], row["change"], row["seed"]) for row in rows}
    for part, step, seed in runs:
        if (part, step.change, seed) in done:
            continue
        row = run_step(
            step,
            dataset,
            train_images=TRAIN_IMAGES,
            validation_images=VALIDATION_IMAGES,
            epochs=EPOCHS,
            seed=seed,
            callbacks=[ProgressLine(step.change, TRAIN_IMAGES, step.recipe.batch_size)],
        )
        row["right"] = pack_bits(row["right"])
        about = {"part": part, "config": step.config, "recipe": step.recipe, "seed": seed}
        rows.append({**about, "dtype_policy": compute.dtype_policy, **row})
        save_result(
            path,
            settings=SETTINGS,
            **images,
            command=shown_command("benchmarks/walk.py", sys.argv[1:]),
            **session_fields(),
            rows=rows,
        )


if __name__ == "__main__":
    main()
