"""Checks for notebook 05: the training step that the learner builds, and the exercises."""

from functools import partial

import keras
import numpy as np
from keras import initializers, layers

from tlvit_utils.checks.comparison import (
    CheckError,
    NotDoneError,
    compare,
    exercise,
    random,
    sizes,
    softmax,
    to_numpy,
)


def train_step(model, loss_function, optimizer, images, labels):
    """Change the weights once, as Keras does on every backend, and return the batch's loss."""
    if getattr(model, "optimizer", None) is not optimizer:
        model.compile(optimizer, loss_function, jit_compile=False)
    model.reset_metrics()  # the loss of this batch, not a mean with those before
    return model.train_on_batch(images, labels)


@exercise(name="train_step", ours=train_step)
def check_train_step(answer):
    """Check `train_step(model, loss_function, optimizer, images, labels)` (notebook 05).

    On TensorFlow, whose way of taking gradients the notebook shows. It must leave the weights that
    Keras's own step leaves.
    """
    if keras.backend.backend() != "tensorflow":
        raise NotDoneError("it needs the TensorFlow backend")
    images = random(np.random.default_rng(0), 6, 5)
    labels = np.array([0, 1, 2, 0, 1, 2])

    def after(step, training=True):
        model = _model_of_three_classes(training)
        optimizer = keras.optimizers.SGD(1.0)
        loss_function = keras.losses.SparseCategoricalCrossentropy()
        loss = step(model, loss_function, optimizer, images, labels)
        return [to_numpy(weight) for weight in model.trainable_weights], loss

    before = _model_of_three_classes().get_weights()
    expected, expected_loss = after(train_step)
    try:
        weights, loss = after(answer)
    except CheckError as error:
        if "No gradients provided" in str(error) or "None" in str(error):
            raise CheckError(
                "There is no gradient: the tape saw nothing that leads from the weights to the "
                "loss. Compute probabilities and loss inside the `with`, and ask for the gradient "
                "of the loss.",
                error.details,
            ) from error
        raise
    if _equal(weights, before):
        raise CheckError("The weights are what they were: apply the gradients to them.")
    if _equal(weights, after(train_step, training=False)[0]):
        raise CheckError(
            "The network ran as at inference, without dropout and augmentation: call it with "
            "`training=True`."
        )
    uphill = [2 * start - end for start, end in zip(before, expected, strict=True)]
    if _equal(weights, uphill):
        raise CheckError("This goes uphill: the loss grows.")
    if not _equal(weights, expected):
        raise CheckError("The weights moved, but not as they must: not by the loss's gradient.")
    if np.shape(to_numpy(loss)) != () or not np.isclose(float(loss), float(expected_loss)):
        raise CheckError(
            "The weights are right. Return the loss, one number.",
            {"expected": f"{float(expected_loss):.4f}", "got": f"{to_numpy(loss)}"},
        )
    return "the weights after a step, and the loss"


def _equal(weights, expected):
    return all(np.allclose(*pair, atol=1e-5) for pair in zip(weights, expected, strict=True))


def _model_of_three_classes(training=True):
    """Return a small network with dropout, always with the same weights and draws."""
    kernels = [initializers.GlorotUniform(seed=seed) for seed in (0, 1)]
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, activation="relu", kernel_initializer=kernels[0]),
            layers.Dropout(0.5 if training else 0.0, seed=0),
            layers.Dense(3, activation="softmax", kernel_initializer=kernels[1]),
        ]
    )


