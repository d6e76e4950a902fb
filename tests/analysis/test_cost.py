import re
from collections import Counter
from functools import cache
from math import prod
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from keras import layers, ops

from tlvit_utils import (
    TokenFuser,
    TokenLearner,
    TokenLearnerV11,
    TransformerBlock,
    ViTConfig,
    build_vit,
)
from tlvit_utils.analysis.cost import Work, model_cost, work_of


def cost_of(*call, shape):
    """Return the cost of a model that sends one input through the layers in turn."""
    inputs = x = keras.Input(shape)
    for layer in call:
        x = layer(x)
    return model_cost(keras.Model(inputs, x))


@cache
def published(num_tokens, num_layers=4, **changes):
    return build_vit(ViTConfig.published(num_tokens, num_layers).replace(**changes))


def fused_grid():
    grid = keras.Input((8, 6, 16))
    tokens = TokenLearnerV11(3, bottleneck_dim=5)(grid)
    return keras.Model(grid, grid + TokenFuser(bottleneck_dim=7)(tokens, grid))


MODELS = {
    "published": lambda: published(8),
    "published without dropout": lambda: published(8, dropout_rate=0.0),
    "modern": lambda: build_vit(ViTConfig.modern()),
    "fuser": fused_grid,
    **{
        variant: lambda variant=variant: build_vit(ViTConfig.modern().replace(variant=variant))
        for variant in ("grouped", "patch_merger", "strided", "average", "top_k")
    },
}


@pytest.mark.parametrize(
    ("num_tokens", "num_layers", "million_macs", "gflops"),
    [
        (None, 4, "101.55", "0.0184"),
        (8, 4, "79.84", "0.0153"),
        (4, 4, "78.07", "0.0147"),
        (None, 8, "202.21", "0.0359"),
    ],
)
def test_published_models(num_tokens, num_layers, million_macs, gflops):
    cost = model_cost(published(num_tokens, num_layers))
    assert f"{cost.macs / 1e6:.2f}" == million_macs
    assert f"{cost.published_gflops:.4f}" == gflops


@pytest.mark.parametrize(
    ("multiply", "shape", "macs"),
    [
        (lambda x: ops.matmul(x, np.ones((64, 10))), (64,), 640),
        (lambda x: ops.matmul(x, np.ones(4)), (3, 4), 12),
        (lambda x: ops.matmul(np.ones(3), x), (3, 4), 12),
        (lambda x: ops.matmul(np.ones((5, 3)), x), (3, 4), 60),
        (lambda x: ops.matmul(x, x), (2, 4, 4), 128),
        (lambda x: TokenFuser(7)(TokenLearner(2)(x), x), (4, 4, 6), None),
    ],
)
def test_a_fixed_batch_changes_nothing_per_image(multiply, shape, macs):
    costs = []
    for batch in (None, 1, 8):
        inputs = keras.Input(batch_shape=(batch, *shape))
        costs.append(model_cost(keras.Model(inputs, multiply(inputs))).macs)
    assert costs == 3 * [macs or costs[0]]


def test_attention_that_reads_other_tokens():
    query, value = keras.Input((2, 5)), keras.Input((7, 3))
    attended = layers.MultiHeadAttention(4, key_dim=6, value_dim=8)(query, value)
    macs = 2 * 5 * 4 * 6 + 7 * 3 * 4 * (6 + 8)  # to queries; to keys and values
    macs += 4 * 2 * 7 * (6 + 8)  # each query with each key; the values, weighted
    macs += 2 * 4 * 8 * 5  # back to the tokens' width
    assert model_cost(keras.Model([query, value], attended)).macs == macs


# Against TensorFlow


def profiled(model):
    """Return TensorFlow's graph of the model for one image, and its profiler's counts."""
    import tensorflow as tf

    image = tf.TensorSpec((1, *model.input_shape[1:]))
    graph = tf.function(lambda x: model(x)).get_concrete_function(image).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    root = tf.compat.v1.profiler.profile(graph, cmd="op", options={**options, "output": "none"})
    found, to_visit = Counter(), [root]
    while to_visit:
        node = to_visit.pop()
        found[node.name] += node.float_ops
        to_visit += node.children
    return graph, found


