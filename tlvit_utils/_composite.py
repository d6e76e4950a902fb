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
        modes = [each.quantization_mode for each in self._inner_layers()]
        return {**(config or {}), "quantization_modes": modes} if any(modes) else config

    def build_from_config(self, config):
        super().build_from_config(config)
        if modes := config.get("quantization_modes"):
            for layer, mode in zip(self._inner_layers(), modes, strict=True):
                if mode:
                    layer.quantize(mode)

    def _tensors(self, shapes):
        """Return symbolic outputs of a shape, or of a tuple of shapes."""
        tensor = partial(keras.KerasTensor, dtype=self.compute_dtype)
        return keras.tree.map_shape_structure(tensor, shapes)

    def _inner_layers(self):
        return list(self._flatten_layers(include_self=False))