@exercise
def check_top_k_share(answer):
    """Check `top_k_share(probabilities, labels, k)`, a number (notebook 05).

    `(images, classes)` and `(images,)`.
    """

    def draw(rng):
        images, classes = int(rng.integers(200, 300)), int(rng.integers(8, 14))
        probabilities = softmax(random(rng, images, classes), axis=1)
        return probabilities, rng.integers(classes, size=images), int(rng.integers(3, 6))

    def places(probabilities, labels):
        """Return the place of each image's true class, 0 for the most probable."""
        of_true = np.take_along_axis(probabilities, labels[:, None], axis=1)
        return (probabilities > of_true).sum(axis=1)

    def right(probabilities, labels, k):
        return (places(probabilities, labels) < k).mean()

    def wrong(probabilities, labels, k):
        place, classes = places(probabilities, labels), probabilities.shape[1]
        along_images = np.argsort(probabilities, axis=0)[:, -k:]
        return {
            "These are the k lowest probabilities; argsort begins with the lowest.": (
                place >= classes - k
            ).mean(),
            "Off by one: you looked at k + 1 classes.": (place <= k).mean(),
            "Off by one: you looked at k - 1 classes.": (place < k - 1).mean(),
            "You looked at the k-th class alone; those before it count, too.": (
                place == k - 1
            ).mean(),
            "You looked at the most probable class alone, which is top-1.": (place == 0).mean(),
            "You counted the images; divide by their number.": (place < k).sum(),
            "You divided by k as well: one of an image's k classes can be the true one, not all of "
            "them.": (place < k).mean() / k,
            "Sorted over the wrong axis: the classes of an image compete, not the images.": (
                (along_images == labels[:, None]).any(axis=1).mean()
            ),
        }

    three = np.array([[0.5, 0.2, 0.2, 0.1], [0.4, 0.1, 0.3, 0.2], [0.1, 0.6, 0.2, 0.1]])
    compare(answer, right, wrong, draw, small=(three, np.array([0, 2, 0]), 2))
    return "3 random sets of images"


@exercise
def check_smoothed_crossentropy(answer):
    """Check `smoothed_crossentropy(probabilities, labels, smoothing)`, a number (notebook 05).

    `(images, classes)` and `(images,)`.
    """

    def draw(rng):
        images, classes = sizes(rng, 2, low=4, high=12)
        probabilities = softmax(random(rng, images, classes), axis=1)
        return probabilities, rng.integers(classes, size=images), rng.uniform(0.1, 0.4)

    def mixed(labels, classes, of_true, of_all):
        """Return the targets: so much for the true class, and so much for each class."""
        return of_true * np.eye(classes)[labels] + of_all

    def of_each(probabilities, targets):
        return -(targets * np.log(probabilities)).sum(axis=1)

    def right(probabilities, labels, smoothing):
        classes = probabilities.shape[1]
        targets = mixed(labels, classes, 1 - smoothing, smoothing / classes)
        return of_each(probabilities, targets).mean()

    def wrong(probabilities, labels, smoothing):
        classes = probabilities.shape[1]
        loss = right(probabilities, labels, smoothing)

        def with_targets(of_true, of_all):
            return of_each(probabilities, mixed(labels, classes, of_true, of_all)).mean()

        each = smoothing / (classes - 1)
        flattened = (1 - smoothing) * probabilities + smoothing / classes
        return {
            "Nothing is smoothed: this is the plain cross-entropy.": with_targets(1, 0),
            "You spread the smoothing over the wrong classes only; the true one gets its part, "
            "too.": with_targets(1 - smoothing - each, each),
            "Your targets sum to less than 1: the true class gets 1 - smoothing, and its part of "
            "the smoothing on top.": with_targets(
                1 - smoothing - smoothing / classes, smoothing / classes
            ),
            "Your targets sum to more than 1: what is spread must be taken from the true class.": (
                with_targets(1, smoothing / classes)
            ),
            "The two parts are exchanged: the true class gets 1 - smoothing.": with_targets(
                smoothing, (1 - smoothing) / classes
            ),
            "You smoothed the probabilities; smooth the targets.": of_each(
                flattened, np.eye(classes)[labels]
            ).mean(),
            "The sum over the images in place of the mean.": len(labels) * loss,
            "The mean over the classes in place of the sum: a cross-entropy adds them up.": (
                loss / classes
            ),
            "Give one number, the mean over the images.": of_each(
                probabilities, mixed(labels, classes, 1 - smoothing, smoothing / classes)
            ),
            "The sign: a logarithm of a probability is negative, a loss is not.": -loss,
            "Another logarithm: take the natural one, np.log.": loss / np.log(2),
        }

    compare(answer, right, wrong, draw, small=(np.array([[0.7, 0.2, 0.1]]), np.array([0]), 0.3))
    return "the targets, the sum and the mean, 3 random batches"


