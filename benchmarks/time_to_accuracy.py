"""How long 20 epochs of the published example take, and modern() until 56.5 % validation accuracy.

The published time is computed: the epochs' images over the rates of training and inference that
are measured here (medians), in the example's own form. The time of modern() is one run's wall
clock, from before the model is built until the end of the first epoch, validation included, after
which the accuracy is reached; compilation is part of it. Its schedule is made for the one epoch
that it gets: four times as many steps as usual, of a quarter of the batch, at the usual learning
rate.

    python benchmarks/time_to_accuracy.py [--write]    # two lines, and the result file

Needs CIFAR-10, and a machine with nothing else to do.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import keras

from published_example import build_example, compile_example
from results import result_parser, save_rows
from throughput import IMAGES, RATES, REPEATS
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils._text import format_seconds
from tlvit_utils.data import load_cifar10
from tlvit_utils.session import choose_compute
from tlvit_utils.training import ProgressLine, Recipe, train

TARGET = 0.565
PUBLISHED_EPOCHS = 20
RECIPE = replace(Recipe.modern(1), batch_size=64, learning_rate=2e-3)


class StopAtTarget(keras.callbacks.Callback):
    """End the training at the first epoch that reaches the target; note the seconds of each.

    Args:
        start: `time.perf_counter()` when the clock started.
        target: validation accuracy to reach.
    """

    def __init__(self, start, target=TARGET):
        super().__init__()
        self.start, self.target = start, target
        self.seconds, self.reached = [], False

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(round(time.perf_counter() - self.start, 1))
        self.reached = logs["val_accuracy"] >= self.target
        self.model.stop_training = self.reached


def published_row(dataset):
    """Return the published example's rates, and the seconds that its epochs would take."""
    model = build_example()
    compile_example(model)
    images, labels = dataset.train.take(IMAGES)
    rates = {}
    for name, rate in RATES.items():
        values = [rate(model, images, labels, 256) for _ in range(REPEATS + 1)]
        rates[name] = median(values[1:])  # the first compiled
    per_epoch = (
        len(dataset.train.labels) / rates["training"]
        + len(dataset.validation.labels) / rates["inference"]
    )
    return {
        "form": "published example",
        "training_images_per_second": round(rates["training"], 1),
        "inference_images_per_second": round(rates["inference"], 1),
        "epochs": PUBLISHED_EPOCHS,
        "seconds": round(PUBLISHED_EPOCHS * per_epoch),
    }


def modern_row(dataset):
    """Train modern() once until it reaches the target, or to the end of its schedule."""
    start = time.perf_counter()
    compute = choose_compute()
    keras.config.set_dtype_policy(compute.dtype_policy)
    keras.utils.set_random_seed(RECIPE.seed)
    model = build_vit(ViTConfig.modern())
    line = ProgressLine("modern()", len(dataset.train.labels), RECIPE.batch_size)
    stop = StopAtTarget(start)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "best.weights.h5")
        history = train(model, dataset, RECIPE, checkpoint, [line, stop])
    return {
        "form": "modern()",
        "training_images_per_second": round(line.images_per_second, 1),
        "epochs": len(stop.seconds),
        "seconds": stop.seconds[-1] if stop.reached else None,
        "seconds_after_each_epoch": stop.seconds,
        "val_accuracy": [round(value, 4) for value in history["val_accuracy"]],
        "seed": RECIPE.seed,
        "compute": compute,
        "recipe": RECIPE,
    }


def main():
    options = result_parser(__doc__).parse_args()
    dataset = load_cifar10()
    published = published_row(dataset)
    print(
        f"{PUBLISHED_EPOCHS} epochs of the published example would take "
        f"{format_seconds(published['seconds'])}."
    )
    modern = modern_row(dataset)
    ratio = None
    if modern["seconds"] is None:
        print(f"modern() did not reach {TARGET:.1%} in its {RECIPE.epochs} epochs.")
    else:
        ratio = round(published["seconds"] / modern["seconds"], 1)
        print(f"modern() took {format_seconds(modern['seconds'])}: {ratio} times sooner.")
    if options.write:
        save_rows("time_to_accuracy", [published, modern], target=TARGET, ratio=ratio)


if __name__ == "__main__":
    main()
