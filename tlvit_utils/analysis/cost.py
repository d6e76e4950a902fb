"""What a model costs: parameters, multiply-adds and FLOPs, layer by layer (notebooks 04 and 08).

Everything is arithmetic on the shapes in the model's graph. Nothing is run, so the numbers are
exact and the same on every backend. `work_of` has rules for Keras's layers. Any other layer costs
what the layers and operations in its `call` cost; one that cannot be read like this needs a rule:

    @work_of.register(MyLayer)
    def _(layer, shape):  # the shape of each input, (None, ...)
        return Work(macs=...)

Every matrix product and convolution counts, attention's included. Element-wise arithmetic (norms,
GELU, softmax, biases: about 1 % of the published model) does not, as is customary, and neither
does `RandomCropFlip`, which prepares the data (0.4 %).
"""

import inspect
from dataclasses import dataclass
from functools import singledispatch
from html import escape
from math import prod

import keras
from keras import layers

from tlvit_utils.analysis.graph import calls
from tlvit_utils.augment import RandomCropFlip

# Operations per element in the published count; GELU is the published example's, with erf
ELEMENTWISE = {
    "gelu": 3,
    "softmax": 5,
    "rescaling": 1,
    "globalaveragepooling1d": 1,
    "globalaveragepooling2d": 1,
}

