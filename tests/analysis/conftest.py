"""Pictures and networks that the tests of analyses share."""

import keras
import numpy as np
import pytest

from tlvit_utils import TokenLearner


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="session")
def two_token_learners():
    """A functional model in which 16 tokens become 4, and these 2."""
    x = inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 8, 8)(x)
    x, _ = TokenLearner(4, name="first")(x, return_attention_maps=True)
    x, _ = TokenLearner(2, name="second")(x, return_attention_maps=True)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x), name="pair")


@pytest.fixture(scope="session")
def mark_brightness():
    """A function that makes the map of a network's one token highest where a patch is brightest.

    A patch becomes (brightness, 8, -8), of which TokenLearner's LayerNorm keeps the order; the
    convolutions read their centre and channel 0 only.
    """

    def mark_brightness(projection, token_learner):
        kernel = np.zeros(projection.kernel.shape)
        kernel[..., 0] = 1 / kernel[..., 0].size
        projection.set_weights([kernel, np.array([0, 8, -8])])
        for conv in token_learner.convs:
            kernel = np.zeros(conv.kernel.shape)
            kernel[1, 1, 0] = 5
            conv.set_weights([kernel])

    return mark_brightness
