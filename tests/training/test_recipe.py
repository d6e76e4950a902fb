from dataclasses import replace

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import build_vit
from tlvit_utils.training.recipe import Recipe, SmoothedCrossentropy


def learning_rates(recipe, steps_per_epoch, steps):
    optimizer = recipe.optimizer(steps_per_epoch, [])
    rates = []
    for step in steps:
        optimizer.iterations.assign(step)
        rates.append(float(convert_to_numpy(optimizer.learning_rate)))
    return rates


def test_the_published_learning_rate_is_constant():
    assert learning_rates(Recipe.published(), 10, [0, 100, 200]) == pytest.approx([1e-3] * 3)
    optimizer = Recipe.published().optimizer(10, [])
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 1e-4


def test_the_light_learning_rate_rises_and_falls():
    """20 epochs of 10 steps: 5 to warm up, then half a cosine over 195."""
    rates = learning_rates(Recipe.light(20), 10, [0, 1, 5, 5 + 65, 5 + 130, 200])
    np.testing.assert_allclose(rates, np.array([0, 0.2, 1, 0.75, 0.25, 0]) * 1e-3, atol=1e-9)


def test_a_cosine_without_warm_up_starts_at_its_height():
    rates = learning_rates(Recipe(epochs=2, cosine_decay=True), 10, [0, 10, 20])
    np.testing.assert_allclose(rates, np.array([1, 0.5, 0]) * 1e-3, atol=1e-9)


def test_a_warm_up_without_cosine_rises_to_a_constant_rate():
    rates = learning_rates(Recipe(epochs=4, warmup_epochs=1), 10, [0, 5, 10, 25, 40])
    np.testing.assert_allclose(rates, np.array([0, 0.5, 1, 1, 1]) * 1e-3, atol=1e-9)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 2, "warmup_epochs": 2}, "warmup_epochs is 2.*epochs = 2"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"warmup_epochs": np.nan}, "warmup_epochs is nan"),
        ({"epochs": 2.5}, "epochs is 2.5.*whole number"),
        ({"epochs": True}, "epochs is True"),
        ({"batch_size": 32.0}, "batch_size is 32.0.*whole number"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001.*above 0"),
        ({"learning_rate": 0}, "learning_rate is 0.*above 0"),
        ({"learning_rate": np.nan}, "learning_rate is nan"),
        ({"learning_rate": "0.1"}, "learning_rate is '0.1'"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1.*at least 0"),
        ({"weight_decay": np.inf}, "weight_decay is inf"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1.*at least 0 and below 1"),
        ({"label_smoothing": np.nan}, "label_smoothing is nan"),
        ({"cosine_decay": "yes"}, "cosine_decay is 'yes'.*True or False"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
    ],
)
def test_recipes_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)


def decayed(recipe, model):
    """Return the weights that shrink in a step of learning rate 1 whose gradients are all 0."""
    optimizer = replace(recipe, learning_rate=1.0, weight_decay=0.5).optimizer(
        10, model.trainable_variables
    )
    optimizer.iterations.assign(1)  # past the rate of 0 with which a warm-up starts
    before = [convert_to_numpy(v) for v in model.trainable_variables]
    optimizer.apply(
        [np.zeros(v.shape, "float32") for v in model.trainable_variables],
        model.trainable_variables,
    )
    return [
        (variable.name, variable.path)
        for variable, old in zip(model.trainable_variables, before, strict=True)
        if not np.array_equal(convert_to_numpy(variable), old)
    ]


def test_the_published_weight_decay_reaches_every_weight(tiny_config, randomise):
    model = randomise(build_vit(tiny_config))
    assert len(decayed(Recipe.published(), model)) == len(model.trainable_variables)


def test_the_modern_weight_decay_reaches_every_kernel_and_nothing_else(tiny_config, randomise):
    model = randomise(build_vit(tiny_config))
    kernels = [(v.name, v.path) for v in model.trainable_variables if v.name == "kernel"]
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
