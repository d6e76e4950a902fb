"""Each layer of `benchmarks/division.py` is one pooling forwards and the other backwards."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from division import CompetingSum, DividedSum
from tlvit_utils import TokenLearner


def built(layer, randomise):
    layer.build((None, 4, 4, 5))
    return randomise(layer)


GRID = np.random.default_rng(0).normal(size=(2, 4, 4, 5)).astype("float32")


@pytest.mark.parametrize(
    ("cls", "forwards"), [(DividedSum, "weighted_mean"), (CompetingSum, "sum")]
)
def test_forwards(cls, forwards, randomise):
    expected = built(TokenLearner(3, forwards), randomise)(GRID)
    layer = built(cls(3), randomise)
    tokens, maps = layer(GRID, return_attention_maps=True)
    np.testing.assert_allclose(convert_to_numpy(tokens), convert_to_numpy(expected), rtol=1e-3)
    assert maps.shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("layer", "competes"),
    [
        (TokenLearner(3, "sum"), False),
        (TokenLearner(3, "weighted_mean"), True),
        (DividedSum(3), False),
        (CompetingSum(3), True),
    ],
)
def test_backwards(layer, competes, randomise):
    """In a constant grid no cell is worth more than another: competing maps learn nothing."""
    inputs = keras.Input((4, 4, 5))
    model = keras.Model(inputs, layer(inputs))
    randomise(layer)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = layer.get_weights()
    constant = np.broadcast_to(GRID[:, :1, :1], GRID.shape)
    model.train_on_batch(constant, np.zeros((2, 3, 5)))
    moved = max(np.abs(a - b).max() for a, b in zip(before, layer.get_weights(), strict=True))
    assert (moved < 1e-4) == competes, moved
