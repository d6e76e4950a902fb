"""What the tests of the token layers share."""

import numpy as np
from keras.ops import convert_to_numpy


def random_array(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def with_maps(layer, x):
    """Return the layer's tokens and maps as NumPy arrays."""
    tokens, maps = layer(x, return_attention_maps=True)
    return convert_to_numpy(tokens), convert_to_numpy(maps)
