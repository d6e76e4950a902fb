"""TokenLearner in a Vision Transformer at 224 pixels: its cost by number of tokens and place.

The network is a ViT-Ti/16: 224×224 pixels, 196 patches of 16×16, width 192, 3 heads, 12 blocks.
`TokenLearner`, or average pooling to the same number of tokens beside it, stands after one of the
blocks; the blocks behind it see only those tokens. Weights are random: this says what the network
costs, not how well it sees. Both latency (a prediction of 8 images; the median, the models taking
turns) and memory are TensorFlow's. The memory is what the gradient for 8 images raises a process's
peak by, after the gradient for one image, so that this holds no start-up.

    python benchmarks/tokens_at_224.py [--write]    # a table, and the result file
"""

import resource
import subprocess
import sys
import time
from statistics import median

import keras
import tensorflow as tf
from keras import layers

from results import result_parser, save_rows
from tlvit_utils import PatchEncoder, TokenLearner, TransformerBlock
from tlvit_utils.analysis import model_cost

TOKENS, PLACES = (8, 16, 32), (3, 6, 9)  # number of tokens; of blocks before them
BATCH_SIZE = 8
REPEATS = 7

# (pool size, stride) down and across; windows overlap where they do not divide the 14×14 grid
WINDOWS = {8: ((7, 5), (7, 3)), 16: ((5, 5), (3, 3)), 32: ((5, 7), (3, 1))}


def average_pooling(num_tokens):
    """Return layers that take 196 tokens to the means of `num_tokens` windows of their grid."""
    return keras.Sequential(
        [
            layers.Reshape((14, 14, 192)),
            layers.AveragePooling2D(*WINDOWS[num_tokens]),
            layers.Reshape((num_tokens, 192)),
        ]
    )


REDUCERS = {"TokenLearner": TokenLearner, "average pooling": average_pooling}


def build_vit_at_224(reducer=None, after=0, depth=12):
    """Return a ViT-Ti/16 in which the layer `reducer`, if any, stands after `after` blocks."""
    images = keras.Input((224, 224, 3))
    x = layers.Conv2D(192, kernel_size=16, strides=16)(images / 255)
    x = PatchEncoder(196, 192)(layers.Reshape((196, 192))(x))
    for block in range(1, depth + 1):
        x = TransformerBlock(3, 64, (768, 192), dropout_rate=0, activate_last=False)(x)
        if reducer is not None and block == after:
            x = reducer(x)  # (batch, num_tokens, 192)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(images, layers.Dense(1000, activation="softmax")(x))


def build(kind, num_tokens, after):
    return build_vit_at_224(REDUCERS[kind](num_tokens) if kind in REDUCERS else None, after)


def milliseconds(models):
    """Return each model's median time for one batch; the models take turns."""
    images = tf.random.uniform((BATCH_SIZE, 224, 224, 3), 0, 255)
    functions = [tf.function(model) for model in models]
    for function in functions:
        function(images)  # traces, and warms up
    seconds = [[] for _ in functions]
    for _ in range(REPEATS):
        for function, values in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function(images)
            values.append(time.perf_counter() - start)
    return [1000 * median(values) for values in seconds]


def peak_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure_memory(kind, num_tokens, after):
    """Print the bytes by which the gradient for a batch raises this process's peak."""
    model = build(kind, num_tokens, after)

    @tf.function(reduce_retracing=True)
    def gradient(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    images = tf.fill((BATCH_SIZE, 224, 224, 3), 128.0)
    graph = gradient.get_concrete_function(tf.TensorSpec((None, 224, 224, 3)))
    graph(images[:1])
    before = peak_bytes()
    graph(images)
    print(peak_bytes() - before)


def peak_mib(configuration):
    command = [sys.executable, __file__, "--memory", *map(str, configuration)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(output) / 2**20


def main():
    parser = result_parser(__doc__)
    parser.add_argument(
        "--memory", nargs=3, metavar=("LAYER", "TOKENS", "AFTER"), help="only that of one, in bytes"
    )
    options = parser.parse_args()
    if options.memory:
        kind, num_tokens, after = options.memory
        return measure_memory(kind, int(num_tokens), int(after))
    configurations = [("none", 196, 0)]
    configurations += [(kind, n, after) for kind in REDUCERS for after in PLACES for n in TOKENS]
    # First, while this process is small: Linux lets a child's peak begin at its parent's.
    peaks = [peak_mib(configuration) for configuration in configurations]
    models = [build(*configuration) for configuration in configurations]
    costs = [model_cost(model) for model in models]
    times = milliseconds(models)
    print(
        f"{'layer':<16}{'tokens':>6}{'after':>6}{'parameters':>12}{'million MACs':>13}"
        f"{'ms':>7}{'peak MiB':>9}"
    )
    rows = []
    for configuration, cost, time_, peak in zip(configurations, costs, times, peaks, strict=True):
        kind, num_tokens, after = configuration
        print(
            f"{kind:<16}{num_tokens:>6}{after or '–':>6}{cost.params:>12,}"
            f"{cost.macs / 1e6:>13,.1f}{time_:>7.0f}{peak:>9.0f}"
        )
        rows.append(
            {
                "layer": kind,
                "num_tokens": num_tokens,
                "after_blocks": after or None,
                "parameters": cost.params,
                "multiply_adds": cost.macs,
                "milliseconds": round(time_, 1),
                "peak_mib": round(peak, 1),
            }
        )
    if options.write:
        save_rows("tokens_at_224", rows, batch_size=BATCH_SIZE, repeats=REPEATS)


if __name__ == "__main__":
    main()