# Layers and operations of Keras that are products, but have no rule here
UNKNOWN_PRODUCTS = {
    *("AdditiveAttention", "Attention", "Dot"),  # layers; `ops.dot` too
    *("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    *("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    *("Conv", "ConvTranspose", "DepthwiseConv", "SeparableConv"),  # operations
    *("DotProductAttention", "Inner", "Tensordot", "Vdot"),
    # operations that hide what they run
    *("AssociativeScan", "Cond", "ForiLoop", "Map", "Scan", "Switch", "VectorizedMap", "WhileLoop"),
}


@dataclass(frozen=True)
class Work:
    """The multiply-adds of one layer for one image."""

    macs: int = 0  # of all matrix products and convolutions
    published_macs: float = 0.0  # in the published count; see `ModelCost.published_gflops`

    def __add__(self, other):
        return Work(self.macs + other.macs, self.published_macs + other.published_macs)

    def __mul__(self, times):
        return Work(times * self.macs, times * self.published_macs)


@dataclass(frozen=True)
class LayerCost:
    """What one call of one layer costs, per image."""

    name: str
    output_shape: tuple[int, ...]  # of its (first) output, without the batch axis
    params: int  # without those that an earlier row has counted
    macs: int
    published_macs: float  # in the published count


@dataclass(frozen=True)
class ModelCost:
    """What a model costs, per image: one row per layer, and the totals."""

    layers: tuple[LayerCost, ...]

    @property
    def params(self) -> int:
        """All parameters, as `model.count_params()` has them."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds of all matrix products and convolutions."""
        return sum(layer.macs for layer in self.layers)

    @property
    def published_gflops(self) -> float:
        """The GFLOPs that the published Keras example's table has for this model, to the digit.

        They are half of what TensorFlow's profiler counted in December 2021 with Keras 2: billions
        of multiply-adds without any `einsum`, so without attention and its projections, and half of
        the element-wise operations it knew: products, means, differences, biases of Dense layers
        and convolutions, GELU's 3 and softmax's 5.
        """
        return sum(layer.published_macs for layer in self.layers) / 1e9

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        align = (str.ljust, str.ljust, str.rjust, str.rjust, str.rjust)

        def line(row):
            cells = zip(align, row, widths, strict=True)
            return "  ".join(pad(cell, width) for pad, cell, width in cells)

        return "\n".join(map(line, rows))

    def _repr_html_(self) -> str:
        head, *rows = ([escape(cell) for cell in row] for row in self._rows())
        head = "".join(f'<th scope="col">{cell}</th>' for cell in head)
        body = "".join(
            f'<tr><th scope="row">{name}</th><td>{"</td><td>".join(cells)}</td></tr>'
            for name, *cells in rows
        )
        return f"<table><caption>Cost per image</caption><tr>{head}</tr>{body}</table>"

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the table's cells: the head, a row per layer, the totals."""
        total = self.macs

        def cells(name, shape, params, macs):
            shape = " × ".join(map(str, shape))
            return name, shape, f"{params:,}", f"{macs:,}", f"{macs / max(total, 1):.1%}"

        return [
            ("Layer", "Output shape", "Parameters", "Multiply-adds", "Share"),
            *(cells(row.name, row.output_shape, row.params, row.macs) for row in self.layers),
            cells("Total", (), self.params, total),
        ]


def model_cost(model: keras.Model) -> ModelCost:
    """Count a model's parameters and multiply-adds per image, layer by layer.

    The model is functional or sequential, with fixed input shapes. A layer that is called several
    times has a row for each call. Where `ops.reshape` folds an axis into the batch (the frames of a
    video), a row counts all that belongs to one image. A layer that needs a rule in `work_of` is a
    TypeError.
    """
    rows, counted = [], set()
    for operation, output_shape, work in _work_of_calls(model):
        new = [each for each in getattr(operation, "weights", ()) if id(each) not in counted]
        counted.update(map(id, new))
        rows.append(
            LayerCost(
                operation.name,
                tuple(output_shape[1:]),
                sum(prod(weight.shape) for weight in new),
                work.macs,
                work.published_macs,
            )
        )
    return ModelCost(tuple(rows))


def _work_of_calls(graph):
    """Yield operation, shape of the (first) output and work of every call in the graph."""
    copies = {}  # of each tensor per image: more than 1 where an axis was folded into the batch
    for node in calls(graph):
        operation, outputs = node.operation, node.output_tensors
        arguments = keras.tree.flatten((node.arguments.args, _in_order(operation, node)))
        shapes = [_shape(each) for each in arguments if hasattr(each, "shape")]
        if any(None in tensor.shape[1:] for tensor in outputs):
            raise ValueError(
                f"{operation.name!r} has the output shape {outputs[0].shape}, which is not "
                "fixed; give the model's Input a size for every axis."
            )
        times = max((copies[id(tensor)] for tensor in node.input_tensors), default=1)
        yield operation, outputs[0].shape, work_of(operation, *shapes) * times
        if type(operation).__name__ == "Reshape":  # the layer of that name keeps the batch
            times = times * prod(shapes[0][1:]) // prod(outputs[0].shape[1:])
        copies.update((id(tensor), times) for tensor in outputs)


def _in_order(operation, node):
    """Return a call's keyword arguments in the order of `call`, in which the rules expect them."""
    names = list(inspect.signature(operation.call).parameters)
    given = node.arguments.kwargs
    named = [given[name] for name in names if name in given]
    others = [value for name, value in given.items() if name not in names]  # in its **kwargs
    return named + others


def _shape(value):
    """Return an argument's shape: a symbolic tensor's with None for its batch.

    A weight's or constant's is as it is.
    """
    is_per_image = keras.backend.is_keras_tensor(value)
    return (None, *value.shape[1:]) if is_per_image else tuple(value.shape)


@singledispatch
def work_of(operation, *shapes) -> Work:
    """Return what `operation` does for one image, given the shapes `(None, ...)` of its inputs."""
    kind = type(operation).__name__
    if kind == "Matmul":
        first, second = (keras.KerasTensor(shape) for shape in shapes)
        output = operation.compute_output_spec(first, second)
        macs = first.shape[-1] * prod(output.shape[1:])
        return Work(macs, macs)
    if kind == "Einsum":
        return Work(_einsum_macs(operation.subscripts, shapes))
    if kind in UNKNOWN_PRODUCTS:
        raise _no_rule(operation)
    if isinstance(operation, keras.Layer) and (operation.weights or not _is_plain(operation)):
        return _work_inside(operation, shapes)
    if per_element := ELEMENTWISE.get(kind.lower()):
        return _elementwise(per_element * prod(shapes[0][1:]))
    return Work()


def _elementwise(operations):
    """Return what the published count makes of so many element-wise operations."""
    return Work(published_macs=operations / 2)


def _is_plain(layer):
    """Return whether a layer is Keras's own, and runs no other layer and no function of yours."""
    keras_own = type(layer).__module__.split(".")[0] == "keras"
    return keras_own and not isinstance(layer, layers.Wrapper | layers.Lambda)


def _no_rule(operation):
    kind = type(operation).__name__
    return TypeError(
        f"There is no rule for the cost of {operation.name!r} ({kind}); write one and register it "
        f"with @work_of.register({kind})."
    )


def _work_inside(layer, shapes):
    """Return the work of the layers and operations that a layer's `call` is made of."""
    inputs = [
        keras.Input(batch_shape=shape) if shape[:1] == (None,) else keras.ops.zeros(shape)
        for shape in shapes
    ]
    per_image = [each for each in inputs if keras.backend.is_keras_tensor(each)]
    try:
        graph = keras.Function(per_image, layer.call(*inputs))
    except Exception as error:  # a `call` that wants numbers, or other arguments
        raise _no_rule(layer) from error
    return _total(graph)


def _total(graph):
    """Return the work of all calls in a graph."""
    return sum((work for _, _, work in _work_of_calls(graph)), Work())


def _einsum_macs(subscripts, shapes):
    """Return how often an einsum multiplies and adds for one image: once for all its indices."""
    sizes = {}
    for names, shape in zip(subscripts.split("->")[0].split(","), shapes, strict=True):
        hidden = len(shape) - len(names.replace("...", ""))  # axes behind the dots
        dots = "".join(map(str, reversed(range(hidden))))  # from the right, as they broadcast
        names = names.replace("...", dots)
        for name, size in zip(names, shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), size or 1)  # None is the batch
    return prod(sizes.values())


