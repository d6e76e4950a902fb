"""What all token layers promise: shapes, dtypes, gradients, XLA, and exact save and load."""

import inspect
import subprocess
import sys
from contextlib import contextmanager

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy
from layer_checks import random_array, with_maps
from numpy_reference import (
    grouped_token_learner,
    patch_merger,
    strided_convolution,
    token_fuser,
    token_learner,
    token_learner_v11,
    window_means,
)

from tlvit_utils import (
    AveragePooling,
    GroupedTokenLearner,
    PatchMerger,
    StridedConvolution,
    TokenFuser,
    TokenLearner,
    TokenLearnerV11,
    TopKTokens,
)

LEARNERS = [TokenLearner, TokenLearnerV11, GroupedTokenLearner, PatchMerger, TopKTokens]
WITHOUT_MAPS = (TokenFuser, AveragePooling, StridedConvolution)
# Every argument away from its default at least once.
ARGUMENTS = [
    (TokenLearner, {"num_tokens": 3}),
    (TokenLearner, {"num_tokens": 3, "pooling": "sum", "approximate_gelu": False}),
    (TokenLearner, {"num_tokens": 3, "pooling": "weighted_mean"}),
    (TokenLearnerV11, {"num_tokens": 3}),
    (TokenLearnerV11, {"num_tokens": 3, "bottleneck_dim": 7, "dropout_rate": 0.2}),
    (GroupedTokenLearner, {"num_tokens": 3, "num_groups": 4}),
    (PatchMerger, {"num_tokens": 3}),
    (TopKTokens, {"num_tokens": 3}),
    (AveragePooling, {"num_tokens": 10}),
    (StridedConvolution, {"num_tokens": 10}),
    (TokenFuser, {}),
    (TokenFuser, {"bottleneck_dim": 7, "use_normalization": False, "dropout_rate": 0.2}),
]
SAVED = [*ARGUMENTS, (TokenLearner, {"num_tokens": 3, "dtype": "mixed_bfloat16"})]

DROPPING = [(TokenLearnerV11, {"num_tokens": 3}), (TokenFuser, {})]

every_layer = pytest.mark.parametrize(("cls", "arguments"), ARGUMENTS)
every_learner = pytest.mark.parametrize("cls", LEARNERS)


def make_learner(cls, **options):
    return cls(3, 4, **options) if cls is GroupedTokenLearner else cls(3, **options)


def inputs_of(cls, height=4, width=5):
    grid = random_array(2, height, width, 8, seed=2)
    return [random_array(2, 3, 8), grid] if cls is TokenFuser else [grid]


def functional_model(layer, maps=True):
    """Return a model of this one layer, which gives its maps too unless told otherwise."""
    inputs = [keras.Input(x.shape[1:]) for x in inputs_of(type(layer))]
    maps = maps and not isinstance(layer, WITHOUT_MAPS)
    options = {"return_attention_maps": True} if maps else {}
    return keras.Model(inputs, layer(*inputs, **options))


@contextmanager
def global_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def idle_weights(layer):
    """Return the indices of the weights that no gradient reaches, because what they add is undone.

    V11's last bias, and the offset before the grouped layer's linear maps, add one number to a
    whole map before a softmax; the fuser's mixing bias adds one to a whole token before a
    LayerNorm.
    """
    if isinstance(layer, TokenFuser) and layer.use_normalization:
        return [3]
    return {TokenLearnerV11: [5], GroupedTokenLearner: [1]}.get(type(layer), [])


LOOPS = {  # layer, input of one image, weights: its tokens, and its maps if it has any
    TokenLearner: lambda layer, grid, w: token_learner(
        grid, w, layer.pooling, layer.approximate_gelu
    ),
    TokenLearnerV11: lambda layer, grid, w: token_learner_v11(grid, w),
    GroupedTokenLearner: lambda layer, grid, w: grouped_token_learner(grid, w, layer.num_groups),
    PatchMerger: lambda layer, grid, w: patch_merger(grid, w),
    AveragePooling: lambda layer, grid, w: window_means(grid, *layer.windows),
    StridedConvolution: lambda layer, grid, w: strided_convolution(grid, *w),
    TokenFuser: lambda layer, tokens, grid, w: token_fuser(
        tokens, grid, w, layer.use_normalization
    ),
}


@pytest.mark.parametrize("size", [(4, 5), (1, 10), (5, 2)])
@pytest.mark.parametrize(("cls", "arguments"), [a for a in ARGUMENTS if a[0] in LOOPS])
def test_equals_plain_loops(cls, arguments, size, randomise):
    layer = cls(**arguments)
    inputs = inputs_of(cls, *size)
    layer.build(*(x.shape for x in inputs))
    weights = randomise(layer).get_weights()
    if cls in WITHOUT_MAPS:
        outputs = (convert_to_numpy(layer(*inputs)),)
    else:
        outputs = with_maps(layer, *inputs)
    for i in range(2):
        expected = LOOPS[cls](layer, *(x[i] for x in inputs), weights)
        expected = (expected,) if cls in WITHOUT_MAPS else expected
        for output, each in zip(outputs, expected, strict=True):
            assert output[i].shape == np.shape(each)
            np.testing.assert_allclose(output[i], each, atol=1e-5)


