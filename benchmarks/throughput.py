"""Images per second in training and in inference: the published example, its model here, modern().

All three run as a user would run them: the published example with its own augmentation and `fit`
loop, the other two with `train()`'s settings for a long training, and each with its own number of
tokens, 4, 4 and 8. Where this package would train in another precision than float32, the last two
run in both. They take turns, and the numbers are medians. Beside them stands this machine's rate in
plain float32 matrix products, and the share of it that each training reaches: 6 operations per
multiply-add and image, forward and backward.

    python benchmarks/throughput.py [--write]    # a table, and the result file

Every installed backend runs in a process of its own. The images are noise: what they show makes no
difference to the speed.
"""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from statistics import median

import keras
import numpy as np
from keras import ops

from published_example import build_example, compile_example
from results import result_parser, save_rows
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis import model_cost
from tlvit_utils.data import make_pipeline
from tlvit_utils.session import choose_compute, session_fields
from tlvit_utils.training import Recipe, compile_model

BACKENDS = ("tensorflow", "jax", "torch")
MATRIX_SIZE = 2048
REPEATS = 5  # passes
IMAGES = 1024  # in each: whole batches, of which the first is left out
LONG_TRAINING = 6000  # steps


def build_forms():
    """Return for each form its compiled model, its batch size and its multiply-adds per image."""
    example = build_example()
    compile_example(example)
    forms = {"published example": (example, 256, model_cost(build_vit(ViTConfig.published())).macs)}
    chosen = choose_compute().dtype_policy
    for policy in sorted({"float32", chosen}):
        keras.config.set_dtype_policy(policy)
        for name in ("published", "modern"):
            model, recipe = build_vit(getattr(ViTConfig, name)()), getattr(Recipe, name)()
            compile_model(model, recipe, LONG_TRAINING // recipe.epochs)
            form = f"{name}()" if policy == "float32" else f"{name}(), {policy}"
            forms[form] = (model, recipe.batch_size, model_cost(model).macs)
    return forms


class StepClock(keras.callbacks.Callback):
    """Notes when each step of training ends."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    def images_per_second(self, batch_size):
        """Return the rate without the first step, which also starts the pipeline."""
        return (len(self.ends) - 1) * batch_size / (self.ends[-1] - self.ends[0])


def training_rate(model, images, labels, batch_size):
    """Return the images per second of one pass of `fit`."""
    clock = StepClock()
    pipeline = make_pipeline(images, labels, batch_size, shuffle_seed=0)
    model.fit(pipeline, shuffle=False, verbose=0, callbacks=[clock])
    return clock.images_per_second(batch_size)


def inference_rate(model, images, labels, batch_size):
    """Return the images per second of one pass of `predict`."""
    pipeline = make_pipeline(images, labels, batch_size)
    start = time.perf_counter()
    model.predict(pipeline, verbose=0)
    return len(images) / (time.perf_counter() - start)


RATES = {"training": training_rate, "inference": inference_rate}


def matrix_product_rate():
    """Return the median of float32 operations per second in products of two square matrices."""
    rng, shape = np.random.default_rng(0), (MATRIX_SIZE, MATRIX_SIZE)
    a, b = (ops.convert_to_tensor(rng.random(shape, dtype="float32")) for _ in range(2))
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        ops.convert_to_numpy(ops.matmul(a, b)[0, 0])  # waits for the product
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX_SIZE**3 / median(seconds[1:])


def measure():
    """Return the rows of this session's backend."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype="uint8")
    labels = rng.integers(0, 10, IMAGES, dtype="uint8")
    forms = build_forms()
    rates = {(name, kind): [] for name in forms for kind in RATES}
    for _ in range(REPEATS + 1):
        for (name, kind), values in rates.items():
            model, batch_size, _ = forms[name]
            values.append(RATES[kind](model, images, labels, batch_size))
    rates = {key: median(values[1:]) for key, values in rates.items()}  # the first compiled
    product_rate = matrix_product_rate()
    return [
        {
            "backend": keras.backend.backend(),
            "form": name,
            "batch": batch_size,
            "dtype_policy": forms[name][0].dtype_policy.name,
            "multiply_adds": macs,
            **{f"{kind}_images_per_second": round(rates[name, kind], 1) for kind in RATES},
            **{
                f"{kind}_ratio": round(rates[name, kind] / rates["published example", kind], 2)
                for kind in RATES
            },
            "training_gflops": round(6 * macs * rates[name, "training"] / 1e9, 1),
            "matrix_product_gflops": round(product_rate / 1e9, 1),
            "share_of_matrix_product_rate": round(
                6 * macs * rates[name, "training"] / product_rate, 3
            ),
        }
        for name, (_, batch_size, macs) in forms.items()
    ]


def measure_elsewhere(backend):
    """Return what `measure` gives in a process on `backend`, and its versions."""
    printed = subprocess.run(
        [sys.executable, __file__, "--here"],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(printed.splitlines()[-1])


def main():
    parser = result_parser(__doc__)
    parser.add_argument("--here", action="store_true", help="only KERAS_BACKEND; prints JSON")
    options = parser.parse_args()
    if options.here:
        print(json.dumps({"rows": measure(), "fields": session_fields()}))
        return
    rows, versions = [], {}
    print(
        f"{'backend':<12}{'form':<29}{'training':>10}{'ratio':>7}{'inference':>11}{'ratio':>7}"
        f"{'GFLOP/s':>9}{'of':>7}"
    )
    for backend in filter(find_spec, BACKENDS):
        measured = measure_elsewhere(backend)
        versions |= measured["fields"]["versions"]
        for row in measured["rows"]:
            print(
                f"{backend:<12}{row['form']:<29}"
                f"{row['training_images_per_second']:>10.1f}{row['training_ratio']:>7.2f}"
                f"{row['inference_images_per_second']:>11.1f}{row['inference_ratio']:>7.2f}"
                f"{row['training_gflops']:>9.1f}{row['matrix_product_gflops']:>7.1f}",
                flush=True,
            )
        rows += measured["rows"]
    if options.write:
        save_rows("throughput", rows, versions=versions, repeats=REPEATS, images=IMAGES)


if __name__ == "__main__":
    main()
