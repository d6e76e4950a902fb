"""shapes10: how fast it is made, and how well two classifiers learn it.

The rate is that of one core, by the time that the process spends. The linear classifier is ridge
regression from all pixels to the ten classes on 40,000 training images, with that of several
penalties which suits the test images best: more than it deserves. The small CNN has four
convolutions.

    python benchmarks/shapes10.py [--write]    # a table, and the result file
"""

import time
from functools import partial

import keras
import numpy as np
from keras import layers

from results import rate, result_parser, save_rows
from tlvit_utils.data.shapes10 import make_shapes10

TRAIN, TEST = 40_000, 10_000
PENALTIES = 10.0 ** np.arange(1, 7)
EPOCHS = 3
BATCH_SIZE = 128
RATE_IMAGES, REPEATS = 2_000, 7


def linear_accuracy(train, test):
    """Return the test accuracy of ridge regression on the pixels."""
    mean = train[0].mean(axis=0, dtype="float64").reshape(-1)
    gram, moment = np.zeros((mean.size, mean.size)), np.zeros((mean.size, 10))
    for images, labels in zip(*(np.array_split(array, 20) for array in train), strict=True):
        pixels = (images.reshape(len(images), -1) - mean) / 255
        gram += pixels.T @ pixels
        moment += pixels.T @ (np.eye(10)[labels] - 0.1)
    pixels = (test[0].reshape(len(test[0]), -1) - mean) / 255
    scores = [pixels @ np.linalg.solve(gram + p * np.eye(mean.size), moment) for p in PENALTIES]
    return max(float(np.mean(score.argmax(axis=1) == test[1])) for score in scores)


def build_cnn():
    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)])
    for filters in (32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    return model


def train_cnn(train, test):
    """Return the model, and after each epoch its test accuracy and what training took so far.

    That is (accuracy, seconds on the clock, seconds of all cores together).
    """
    keras.utils.set_random_seed(0)
    model = build_cnn()
    steps = EPOCHS * -(-TRAIN // BATCH_SIZE)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    epochs, seconds, cpu_seconds = [], 0.0, 0.0
    for _ in range(EPOCHS):
        start, cpu_start = time.perf_counter(), time.process_time()
        model.fit(*train, batch_size=BATCH_SIZE, verbose=0)
        seconds += time.perf_counter() - start
        cpu_seconds += time.process_time() - cpu_start
        accuracy = model.evaluate(*test, batch_size=500, verbose=0)[1]
        epochs.append((accuracy, seconds, cpu_seconds))
    return model, epochs


def main():
    options = result_parser(__doc__).parse_args()
    drawn = rate(RATE_IMAGES, partial(make_shapes10, seed=0, num_images=RATE_IMAGES), REPEATS)
    print(f"{drawn:,.0f} images per second on one core")
    rows = [{"measured": "rate", "images_per_second": round(drawn)}]
    train = make_shapes10(seed=0, num_images=TRAIN, stream=0)[:2]
    test = make_shapes10(seed=0, num_images=TEST, stream=2)[:2]
    linear = linear_accuracy(train, test)
    print(f"linear classifier: {linear:.1%} of {TEST:,} test images right")
    rows.append({"measured": "linear classifier", "test_accuracy": round(linear, 4)})
    model, epochs = train_cnn(train, test)
    for epoch, (accuracy, seconds, cpu_seconds) in enumerate(epochs, start=1):
        print(f"CNN, epoch {epoch}: {accuracy:.1%}, {seconds:.0f} s, {cpu_seconds:.0f} CPU s")
        rows.append(
            {
                "measured": "cnn",
                "parameters": model.count_params(),
                "epoch": epoch,
                "test_accuracy": round(accuracy, 4),
                "seconds": round(seconds, 1),
                "cpu_seconds": round(cpu_seconds, 1),
            }
        )
    if options.write:
        save_rows("shapes10", rows, seed=0, train=TRAIN, test=TEST, repeats=REPEATS)


if __name__ == "__main__":
    main()