@work_of.register(keras.Model)
def _(model, *shapes):
    return _total(model)


@work_of.register(RandomCropFlip)
@work_of.register(layers.Normalization)  # adapted, its `call` wants numbers
def _(layer, *shapes):
    return Work()


@work_of.register(layers.TimeDistributed)
def _(layer, shape, *mask):
    return work_of(layer.layer, (None, *shape[2:])) * shape[1]


@work_of.register(layers.LayerNormalization)
def _(layer, shape):
    # 2 means, a squared difference (counted twice), 3 products, a difference; rsqrt twice a row
    return _elementwise(8 * prod(shape[1:]) + 2 * prod(shape[1:-1]))


@work_of.register(layers.Dense)
def _(layer, shape):
    return _dense(layer, prod(shape[1:-1]) * layer.units, shape[-1])


@work_of.register(layers.Conv1D)
@work_of.register(layers.Conv2D)
@work_of.register(layers.Conv3D)
def _(layer, shape):
    outputs = prod(layer.compute_output_shape(shape)[1:])
    return _dense(layer, outputs, prod(layer.kernel.shape[:-1]))  # window × channels of one group


def _dense(layer, outputs, per_output):
    """Return the work of so many outputs: products for each, bias and activation."""
    function = getattr(layer.activation, "func", layer.activation)  # inside a functools.partial
    activation = ELEMENTWISE.get(getattr(function, "__name__", None), 0)
    macs = per_output * outputs
    return Work(macs, macs) + _elementwise((layer.use_bias + activation) * outputs)


@work_of.register(layers.MultiHeadAttention)
def _(layer, query, value, *others):  # a key is as long as its value
    queries, values = prod(query[1:-1]), prod(value[1:-1])
    read = prod(value[axis] for axis in layer.attention_axes)  # by each query
    kernels = sum(prod(weight.shape) for weight in layer.weights if weight.name == "kernel")
    read_kernels = prod(layer.key_dense.kernel.shape) + prod(layer.value_dense.kernel.shape)
    scores = layer.num_heads * queries * read
    macs = queries * (kernels - read_kernels)  # queries and output
    macs += values * read_kernels
    macs += scores * (layer.key_dim + layer.value_dim)  # the two products, Q Kᵀ and scores V
    scaling = queries * layer.num_heads * layer.key_dim
    return Work(macs) + _elementwise(ELEMENTWISE["softmax"] * scores + scaling)