def einsum_macs(operation):
    """Return the multiply-adds of an `Einsum` operation, which the profiler counts as 0."""
    labels = operation.get_attr("equation").decode().split("->")[0].split(",")
    sizes = {}
    for names, tensor in zip(labels, operation.inputs, strict=True):
        hidden = len(tensor.shape) - len(names.replace("...", ""))
        sizes.update(zip(names.replace("...", "321"[3 - hidden :]), tensor.shape, strict=True))
    return prod(sizes.values())


needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="compares with TensorFlow's graph"
)


@needs_tensorflow
@pytest.mark.parametrize("name", MODELS)
def test_multiply_adds_are_those_in_tensorflows_graph(name):
    """Products that the profiler counts (two operations each), and the einsums that it does not.

    Which are which depends on the version of Keras and on dropout; their sum does not.
    """
    model = MODELS[name]()
    graph, found = profiled(model)
    seen = sum(found[kind] for kind in ("Conv2D", "MatMul", "BatchMatMulV2", "BatchMatMulV3")) // 2
    unseen = sum(
        einsum_macs(operation)
        for operation in graph.get_operations()
        if operation.type == "Einsum" and "augmentation" not in operation.name
    )
    assert model_cost(model).macs == seen + unseen


# Any composition


def test_shared_layer_works_twice_and_weighs_once():
    block = TransformerBlock(2, 4, (16, 8), 0.0)
    once, twice = cost_of(block, shape=(5, 8)), cost_of(block, block, shape=(5, 8))
    assert twice.macs == 2 * once.macs
    assert twice.params == once.params


def test_shared_weights_inside_a_model_weigh_once():
    dense, x = layers.Dense(4), keras.Input((4,))
    inner = keras.Model(x, dense(x))
    model = keras.Model(x, inner(dense(x)))
    cost = model_cost(model)
    assert (cost.params, cost.macs) == (model.count_params(), 2 * 4 * 4) == (20, 32)


def test_arguments_may_be_given_by_name_and_in_any_order():
    query, value, mask = (keras.Input(shape) for shape in ((8, 64), (256, 64), (8, 256)))
    output = layers.MultiHeadAttention(4, 16)(query, value=value, attention_mask=mask)
    projections, products = 64 * 64 * (8 + 256 + 256 + 8), 2 * 4 * 8 * 256 * 16
    assert model_cost(keras.Model([query, value, mask], output)).macs == projections + products
    tokens, grid = keras.Input((3, 8)), keras.Input((16, 8))
    costs = [
        model_cost(keras.Model([tokens, grid], fused)).macs
        for fused in (TokenFuser()(tokens, grid), TokenFuser()(grid=grid, tokens=tokens))
    ]
    assert costs[0] == costs[1] > 0


@pytest.mark.parametrize("weights", [(8, 32, 64), (1, 32, 64), (32, 64)])
def test_the_dots_of_an_einsum_stand_for_axes_from_the_right(weights):
    x = keras.Input((8, 16, 32))
    model = keras.Model(x, ops.einsum("...ij,...jk->...ik", x, np.ones(weights, "float32")))
    assert model_cost(model).macs == 8 * 16 * 32 * 64


def test_folded_frames_all_count():
    video = keras.Input((5, 4, 4, 8))
    x = ops.reshape(video, (-1, 4, 4, 8))  # (batch × frames, height, width, dim)
    x = TokenLearner(3)(x)
    x = ops.reshape(x, (-1, 5 * 3, 8))  # (batch, frames × tokens, dim)
    model = keras.Model(video, TransformerBlock(2, 4, (8,), 0.0)(x))
    per_frame = cost_of(TokenLearner(3), shape=(4, 4, 8)).macs
    together = cost_of(TransformerBlock(2, 4, (8,), 0.0), shape=(15, 8)).macs
    assert model_cost(model).macs == 5 * per_frame + together


class Similarities(layers.Layer):
    """A layer without weights that computes all the same."""

    def call(self, x):
        return ops.matmul(x, ops.transpose(x, (0, 2, 1)))


