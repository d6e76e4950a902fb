"""TokenLearner's pooling as one matrix product, against the published form, side by side.

The published form multiplies every map with every channel, an array of (batch, num_tokens,
cells, dim) numbers, and takes the mean over the cells. Both forms run on TensorFlow here, in
turns, and the time is the median. The memory is what a process of its own needs at most beyond
what it needed before the pooling; the process pools one image first, so that this holds no
start-up.

    python benchmarks/pooling.py [--write]    # a table, and the result file; Linux
"""

import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import tensorflow as tf
from keras import ops

from results import result_parser, save_rows

NUM_TOKENS = 8
SIZES = [(256, 64, 128), (64, 196, 768)]  # batch, cells, dim
PASSES = ["forward", "forward and backward"]
REPEATS = 21


def one_matrix_product(maps, cells):
    return ops.matmul(maps, cells) / cells.shape[1]


def published_form(maps, cells):
    return ops.mean(maps[..., None] * cells[:, None], axis=2)


FORMS = {"one matrix product": one_matrix_product, "published form": published_form}


def make_run(form, which_pass):
    """Return the compiled pooling, or its gradient in the maps and in the cells."""
    pool = FORMS[form]
    if which_pass == "forward":
        return tf.function(pool)

    @tf.function
    def run(maps, cells):
        with tf.GradientTape() as tape:
            tape.watch((maps, cells))
            loss = tf.reduce_sum(pool(maps, cells) ** 2)
        return tape.gradient(loss, (maps, cells))

    return run


def make_inputs(batch, cells, dim):
    rng = np.random.default_rng(0)
    maps = rng.random((batch, NUM_TOKENS, cells), dtype="float32")
    return tf.constant(maps), tf.constant(rng.random((batch, cells, dim), dtype="float32"))


def times(size, which_pass):
    """Return the median milliseconds of each form; the forms take turns."""
    inputs = make_inputs(*size)
    runs = {form: make_run(form, which_pass) for form in FORMS}
    results = [tf.nest.flatten(run(*inputs)) for run in runs.values()]  # traces, and warms up
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
    seconds = {form: [] for form in FORMS}
    for _ in range(REPEATS):
        for form, run in runs.items():
            start = time.perf_counter()
            run(*inputs)
            seconds[form].append(time.perf_counter() - start)
    return {form: 1000 * median(values) for form, values in seconds.items()}


def peak_mib():
    """Return this process's peak memory so far. (`ru_maxrss` would start at the parent's.)"""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


def measure_memory(form, which_pass, *size):
    """Print the MiB by which the pooling raises this process's peak.

    The inputs are filled in place: whatever was freed before would hide some of the rise.
    """
    batch, cells, dim = size
    inputs = tf.fill((batch, NUM_TOKENS, cells), 0.5), tf.fill((batch, cells, dim), 0.5)
    run = make_run(form, which_pass)
    run(*(x[:1] for x in inputs))
    before = peak_mib()
    run(*inputs)
    print(peak_mib() - before)


def memory(form, which_pass, size):
    """Return what a process of its own prints in `measure_memory`."""
    command = [sys.executable, __file__, "--memory", form, which_pass, *map(str, size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = result_parser(__doc__)
    parser.add_argument(
        "--memory",
        nargs=5,
        metavar=("FORM", "PASS", "BATCH", "CELLS", "DIM"),
        help="only that of one, in MiB",
    )
    options = parser.parse_args()
    if options.memory:
        form, which_pass, *size = options.memory
        return measure_memory(form, which_pass, *map(int, size))
    rows = []
    print(
        f"{'batch':>5} {'cells':>6} {'dim':>4}  {'pass':<21}{'form':<19}{'ms':>8}{'peak MiB':>10}"
    )
    for size in SIZES:
        for which_pass in PASSES:
            for form, milliseconds in times(size, which_pass).items():
                peak = memory(form, which_pass, size)
                batch, cells, dim = size
                print(
                    f"{batch:>5} {cells:>6} {dim:>4}  {which_pass:<21}{form:<19}"
                    f"{milliseconds:>8.2f}{peak:>10.1f}"
                )
                rows.append(
                    {
                        "batch": batch,
                        "cells": cells,
                        "dim": dim,
                        "num_tokens": NUM_TOKENS,
                        "pass": which_pass,
                        "form": form,
                        "milliseconds": round(milliseconds, 2),
                        "peak_mib": round(peak, 1),
                    }
                )
    if options.write:
        save_rows("pooling", rows, repeats=REPEATS)


if __name__ == "__main__":
    main()