@exercise
def check_adamw_step(answer):
    """Check `adamw_step(weights, gradient, m, v, step, learning_rate, weight_decay)` (notebook 05).

    Four arrays of one shape, the step's number from 1 on and two numbers; returns the new weights,
    m and v.
    """

    def draw(rng):
        shape, step = sizes(rng, 2), int(rng.integers(3, 7))
        m = (1 - 0.9 ** (step - 1)) * random(rng, *shape)  # as large as after the steps before
        v = (1 - 0.999 ** (step - 1)) * rng.uniform(0.5, 2, shape)
        rates = rng.uniform(0.1, 0.3, 2)
        scale = np.where(np.arange(shape[1]) % 2, 1e-5, 1)  # where gradients are tiny, 1e-7 counts
        gradient = scale * random(rng, *shape)
        return random(rng, *shape), gradient, scale * m, scale**2 * v, step, *rates

    def averages(gradient, m, v, first=0.9, second=0.999):
        return first * m + (1 - first) * gradient, second * v + (1 - second) * gradient**2

    def corrected(m, v, step):
        return m / (1 - 0.9**step), v / (1 - 0.999**step)

    def right(weights, gradient, m, v, step, learning_rate, weight_decay):
        m, v = averages(gradient, m, v)
        mean, square = corrected(m, v, step)
        moved = learning_rate * mean / (np.sqrt(square) + 1e-7)
        return np.stack([weights - learning_rate * weight_decay * weights - moved, m, v])

    def wrong(weights, gradient, m, v, step, learning_rate, weight_decay):
        new_m, new_v = averages(gradient, m, v)
        mean, square = corrected(new_m, new_v, step)
        decayed = weights - learning_rate * weight_decay * weights

        def move(direction, size, start=decayed):
            return np.stack(
                [start - learning_rate * direction / (np.sqrt(size) + 1e-7), new_m, new_v]
            )

        coupled = gradient + weight_decay * weights
        shifted = partial(corrected, new_m, new_v)
        exchanged = averages(gradient, m, v, 0.999, 0.9)
        moved = right(weights, gradient, m, v, step, learning_rate, weight_decay)[0]
        return {
            "The decay went into the gradient: then it is averaged and divided like one. AdamW "
            "takes it off the weights themselves, beside the step.": right(
                weights, coupled, m, v, step, learning_rate, 0
            ),
            "The weight decay is missing.": move(mean, square, weights),
            "The weight decay must be multiplied by the learning rate.": move(
                mean, square, weights - weight_decay * weights
            ),
            "The bias correction is missing: m and v began at 0, so divide them by "
            "1 - 0.9**step and 1 - 0.999**step.": move(new_m, new_v),
            "The bias correction of v is missing.": move(mean, new_v),
            "The bias correction of m is missing.": move(new_m, square),
            "Off by one in the bias correction: the first step has the number 1, so nothing is to "
            "be subtracted from `step`.": move(*shifted(step - 1)),
            "Off by one in the bias correction: the first step has the number 1, so nothing is to "
            "be added to `step`.": move(*shifted(step + 1)),
            "1e-7 stands inside the root; add it to the root.": np.stack(
                [decayed - learning_rate * mean / np.sqrt(square + 1e-7), new_m, new_v]
            ),
            "The 1e-7 in the divisor is missing.": np.stack(
                [decayed - learning_rate * mean / np.sqrt(square), new_m, new_v]
            ),
            "The root of v is missing.": np.stack(
                [decayed - learning_rate * mean / (square + 1e-7), new_m, new_v]
            ),
            "The step follows m, the average of the gradients, not this gradient alone.": move(
                gradient, square
            ),
            "The step used the old m and v; bring them up to date first.": move(
                *corrected(m, v, step)
            ),
            "This goes uphill: subtract the step.": move(-mean, square),
            "0.9 and 0.999 are exchanged: m forgets faster than v.": np.stack(
                [
                    decayed
                    - learning_rate
                    * (exchanged[0] / (1 - 0.999**step))
                    / (np.sqrt(exchanged[1] / (1 - 0.9**step)) + 1e-7),
                    *exchanged,
                ]
            ),
            "Return m and v as they are; the correction is for this step only, and the next one "
            "makes its own.": np.stack([moved, mean, square]),
        }

    weights, gradient, m, v = (np.array([x]) for x in (1.0, 0.5, 0.05, 0.00025))
    compare(answer, right, wrong, draw, small=(weights, gradient, m, v, 2, 0.1, 0.05))
    return "the weights, m and v, 3 random steps"