@pytest.mark.parametrize("cls", [TokenLearnerV11, GroupedTokenLearner, PatchMerger, TopKTokens])
def test_permuted_cells_give_the_same_tokens_and_permuted_maps(cls, randomise):
    layer = make_learner(cls)
    (x,) = inputs_of(cls)
    layer.build(x.shape)
    randomise(layer)
    order = np.random.default_rng(0).permutation(20)
    permuted = x.reshape(2, 20, 8)[:, order].reshape(x.shape)
    tokens, maps = with_maps(layer, x)
    permuted_tokens, permuted_maps = with_maps(layer, permuted)
    np.testing.assert_allclose(permuted_tokens, tokens, atol=1e-5)
    expected = maps.reshape(2, 3, 20)[..., order].reshape(maps.shape)
    np.testing.assert_allclose(permuted_maps, expected, atol=1e-6)


@pytest.mark.parametrize(("cls", "arguments"), DROPPING)
def test_dropout_acts_in_training_only(cls, arguments, randomise, seeded):
    layer, inputs = cls(**arguments, dropout_rate=0.5), inputs_of(cls)
    layer.build(*(x.shape for x in inputs))
    randomise(layer)
    still = convert_to_numpy(layer(*inputs))
    np.testing.assert_array_equal(convert_to_numpy(layer(*inputs, training=False)), still)
    assert np.abs(convert_to_numpy(layer(*inputs, training=True)) - still).max() > 1e-3


@pytest.mark.parametrize("layer", [AveragePooling(8), StridedConvolution(8)])
def test_windows_of_a_sequence_are_those_of_a_square_grid(layer):
    (x,) = inputs_of(type(layer), 4, 4)
    tokens = convert_to_numpy(layer(x))
    assert tokens.shape == (2, 8, 8)
    np.testing.assert_array_equal(convert_to_numpy(layer(x.reshape(2, 16, 8))), tokens)


@every_learner
def test_a_sequence_is_a_square_grid(cls, randomise):
    layer = make_learner(cls)
    (x,) = inputs_of(cls, 4, 4)
    layer.build(x.shape)
    randomise(layer)
    tokens, maps = layer(x.reshape(2, 16, 8), return_attention_maps=True)
    assert tokens.shape == (2, 3, 8)
    assert maps.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(convert_to_numpy(tokens), convert_to_numpy(layer(x)))


@every_learner
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 12, 8), "12 tokens, which is not a square number"),
        ((2, 8), "expects .batch, height, width, dim. or .batch, tokens, dim."),
        ((2, 1, 4, 4, 8), "expects .batch, height, width, dim. or .batch, tokens, dim."),
        ((2, None, None, 8), "must know every size except the batch's"),
        ((2, None, 8), "must know every size except the batch's"),
    ],
)
def test_what_is_no_grid_is_refused(cls, shape, message):
    with pytest.raises(ValueError, match=message):
        make_learner(cls).build(shape)


@every_layer
def test_config_is_complete(cls, arguments):
    layer = cls(**arguments, name="layer", dtype="mixed_bfloat16")
    config = layer.get_config()
    copy = cls.from_config(config)
    assert copy.get_config() == config
    names = set(inspect.signature(cls).parameters) - {"kwargs"}
    assert names <= set(config)
    assert {name: config[name] for name in arguments} == arguments
    assert all(getattr(copy, name) == config[name] for name in names)


@pytest.mark.parametrize(
    ("cls", "arguments"), [a for a in ARGUMENTS if a[0] not in (TopKTokens, AveragePooling)]
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_step_moves_every_weight_but_the_idle(cls, arguments, jit_compile, randomise):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch.compile needs a C++ compiler")
    layer = cls(**{name: value for name, value in arguments.items() if name != "dropout_rate"})
    model = functional_model(layer, maps=False)
    before = randomise(layer).get_weights()
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=jit_compile)
    model.train_on_batch(inputs_of(cls), random_array(2, *model.output.shape[1:], seed=3))
    moves = [np.abs(a - b).max() for a, b in zip(before, layer.get_weights(), strict=True)]
    assert [i for i, move in enumerate(moves) if move < 1e-6] == idle_weights(layer), moves


@every_layer
def test_mixed_bfloat16(cls, arguments, randomise):
    with global_policy("mixed_bfloat16"):
        layer = cls(**arguments)
        model = functional_model(layer)
    exact = functional_model(cls(**arguments))
    exact.set_weights(randomise(layer).get_weights())
    inputs = inputs_of(cls)
    outputs = keras.tree.flatten(model(inputs))
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {"bfloat16"}
    assert {weight.dtype for weight in layer.weights} <= {"float32"}
    for output, expected in zip(outputs, keras.tree.flatten(exact(inputs)), strict=True):
        output, expected = (
            convert_to_numpy(keras.ops.cast(y, "float32")) for y in (output, expected)
        )
        np.testing.assert_allclose(output, expected, atol=0.02 * np.abs(expected).max())
    model.compile("sgd", ["mse"] * len(outputs))
    targets = [np.zeros(output.shape, "float32") for output in outputs]
    assert np.isfinite(model.train_on_batch(inputs, targets)).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads TensorFlow's graph")
