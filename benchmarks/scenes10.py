"""scenes10: how fast scenes are made, what the network on them costs, and which layout to choose.

    python benchmarks/scenes10.py speed      # writes assets/results/scenes10_speed.json
    python benchmarks/scenes10.py layouts    # writes assets/results/scenes10_layouts.json

All rates are images per second of one core, by the time that the process spends on all its cores:
other work on the machine changes them little. The network is measured with 8 tokens and without
reduction, on the backend of this session.

A good layout is one in which it matters what a reduction keeps. So each is learned in a short
training by TokenLearner with the weighted mean and by average pooling, which cost the same, and the
layout whose accuracies lie furthest apart is the one to choose. A training that has its row is not
repeated.
"""

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import keras
import numpy as np
from results import result_path, save_rows

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis import model_cost
from tlvit_utils.analysis.maps import attention_maps, mask_shares
from tlvit_utils.analysis.scores import localisation
from tlvit_utils.data import load_cifar10, load_scenes10
from tlvit_utils.data.scenes10 import SceneLayout, make_scenes10
from tlvit_utils.session import choose_compute
from tlvit_utils.training import ProgressLine, Recipe, compile_model, train

REPEATS = 3
LAYOUTS = (
    {"canvas_size": 64, "num_fragments": 12, "fragment_sizes": (8, 16)},
    {"canvas_size": 64, "num_fragments": 24, "fragment_sizes": (8, 20)},
)
METHODS = {
    "v1 weighted mean": {"pooling": "weighted_mean"},
    "average pooling": {"variant": "average"},
}
EPOCHS, SCENES, VALIDATION_SCENES = 5, 7_680, 2_000


def rate(count, work):
    """Return how many of `count` one core does per second, the median of some passes."""
    work()  # compiles
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return round(count / median(seconds), 1)


def measure_speed():
    scenes = 2_000
    base = load_cifar10(source="cifar10").train
    made = rate(scenes, lambda: make_scenes10(*base, scenes, SceneLayout()))
    print(f"{made:,.0f} scenes per second")
    rows = [{"measured": "scenes made", "images_per_second": made}]
    images, labels, _ = make_scenes10(*base, 512, SceneLayout())
    for num_tokens in (8, None):
        model, recipe = build_vit(ViTConfig.scenes(num_tokens)), Recipe.scenes()
        compile_model(model, recipe, 120, choose_compute().jit_compile)
        options = {"batch_size": recipe.batch_size, "verbose": 0}
        training = rate(len(images), partial(model.fit, images, labels, **options))
        inference = rate(len(images), partial(model.predict, images, **options))
        macs = model_cost(model).macs
        print(
            f"{num_tokens} tokens: {macs / 1e6:.1f} M multiply-adds, {training:.0f} images per "
            f"second in training, {inference:.0f} in inference"
        )
        rows.append(
            {
                "measured": "network",
                "num_tokens": num_tokens,
                "multiply_adds": macs,
                "training_images_per_second": training,
                "inference_images_per_second": inference,
            }
        )
    save_rows(
        "scenes10_speed", rows, command="python benchmarks/scenes10.py speed", repeats=REPEATS
    )


def try_layout(layout, method, base):
    """Return the row of one short training."""
    dataset = load_scenes10(sizes=(SCENES, VALIDATION_SCENES, 0), base=base, **layout)
    keras.utils.set_random_seed(0)
    model = build_vit(ViTConfig.scenes().replace(**METHODS[method]))
    recipe = Recipe.scenes(EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        line = ProgressLine(method, SCENES, recipe.batch_size)
        history = train(model, dataset, recipe, Path(folder) / "best.weights.h5", [line])
    row = {"layout": layout, "method": method, "val_accuracy": history["val_accuracy"]}
    if method != "average pooling":
        shares = mask_shares(model, dataset.validation.masks)
        scores = localisation(attention_maps(model, dataset.validation.images), shares)
        row["mean_map_hit"] = {name: score.mean_map_hit for name, score in scores.items()}
    return row


def try_layouts():
    path = result_path("scenes10_layouts")
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    done = [(row["layout"], row["method"]) for row in rows]
    base = load_cifar10(source="cifar10")
    for layout in LAYOUTS:
        for method in METHODS:
            if (json.loads(json.dumps(layout)), method) in done:
                continue
            rows.append(try_layout(layout, method, base))
            save_rows(
                "scenes10_layouts",
                rows,
                command="python benchmarks/scenes10.py layouts",
                recipe=Recipe.scenes(EPOCHS),
                scenes_per_epoch=SCENES,
                validation_scenes=VALIDATION_SCENES,
            )
    for row in rows:
        found = row.get("mean_map_hit", {}).get("own", np.nan)
        print(f"{row['layout']} {row['method']:<18}{row['val_accuracy'][-1]:.1%} {found:.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("speed", "layouts"))
    {"speed": measure_speed, "layouts": try_layouts}[parser.parse_args().part]()
