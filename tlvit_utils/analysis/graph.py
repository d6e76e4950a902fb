"""The calls of layers that make up a functional model."""

import keras


def check_graph(model: keras.Model) -> None:
    """Raise a TypeError if the model has no graph, as a subclass of `keras.Model` has none."""
    if not getattr(model, "inputs", None):
        raise TypeError(
            f"The model {model.name!r} has no graph to read; make it a functional model, or a "
            "Sequential one with an Input."
        )


def calls(model: keras.Model) -> list:
    """Return each call in a model's own graph, from the inputs to the outputs.

    A layer can be called by several models, and several times by one; `layer.output` is only
    its first call anywhere. Each call is Keras's node, with `operation`, `input_tensors` and
    `output_tensors`. A model without a graph is a TypeError.
    """
    check_graph(model)
    by_depth = keras.Function(model.inputs, model.outputs)._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def image_size(model: keras.Model) -> int:
    """Return the side of the images that a functional model takes, in pixels."""
    check_graph(model)
    return model.input_shape[1]


def all_layers(model: keras.Model) -> list[keras.Layer]:
    """Return the layers in a model's graph, in order, each followed by the layers inside it."""
    called = [node.operation for node in calls(model) if isinstance(node.operation, keras.Layer)]
    return [layer for each in called for layer in each._flatten_layers()]