@every_learner
def test_nothing_larger_than_the_grid_is_built(cls):
    import tensorflow as tf

    options = {"bottleneck_dim": 4} if cls is TokenLearnerV11 else {}
    layer = make_learner(cls, **options)

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    (x,) = inputs_of(cls)
    graph = gradients.get_concrete_function(tf.constant(x)).graph
    sizes = {t.name: t.shape.num_elements() for op in graph.get_operations() for t in op.outputs}
    assert max(size for size in sizes.values() if size) == x.size, sizes


LOAD_AND_PREDICT = """
import sys
from pathlib import Path

import keras
import numpy as np

import tlvit_utils

for path in Path(sys.argv[1]).glob("*.keras"):
    inputs = list(np.load(path.with_suffix(".inputs.npz")).values())
    model = keras.models.load_model(path)
    outputs = keras.tree.flatten(model.predict(inputs, verbose=0))
    fresh = keras.Model.from_config(model.get_config())
    fresh.load_weights(path.with_suffix(".weights.h5"))
    outputs += keras.tree.flatten(fresh.predict(inputs, verbose=0))
    np.savez(path.with_suffix(".outputs.npz"), *(np.asarray(y, "float32") for y in outputs))
"""


@pytest.fixture(scope="module")
def predictions(tmp_path_factory, randomise):
    """For each saved model: its own outputs, and those that a new process got from its files."""
    folder = tmp_path_factory.mktemp("saved")
    here = []
    for i, (cls, arguments) in enumerate(SAVED):
        model = randomise(functional_model(cls(**arguments)))
        model.save(folder / f"{i}.keras")
        model.save_weights(folder / f"{i}.weights.h5")
        np.savez(folder / f"{i}.inputs.npz", *inputs_of(cls))
        here.append(keras.tree.flatten(model.predict(inputs_of(cls), verbose=0)))
    subprocess.run([sys.executable, "-c", LOAD_AND_PREDICT, folder], check=True)
    there = [list(np.load(folder / f"{i}.outputs.npz").values()) for i in range(len(SAVED))]
    return list(zip(here, there, strict=True))


@pytest.mark.parametrize("i", range(len(SAVED)), ids=[f"{c.__name__}-{a}" for c, a in SAVED])
def test_a_new_process_predicts_the_same_bits(predictions, i):
    here, there = predictions[i]
    assert len(there) == 2 * len(here)  # from the model's file, then from the weights' file
    for expected, output in zip(here * 2, there, strict=True):
        np.testing.assert_array_equal(output, expected.astype("float32"))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("cls", "arguments", "maps"),
    [(*each, maps) for each in ARGUMENTS for maps in (False, each[0] not in WITHOUT_MAPS)],
)
def test_what_a_functional_model_expects_is_what_comes_out(cls, arguments, maps, policy):
    layer = cls(**arguments, dtype=policy)
    inputs = inputs_of(cls)
    options = {"return_attention_maps": True} if maps else {}
    expected = layer.compute_output_spec(*(keras.KerasTensor(x.shape) for x in inputs), **options)
    outputs = layer(*inputs, **options)
    for spec, output in zip(keras.tree.flatten(expected), keras.tree.flatten(outputs), strict=True):
        assert (spec.shape, spec.dtype) == (
            tuple(output.shape),
            keras.backend.standardize_dtype(output.dtype),
        )
    shape = layer.compute_output_shape(*(x.shape for x in inputs))
    assert tuple(shape) == keras.tree.flatten(expected)[0].shape


@pytest.mark.parametrize(
    ("cls", "arguments"), [each for each in ARGUMENTS if each[0] is not TokenFuser]
)
def test_frames_of_a_video_by_time_distributed(cls, arguments):
    layer = cls(**arguments)
    video = keras.Input((3, 4, 5, 8))
    model = keras.Model(video, keras.layers.TimeDistributed(layer)(video))
    frames = random_array(2, 3, 4, 5, 8)
    tokens = convert_to_numpy(model(frames))
    for clip, of_frames in zip(frames, tokens, strict=True):
        np.testing.assert_allclose(of_frames, convert_to_numpy(layer(clip)), atol=1e-5)


@every_layer
def test_an_empty_batch_stays_empty(cls, arguments):
    inputs = [x[:0] for x in inputs_of(cls)]
    assert cls(**arguments)(*inputs).shape[0] == 0


@every_learner
def test_a_grid_without_cells_is_refused(cls):
    with pytest.raises(ValueError, match=r"\(2, 0, 5, 8\), which holds no cells"):
        make_learner(cls)(np.zeros((2, 0, 5, 8), "float32"))


@pytest.mark.parametrize("cls", [TokenLearner, TokenLearnerV11, GroupedTokenLearner, PatchMerger])
def test_another_width_at_the_second_call_is_refused(cls):
    layer = make_learner(cls)
    layer(random_array(2, 4, 5, 8))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 8"):
        layer(random_array(2, 4, 5, 12))