class Mixer(layers.Layer):
    """Dense, a product with a weight of its own on either side, and an einsum."""

    def build(self, shape):
        self.dense = layers.Dense(4)
        self.left, self.right = self.add_weight(shape=(5, 3)), self.add_weight(shape=(4, 2))

    def call(self, x):
        x = ops.matmul(ops.matmul(self.left, self.dense(x)), self.right)  # (batch, 5, 2)
        return ops.einsum("btc,bsc->bts", x, x)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (Mixer(), 3 * 4 * 4 + 5 * 3 * 4 + 5 * 4 * 2 + 5 * 5 * 2),
        (Similarities(), 3 * 3 * 4),
        (layers.Lambda(lambda x: ops.einsum("bic,bjc->bij", x, x)), 3 * 3 * 4),
        (layers.Embedding(10, 2), 0),
    ],
)
def test_a_layer_without_a_rule_costs_what_its_call_does(layer, macs):
    assert cost_of(layer, shape=(3, 4)).macs == macs


def test_standardising_costs_nothing():
    adapted = layers.Normalization()
    adapted.adapt(np.arange(12.0).reshape(1, 3, 4))
    for layer in (adapted, layers.Normalization(mean=1.0, variance=2.0)):
        assert cost_of(layer, shape=(3, 4)).macs == 0


@pytest.mark.parametrize("name", sorted(each for each in dir(layers) if "Conv" in each))
def test_no_convolution_is_free(name):
    axes = int(re.search(r"(\d)D", name)[1])
    filters = {} if name.startswith("Depthwise") else {"filters": 4}
    shape = (2,) * ("LSTM" in name) + (5,) * axes + (3,)
    try:
        cost = cost_of(getattr(layers, name)(kernel_size=2, **filters), shape=shape)
    except TypeError as refused:
        assert "no rule for the cost" in str(refused)
    else:
        assert cost.macs > 0


class Opaque(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(4, 4))

    def call(self, x):
        return np.asarray(x) @ self.kernel

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_a_layer_that_cannot_be_read_is_named_until_it_has_a_rule():
    with pytest.raises(TypeError, match=r"'my_layer' .Opaque"):
        cost_of(Opaque(name="my_layer"), shape=(3, 4))
    work_of.register(Opaque, lambda layer, shape: Work(macs=3 * 4 * 4))
    assert cost_of(Opaque(), shape=(3, 4)).macs == 3 * 4 * 4


@pytest.mark.parametrize("layer", [layers.Dot(axes=2), layers.Attention()])
def test_product_without_a_rule_is_named(layer):
    with pytest.raises(TypeError, match=type(layer).__name__):
        cost_of(lambda x: layer([x, x]), shape=(3, 4))


def test_what_hides_its_work_is_named():
    with pytest.raises(TypeError, match="Map"):
        cost_of(lambda x: ops.map(lambda row: ops.matmul(row, row), x), shape=(3, 3))


def test_each_frame_of_a_video_costs_the_same():
    frame = cost_of(layers.Conv2D(2, 3), shape=(8, 8, 3)).macs
    assert (
        cost_of(layers.TimeDistributed(layers.Conv2D(2, 3)), shape=(5, 8, 8, 3)).macs == 5 * frame
    )


def test_model_without_a_graph_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="'mine' has no graph"):
        model_cost(Subclassed(name="mine"))


# Tables


def test_table_has_a_line_per_layer_and_the_totals():
    cost = model_cost(MODELS["modern"]())
    head, *lines, total = str(cost).splitlines()
    assert [line.split()[0] for line in lines] == [row.name for row in cost.layers]
    assert len({len(line) for line in (head, *lines, total)}) == 1
    assert total.split() == ["Total", f"{cost.params:,}", f"{cost.macs:,}", "100.0%"]
    assert lines[-1].split()[1:] == ["10", "970", "960", "0.0%"]


def test_notebook_table_has_headers_and_the_same_cells():
    cost = cost_of(layers.Dense(1000, name="a<b"), shape=(20, 30))
    table = ElementTree.fromstring(cost._repr_html_())
    head, _, dense, total = table.findall("./tr")
    assert {cell.get("scope") for cell in head} == {"col"}
    assert [row[0].get("scope") for row in (dense, total)] == ["row", "row"]
    cells = [cell.text for cell in dense]
    assert cells == ["a<b", "20 × 1000", "31,000", "600,000", "100.0%"]
    assert len(head) == len(cells)
    assert table.find("caption").text
