"""What all layers made of other layers have in common."""

import os
import warnings
from functools import partial

import keras
from keras import layers

ONE_DNN = "TF_ENABLE_ONEDNN_OPTS"


class Composite(layers.Layer):
    """A layer of layers that loads as it was saved, even after `model.quantize`.

    Keras quantises the inner layers, but the outer one must record it in its file.
    """

    def get_build_config(self):
        config = super().get_build_config()
        how = [_quantisation(each) for each in self._inner_layers()]
        return {**(config or {}), "quantization": how} if any(how) else config

    def build_from_config(self, config):
        super().build_from_config(config)
        if how := config.get("quantization"):
            for layer, options in zip(self._inner_layers(), how, strict=True):
                if options:
                    options = keras.saving.deserialize_keras_object(options)
                    layer.quantize(**{k: v for k, v in options.items() if v is not None})

    def _tensors(self, shapes):
        """Return symbolic outputs of a shape, or of a tuple of shapes."""
        tensor = partial(keras.KerasTensor, dtype=self.compute_dtype)
        return keras.tree.map_shape_structure(tensor, shapes)

    def _inner_layers(self):
        return list(self._flatten_layers(include_self=False))


def warn_of_one_row(grid):
    """Warn where TensorFlow, with oneDNN, multiplies a grid of one row by a matrix wrongly.

    Keras before 3.15 lets it do so in a Dense layer. `grid` is the shape, without the batch.
    """
    old = tuple(map(int, keras.version().split(".")[:2])) < (3, 15)
    one_dnn = keras.backend.backend() == "tensorflow" and os.environ.get(ONE_DNN) != "0"
    if len(grid) == 3 and grid[0] == 1 and old and one_dnn:
        warnings.warn(
            f"With this Keras, TensorFlow may compute a grid of one row wrongly; set {ONE_DNN}=0 "
            "before TensorFlow is imported, or use Keras 3.15.",
            stacklevel=2,
        )


def _quantisation(layer):
    """Return the arguments of a layer's `quantize` as JSON, or None where it was not called."""
    if layer.quantization_mode is None:
        return None
    config = getattr(layer, "quantization_config", None)  # older Keras has none
    options = {"mode": layer.quantization_mode, "config": config}
    return keras.saving.serialize_keras_object(options)
