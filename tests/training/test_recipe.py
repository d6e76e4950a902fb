from dataclasses import replace

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import build_vit
from tlvit_utils.training.recipe import Recipe, SmoothedCrossentropy


@pytest.mark.parametrize(
    "recipe, steps, expected",
    [
        (Recipe.published(), [0, 100, 200], [1, 1, 1]),
        # 20 epochs of 10 steps: 10 to warm up, then half a cosine over 190, to twice the rate
        (Recipe.modern(20), [0, 1, 10, 10 + 95, 200], [0, 0.2, 2, 1, 0]),
        (Recipe(epochs=2, cosine_decay=True), [0, 10, 20], [1, 0.5, 0]),
        (Recipe(epochs=4, warmup_epochs=1), [0, 5, 10, 25, 40], [0, 0.5, 1, 1, 1]),
    ],
    ids=["constant", "warm-up and cosine", "cosine", "warm-up"],
)
def test_the_learning_rate_follows_the_recipe(recipe, steps, expected):
    optimizer = recipe.optimizer(10, [])
    assert isinstance(optimizer, keras.optimizers.AdamW)
    for step, rate in zip(steps, expected, strict=True):
        optimizer.iterations.assign(step)
        learning_rate = float(convert_to_numpy(optimizer.learning_rate))
        assert learning_rate == pytest.approx(rate * 1e-3, abs=1e-9)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epochs": 2, "warmup_epochs": 2}, "warmup_epochs is 2.*epochs = 2"),
        ({"epochs": 2.5}, "epochs is 2.5.*whole number"),
        ({"batch_size": 32.0}, "batch_size is 32.0.*whole number"),
        ({"learning_rate": 0}, "learning_rate is 0.*above 0"),
        ({"weight_decay": np.nan}, "weight_decay is nan.*at least 0"),
        ({"weight_decay": 10**400}, "weight_decay is 10+, .* at least 0"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1.*at least 0 and below 1"),
        ({"cosine_decay": "yes"}, "cosine_decay is 'yes'.*True or False"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_recipes_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)


def decayed(recipe, model):
    """Return the weights that shrink in a step of learning rate 1 whose gradients are all 0."""
    weights = model.trainable_variables
    optimizer = replace(recipe, learning_rate=1.0, weight_decay=0.5).optimizer(10, weights)
    optimizer.iterations.assign(1)  # past the rate of 0 with which a warm-up starts
    before = [convert_to_numpy(weight) for weight in weights]
    optimizer.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
    pairs = zip(weights, before, strict=True)
    return [w.path for w, old in pairs if not np.array_equal(convert_to_numpy(w), old)]


def test_weight_decay_reaches_all_weights_or_the_kernels(tiny_config, randomise):
    model = randomise(build_vit(tiny_config))
    assert len(decayed(Recipe.published(), model)) == len(model.trainable_variables)
    kernels = [weight.path for weight in model.trainable_variables if weight.name == "kernel"]
    # the patches, two blocks of 4 + 2 matrices, TokenLearner's 4 convolutions, the classes
    assert len(kernels) == 1 + 2 * 6 + 4 + 1
    assert decayed(Recipe.modern(10), model) == kernels


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_smoothed_crossentropy_equals_numpy(shape):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 5).astype("float32")
    labels = np.array([0, 3, 1, 1, 2], "uint8")
    targets = 0.8 * np.eye(4)[labels] + 0.2 / 4
    expected = -(targets * np.log(probabilities)).sum(axis=1).mean()
    loss = SmoothedCrossentropy(0.2)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    for each in (loss, again):
        assert float(each(labels.reshape(shape), probabilities)) == pytest.approx(expected, 1e-5)
