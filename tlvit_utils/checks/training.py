"""Checks for notebook 05: the training step that the learner builds, and the exercises."""

import keras
import numpy as np
from keras import initializers, layers

from tlvit_utils.checks.answers import (
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


@exercise(ours=train_step)
def check_train_step(answer):
    """Check `train_step(model, loss_function, optimizer, images, labels)`.

    It runs on TensorFlow, whose way of taking gradients the notebook shows. It must leave the same
    weights as Keras's own step.
    """
    if keras.backend.backend() != "tensorflow":
        raise NotDoneError("it needs the TensorFlow backend")
    images = random(np.random.default_rng(0), 6, 5)
    labels = np.array([0, 1, 2, 0, 1, 2])

    def after(step, training=True):
        model = _model_of_three_classes(training)
        optimizer = keras.optimizers.SGD(0.5)
        loss_function = keras.losses.SparseCategoricalCrossentropy()
        loss = step(model, loss_function, optimizer, images, labels)
        steps = int(optimizer.iterations)
        return [to_numpy(weight) for weight in model.trainable_weights], loss, steps

    before = _model_of_three_classes().get_weights()
    expected, expected_loss, _ = after(train_step)
    try:
        weights, loss, steps = after(answer)
    except CheckError as error:
        # of Keras's optimiser, or of arithmetic with a gradient that is None
        if "No gradients provided" in str(error) or "NoneType" in str(error):
            raise CheckError(
                "There is no gradient: the tape saw nothing that leads from the weights to the "
                "loss. Compute probabilities and loss inside the `with`, and ask for the gradient "
                "of the loss.",
                error.details,
            ) from error
        raise
    if _equal(weights, before) and steps:
        raise CheckError(
            "The gradients that you applied are 0. The probabilities always sum to 1, so ask for "
            "the gradient of the loss."
        )
    if _equal(weights, before):
        raise CheckError("The weights have not changed: apply the gradients to them.")
    if _equal(weights, after(train_step, training=False)[0]):
        raise CheckError(
            "The network ran as at inference, without dropout and augmentation: call it with "
            "`training=True`."
        )

    def moved(times):
        return [start + times * (end - start) for start, end in zip(before, expected, strict=True)]

    if _equal(weights, moved(-1)):
        raise CheckError("This goes uphill: the loss grows.")
    if _equal(weights, moved(2)):
        raise CheckError("You subtracted the gradients themselves: `optimizer` applies them.")
    if not _equal(weights, expected):
        raise CheckError("The weights moved, but not as the loss's gradient says.")
    if np.shape(to_numpy(loss)) != () or not np.isclose(float(loss), float(expected_loss)):
        raise CheckError(
            "The weights are right. Return the loss, one number.",
            {"expected": f"{float(expected_loss):.4f}", "got": f"{to_numpy(loss)}"},
        )


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
    """Check `top_k_share(probabilities, labels, k)`, a number."""

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
            "These are the k lowest: argsort begins with them.": np.mean(place >= classes - k),
            "Off by one: you looked at k + 1 classes.": np.mean(place <= k),
            "Off by one: you looked at k - 1 classes.": np.mean(place < k - 1),
            "You looked only at the k-th class, not at those before it.": np.mean(place == k - 1),
            "You looked only at the most probable class, which is top-1.": np.mean(place == 0),
            "You counted the images; divide by their number.": np.sum(place < k),
            "You divided by k as well; an image has one true class.": np.mean(place < k) / k,
            "Sorted over the wrong axis.": np.mean((along_images == labels[:, None]).any(axis=1)),
        }

    three = np.array([[0.5, 0.2, 0.2, 0.1], [0.4, 0.1, 0.3, 0.2], [0.1, 0.6, 0.2, 0.1]])
    compare(answer, right, wrong, draw, small=(three, np.array([0, 2, 0]), 2))


