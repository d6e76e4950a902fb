"""A network's layers and weights as `network.js` reads them, or a sentence on why it cannot."""

import base64

import keras
import numpy as np
from keras import layers, ops

from tlvit_utils.analysis.graph import calls
from tlvit_utils.augment import RandomCropFlip
from tlvit_utils.blocks import TransformerBlock
from tlvit_utils.patches import PatchEncoder
from tlvit_utils.reductions import (
    AveragePooling,
    GroupedTokenLearner,
    PatchMerger,
    StridedConvolution,
    TopKTokens,
    window_grid,
)
from tlvit_utils.token_learner import GridToTokens, TokenLearner, TokenLearnerV11, grid_shape

LAST = {"data_format": ["channels_last"]}
PLAIN = {"activation": ["linear"], "groups": [1], "dilation_rate": [(1, 1)]}
POOLINGS = ["mean", "sum", "weighted_mean"]
CENTRED = {"center": [True], "scale": [True]}
ANY = None  # in place of the values that the page's network knows
# The settings of each layer on which its output depends, and the values that are known
KNOWN = {
    layers.Rescaling: {"scale": ANY, "offset": ANY},
    RandomCropFlip: {"resized_size": ANY, "padding": ANY, "crop_size": ANY},
    layers.Conv2D: {"strides": ANY, **PLAIN, **LAST},
    layers.BatchNormalization: {"epsilon": ANY, "axis": [-1], **CENTRED},
    layers.ReLU: {"max_value": [None], "negative_slope": [0.0], "threshold": [0.0]},
    layers.Reshape: {},
    PatchEncoder: {},
    layers.Dropout: {},
    TransformerBlock: {"num_heads": ANY, "key_dim": ANY, "activate_last": ANY},
    TokenLearner: {"num_tokens": ANY, "pooling": POOLINGS, "approximate_gelu": [True]},
    TokenLearnerV11: {"num_tokens": ANY},
    GroupedTokenLearner: {"num_tokens": ANY, "num_groups": ANY},
    PatchMerger: {"num_tokens": ANY},
    TopKTokens: {"num_tokens": ANY},
    AveragePooling: {"num_tokens": ANY},
    StridedConvolution: {"num_tokens": ANY},
    layers.LayerNormalization: {"epsilon": ANY, **CENTRED},
    layers.GlobalAveragePooling1D: {"keepdims": [False], **LAST},
    layers.Dense: {"activation": ["softmax"], "use_bias": [True]},
}
# Settings of this package's layers that the weights tell, or that only matter in training
IGNORED = {
    *("name", "trainable", "dtype", "dropout_rate", "seed"),
    *("mlp_units", "bottleneck_dim", "num_patches", "projection_dim"),
}
MOVING = ("moving_mean", "moving_variance")  # of batch normalisation


def describe_network(model: keras.Model) -> dict:
    """Return a model's layers in order, and its weights, ready for JSON.

    Weights are rounded to float16, except the moving statistics of batch normalisation, as in the
    weights that ship with the package.

    Args:
        model: from `build_vit`.

    Raises:
        ValueError: a model that the page cannot run, or weights that float16 cannot hold.
    """
    if not isinstance(model, keras.Model):
        raise _refusal(f"it is a {type(model).__name__}")
    if any(each.quantization_mode for each in model._flatten_layers(include_self=False)):
        raise _refusal("it is quantised")
    described, output = [], model.inputs[0]
    for node in calls(model):
        layer = node.operation
        if isinstance(layer, layers.InputLayer):
            continue
        if len(node.input_tensors) != 1 or node.input_tensors[0] is not output:
            raise _refusal(f"its layer {layer.name!r} does not follow the one before it")
        settings = _settings(layer, output.shape)
        output = node.output_tensors[0]
        if len(output.shape) == 4 and output.shape[1] != output.shape[2]:
            size = f"{output.shape[1]} × {output.shape[2]}"
            raise _refusal(f"the grid after {layer.name!r} is {size}, not square")
        described.append({**settings, "weights": list(map(_weight, layer.weights))})
    if len(model.outputs) > 1:
        raise _refusal("it has several outputs")
    kinds = [layer["kind"] for layer in described]
    if "RandomCropFlip" not in kinds or "TransformerBlock" not in kinds:
        raise _refusal("it has no RandomCropFlip layer or no TransformerBlock")
    if sum("num_tokens" in layer for layer in described) > 1:
        raise _refusal("it has several layers that reduce the tokens")
    return {"layers": described}


def _settings(layer, shape) -> dict:
    """Return what the page must know of a layer, the shape of its input included."""
    if type(layer) not in KNOWN:
        known = ", ".join(sorted(kind.__name__ for kind in KNOWN))
        kind = type(layer).__name__
        raise _refusal(f"its layer {layer.name!r} ({kind}) is none of {known}")
    known, config = KNOWN[type(layer)], layer.get_config()
    if type(layer).__module__.startswith("tlvit_utils"):
        known = dict.fromkeys(config.keys() - IGNORED, ()) | known
    for name, values in known.items():
        if values is not ANY and config[name] not in values:
            raise _refusal(
                f"its layer {layer.name!r} has {name}={config[name]!r}, and the page knows "
                f"{' or '.join(map(repr, values)) or 'no such setting'}"
            )
    settings = {"kind": type(layer).__name__, "name": layer.name, "shape": shape[1:]}
    if isinstance(layer, layers.Conv2D) and layer.padding != "same":
        rests = [side % step for side, step in zip(shape[1:3], layer.strides, strict=True)]
        if layer.kernel_size != layer.strides or any(rests):  # else there is nothing to pad
            raise _refusal(f"its layer {layer.name!r} has padding={layer.padding!r}")
    if isinstance(layer, GridToTokens):
        height, width, dim = grid_shape(shape)
        settings["shape"] = height * width, dim
        if isinstance(layer, AveragePooling):
            settings["windows"] = window_grid(height, width, layer.num_tokens)
    return settings | {name: config[name] for name in known}


def _weight(variable) -> dict:
    """Return a weight's name and shape, and its numbers as base64."""
    dtype = "float32" if variable.name in MOVING else "float16"
    with np.errstate(over="ignore"):
        rounded = ops.convert_to_numpy(variable).astype(np.dtype(dtype).newbyteorder("<"))
    if not np.isfinite(rounded).all():
        raise _refusal(f"some of its weights are not finite in {dtype}")
    return {"name": variable.name, "shape": rounded.shape, dtype: to_base64(rounded)}


def to_base64(array) -> str:
    """Return the numbers of an array, row by row, as the page's data holds them."""
    return base64.b64encode(array.tobytes()).decode()


def _refusal(problem) -> ValueError:
    return ValueError(f"The live page cannot run this model: {problem}; use one made by build_vit.")
