"""What all layers made of other layers have in common."""

from functools import partial

import keras
from keras import layers


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


def _quantisation(layer):
    """Return the arguments of a layer's `quantize` as JSON, or None where it was not called."""
    if layer.quantization_mode is None:
        return None
    config = getattr(layer, "quantization_config", None)  # older Keras has none
    options = {"mode": layer.quantization_mode, "config": config}
    return keras.saving.serialize_keras_object(options)