@exercise
def check_smoothed_crossentropy(answer):
    """Check `smoothed_crossentropy(probabilities, labels, smoothing)`, a number."""

    def draw(rng):
        images, classes = sizes(rng, 2, low=4, high=12)
        probabilities = softmax(random(rng, images, classes), axis=1)
        return probabilities, rng.integers(classes, size=images), rng.uniform(0.1, 0.4)

    def loss_of_each(probabilities, labels, of_true, of_all):
        """Return the losses for targets with these shares for the true class and for each class."""
        targets = of_true * np.eye(probabilities.shape[1])[labels] + of_all
        return -(targets * np.log(probabilities)).sum(axis=1)

    def right(probabilities, labels, smoothing):
        each = smoothing / probabilities.shape[1]
        return loss_of_each(probabilities, labels, 1 - smoothing, each).mean()

    def wrong(probabilities, labels, smoothing):
        classes = probabilities.shape[1]
        loss = right(probabilities, labels, smoothing)
        each, other = smoothing / classes, 1 - smoothing
        wide, smoothed = smoothing / (classes - 1), other * probabilities + each

        def with_targets(of_true, of_all, probabilities=probabilities):
            return loss_of_each(probabilities, labels, of_true, of_all).mean()

        return {
            "Nothing is smoothed: this is the plain cross-entropy.": with_targets(1, 0),
            "You spread the smoothing only over wrong classes.": with_targets(other - wide, wide),
            "Your targets sum to less than 1.": with_targets(other - each, each),
            "Your targets sum to more than 1: take it from the true class.": with_targets(1, each),
            "The two parts are swapped.": with_targets(smoothing, other / classes),
            "You smoothed the probabilities; smooth the targets.": with_targets(1, 0, smoothed),
            "You took the sum over the images; take the mean.": len(labels) * loss,
            "You took the mean over the classes; take the sum.": loss / classes,
            "Return one number: their mean.": loss_of_each(probabilities, labels, other, each),
            "The sign is wrong: a probability's logarithm is negative, a loss is not.": -loss,
        }

    compare(answer, right, wrong, draw, small=(np.array([[0.7, 0.2, 0.1]]), np.array([0]), 0.3))


@exercise
def check_adamw_step(answer):
    """Check `adamw_step(weights, gradient, m, v, step, learning_rate, weight_decay)`.

    It returns the new weights, m and v; the first step has the number 1.
    """

    def draw(rng):
        shape, step = sizes(rng, 2), int(rng.integers(3, 7))
        m = (1 - 0.9 ** (step - 1)) * random(rng, *shape)  # as large as after the steps before
        v = (1 - 0.999 ** (step - 1)) * rng.uniform(0.5, 2, shape)
        rates = rng.uniform(0.1, 0.3, 2)
        scale = np.where(np.arange(shape[1]) % 2, 1e-5, 1)  # where gradients are tiny, 1e-7 counts
        gradient = scale * random(rng, *shape)
        return random(rng, *shape), gradient, scale * m, scale**2 * v, step, *rates

    def averages(gradient, m, v):
        return 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2

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
        root = np.sqrt(square) + 1e-7
        decayed = weights - learning_rate * weight_decay * weights

        def move(mean, root, start=decayed, averages=(new_m, new_v)):
            return np.stack([start - learning_rate * mean / root, *averages])

        def with_corrections(mean, square):
            return move(mean, np.sqrt(square) + 1e-7)

        def at(step):
            return with_corrections(*corrected(new_m, new_v, step))

        coupled = right(weights, gradient + weight_decay * weights, m, v, step, learning_rate, 0)
        too_much = weights - weight_decay * weights
        return {
            "The decay went into the gradient; AdamW takes it off the weights.": coupled,
            "The weight decay is missing.": move(mean, root, weights),
            "The decay must be multiplied by the learning rate.": move(mean, root, too_much),
            "The bias correction is missing: m and v began at 0.": with_corrections(new_m, new_v),
            "The bias correction of v is missing.": with_corrections(mean, new_v),
            "The bias correction of m is missing.": move(new_m, root),
            "The first step has the number 1: do not subtract 1 from `step`.": at(step - 1),
            "The first step has the number 1: do not add 1 to `step`.": at(step + 1),
            "1e-7 is inside the root; add it to the root.": move(mean, np.sqrt(square + 1e-7)),
            "The 1e-7 in the divisor is missing.": move(mean, np.sqrt(square)),
            "The root of v is missing.": move(mean, square + 1e-7),
            "The step follows m, the average, not this gradient alone.": move(gradient, root),
            "Update m and v before the step.": with_corrections(*corrected(m, v, step)),
            "This goes uphill: subtract the step.": move(-mean, root),
            "Return m and v as they are, not corrected.": move(mean, root, averages=(mean, square)),
        }

    scale = np.array([1.0, 2e-5])  # where gradients are tiny, 1e-7 counts
    small = np.ones(2), 0.5 * scale, 0.05 * scale, 0.00025 * scale**2, 2, 0.1, 0.05
    compare(answer, right, wrong, draw, small)
