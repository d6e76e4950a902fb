"""What the tests of the token layers share."""

from pathlib import Path

import numpy as np
from hypothesis import settings
from keras.ops import convert_to_numpy

PARITY = Path(__file__).parent / "parity"
NORM = ("LayerNorm_0/scale", "LayerNorm_0/bias")
MASK_MLP = tuple(f"token_masking/Dense_{i}/{name}" for i in (0, 1) for name in ("kernel", "bias"))

few_examples = settings(max_examples=12, deadline=None, derandomize=True, database=None)


def random_array(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def run_official(name, layer, parameters):
    """Run `layer` on the official inputs with the official parameters, named in its order.

    Returns its output and the official one (see `parity/`: google-research/scenic, float32).
    """
    with np.load(PARITY / f"{name}.npz") as arrays:
        inputs = [arrays[key] for key in sorted(arrays.files) if key.startswith("input")]
        layer(*inputs)
        layer.set_weights([arrays[f"param/{key}"] for key in parameters])
        return convert_to_numpy(layer(*inputs)), arrays["output"]


def with_maps(layer, x):
    """Return the layer's tokens and maps as NumPy arrays."""
    tokens, maps = layer(x, return_attention_maps=True)
    return convert_to_numpy(tokens), convert_to_numpy(maps)
