"""What all token layers promise: arithmetic, shapes, dtypes, gradients, XLA, save and load."""

import inspect
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy
from packaging.version import Version

from layer_checks import random_array, with_maps
from numpy_reference import (
    grouped_token_learner,
    patch_merger,
    strided_convolution,
    token_fuser,
    token_learner,
    token_learner_v11,
    windows,
)
from tlvit_utils import (
    MLP,
    AveragePooling,
    GroupedTokenLearner,
    PatchEncoder,
    PatchMerger,
    RandomCropFlip,
    StridedConvolution,
    TokenFuser,
    TokenLearner,
    TokenLearnerV11,
    TopKTokens,
    TransformerBlock,
)
from tlvit_utils.reductions import window_grid

PARITY = Path(__file__).parent / "parity"  # outputs of google-research/scenic, float32
WITHOUT_MAPS = (TokenFuser, AveragePooling, StridedConvolution)
WITH_DENSE = (TokenLearnerV11, PatchMerger, TokenFuser)
ONE_DNN = keras.backend.backend() == "tensorflow" and os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0"
# Keras before 3.15 lets tf.matmul multiply a grid (batch, rows, columns, dim) by a matrix. With
# oneDNN, TensorFlow up to 2.21 does so wrongly, or crashes, where `rows` is 1.
ONE_ROW_IS_WRONG = ONE_DNN and Version(keras.version()) < Version("3.15")
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
every_layer = pytest.mark.parametrize(("cls", "arguments"), ARGUMENTS)
# One of each that takes a grid alone, with tokens that windows of a square grid can give
ON_A_GRID = [
    TokenLearner(4),
    TokenLearnerV11(4, bottleneck_dim=4),
    GroupedTokenLearner(4, 4),
    PatchMerger(4),
    TopKTokens(4),
    AveragePooling(4),
    StridedConvolution(4),
]
every_grid_layer = pytest.mark.parametrize("layer", ON_A_GRID, ids=lambda x: type(x).__name__)


def inputs_of(cls, height=4, width=5):
    grid = random_array(2, height, width, 8, seed=2)
    return [random_array(2, 3, 8), grid] if cls is TokenFuser else [grid]


def fresh(layer):
    return type(layer).from_config(layer.get_config())


def functional_model(layer, maps=True):
    """Return a model of this one layer, which gives its maps too unless told otherwise."""
    inputs = [keras.Input(x.shape[1:]) for x in inputs_of(type(layer))]
    maps = maps and not isinstance(layer, WITHOUT_MAPS)
    options = {"return_attention_maps": True} if maps else {}
    return keras.Model(inputs, layer(*inputs, **options))


def idle_weights(layer):
    """Return the indices of the weights that no gradient reaches, because what they add is undone.

    V11's last bias, and the offset before the grouped layer's linear maps, add one number to a
    whole map before a softmax; the fuser's mixing bias adds one to a whole token before a
    LayerNorm.
    """
    if isinstance(layer, TokenFuser) and layer.use_normalization:
        return [3]
    return {TokenLearnerV11: [5], GroupedTokenLearner: [1]}.get(type(layer), [])


NORM = ["LayerNorm_0/scale", "LayerNorm_0/bias"]
MASK_MLP = [f"token_masking/Dense_{i}/{name}" for i in (0, 1) for name in ("kernel", "bias")]
CONVOLUTIONS = [f"Conv_{i}/kernel" for i in range(4)]
MIXING = [
    *("fuser_mix_norm1/scale", "fuser_mix_norm1/bias", "Dense_0/kernel", "Dense_0/bias"),
    *("fuser_mix_norm2/scale", "fuser_mix_norm2/bias"),
]


@pytest.mark.parametrize(
    ("name", "layer", "parameters"),
    [
        ("v1_sum_8x8", TokenLearner(4, "sum"), NORM + CONVOLUTIONS),
        ("v1_mean_8x8", TokenLearner(8, "mean"), NORM + CONVOLUTIONS),
        ("v11_8x8", TokenLearnerV11(8), NORM + MASK_MLP),
        ("fuser_norm", TokenFuser(), MIXING + NORM + MASK_MLP),
    ],
)
def test_equals_the_official_layer(name, layer, parameters):
    with np.load(PARITY / f"{name}.npz") as arrays:
        inputs = [arrays[key] for key in sorted(arrays.files) if key.startswith("input")]
        layer(*inputs)
        layer.set_weights([arrays[f"param/{key}"] for key in parameters])
        output = convert_to_numpy(layer(*inputs))
        np.testing.assert_allclose(output, arrays["output"], rtol=0, atol=1e-5)


REFERENCES = {  # layer, input of one image, weights: its tokens, and its maps if it has any
    TokenLearner: lambda layer, grid, w: token_learner(
        grid, w, layer.pooling, layer.approximate_gelu
    ),
    TokenLearnerV11: lambda layer, grid, w: token_learner_v11(grid, w),
    GroupedTokenLearner: lambda layer, grid, w: grouped_token_learner(grid, w, layer.num_groups),
    PatchMerger: lambda layer, grid, w: patch_merger(grid, w),
    AveragePooling: lambda layer, grid, w: windows(
        grid, *window_grid(*grid.shape[:2], layer.num_tokens)
    ).mean(1),
    StridedConvolution: lambda layer, grid, w: strided_convolution(grid, *w),
    TokenFuser: lambda layer, tokens, grid, w: token_fuser(
        tokens, grid, w, layer.use_normalization
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cls", WITH_DENSE)
def test_where_tensorflow_computes_one_row_wrongly_it_is_said(cls, monkeypatch):
    def build(rows):
        layer = cls() if cls is TokenFuser else cls(3)
        layer.build(*(x.shape for x in inputs_of(cls, rows, 10)))

    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    monkeypatch.setattr(keras, "version", lambda: "3.13.2")
    build(2)
    if keras.backend.backend() == "tensorflow":
        with pytest.warns(UserWarning, match="one row wrongly"):
            build(1)
    monkeypatch.setattr(keras, "version", lambda: "3.15.0")
    build(1)


@pytest.mark.parametrize("size", [(4, 5), (1, 10), (5, 2)])
@pytest.mark.parametrize(("cls", "arguments"), [a for a in ARGUMENTS if a[0] in REFERENCES])
def test_equals_plain_numpy(cls, arguments, size, randomise):
    if ONE_ROW_IS_WRONG and size[0] == 1 and cls in WITH_DENSE:
        pytest.skip("with oneDNN, TensorFlow multiplies a grid of one row by a matrix wrongly")
    layer = cls(**arguments)
    inputs = inputs_of(cls, *size)
    layer.build(*(x.shape for x in inputs))
    weights = randomise(layer).get_weights()
    if cls in WITHOUT_MAPS:
        outputs = (convert_to_numpy(layer(*inputs)),)
    else:
        outputs = with_maps(layer, *inputs)
    for i in range(2):
        expected = REFERENCES[cls](layer, *(x[i].astype(float) for x in inputs), weights)
        expected = (expected,) if cls in WITHOUT_MAPS else expected
        for output, each in zip(outputs, expected, strict=True):
            assert output[i].shape == np.shape(each)
            np.testing.assert_allclose(output[i], each, atol=1e-5)


@pytest.mark.parametrize(
    ("cls", "arguments"), [(TokenLearnerV11, {"num_tokens": 3}), (TokenFuser, {})]
)
def test_dropout_acts_in_training_only(cls, arguments, randomise, seeded):
    layer, inputs = cls(**arguments, dropout_rate=0.5), inputs_of(cls)
    layer.build(*(x.shape for x in inputs))
    randomise(layer)
    still = convert_to_numpy(layer(*inputs))
    np.testing.assert_array_equal(convert_to_numpy(layer(*inputs, training=False)), still)
    assert np.abs(convert_to_numpy(layer(*inputs, training=True)) - still).max() > 1e-3


@every_grid_layer
def test_a_sequence_is_a_square_grid(layer):
    layer = fresh(layer)
    x = random_array(2, 4, 4, 8)
    tokens = convert_to_numpy(layer(x.reshape(2, 16, 8)))
    assert tokens.shape == (2, 4, 8)
    np.testing.assert_array_equal(tokens, convert_to_numpy(layer(x)))


@pytest.mark.parametrize(
    "layer",
    [each for each in ON_A_GRID if not isinstance(each, (TokenLearner, *WITHOUT_MAPS))],
    ids=lambda x: type(x).__name__,
)
def test_shuffled_cells_give_the_same_tokens_and_take_their_weights_along(layer, randomise):
    layer, x = fresh(layer), random_array(2, 4, 5, 8)
    layer.build(x.shape)
    randomise(layer)
    order = np.random.default_rng(0).permutation(20)
    tokens, maps = with_maps(layer, x)
    others, moved = with_maps(layer, x.reshape(2, 20, 8)[:, order].reshape(x.shape))
    np.testing.assert_allclose(others, tokens, atol=1e-5)
    expected = maps.reshape(2, 4, 20)[..., order]
    np.testing.assert_allclose(moved.reshape(expected.shape), expected, atol=1e-6)


@every_grid_layer
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 12, 8), "12 tokens, which is not a square number"),
        ((2, 8), "expected .batch, height, width, dim. or .batch, tokens, dim."),
        ((2, 1, 4, 4, 8), "expected .batch, height, width, dim. or .batch, tokens, dim."),
        ((2, None, None, 8), "every size except the batch's"),
        ((2, 0, 5, 8), "holds no cells"),
    ],
)
def test_what_is_no_grid_is_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        fresh(layer).build(shape)


@pytest.mark.parametrize("cls", [TokenLearner, TokenLearnerV11, PatchMerger])
def test_another_width_at_the_second_call_is_refused(cls):
    layer = cls(3)
    layer(random_array(2, 4, 5, 8))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 8"):
        layer(random_array(2, 4, 5, 12))


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "8", None])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        *(("num_tokens", cls) for cls in (TokenLearner, TokenLearnerV11, PatchMerger)),
        ("num_tokens", lambda size: GroupedTokenLearner(size, 4)),
        ("bottleneck_dim", lambda size: TokenLearnerV11(4, bottleneck_dim=size)),
        ("bottleneck_dim", lambda size: TokenFuser(bottleneck_dim=size)),
        ("num_groups", lambda size: GroupedTokenLearner(4, size)),
    ],
)
def test_sizes_below_1_are_refused(name, make, size):
    with pytest.raises(ValueError, match=f"{name} is {size!r}.* at least 1"):
        make(size)


@pytest.mark.parametrize("flag", ["no", 1, None])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("approximate_gelu", lambda flag: TokenLearner(4, approximate_gelu=flag)),
        ("use_normalization", lambda flag: TokenFuser(use_normalization=flag)),
        ("activate_last", lambda flag: MLP((8, 4), 0.0, activate_last=flag)),
        ("activate_last", lambda flag: TransformerBlock(2, 4, (8, 4), 0.0, activate_last=flag)),
    ],
)
def test_flags_that_are_neither_true_nor_false_are_refused(name, make, flag):
    with pytest.raises(ValueError, match=f"{name} is {flag!r}.* True or False"):
        make(flag)


BLOCK = {"dropout_rate": 0.2, "activate_last": False, "name": "layer", "dtype": "mixed_bfloat16"}


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        *ARGUMENTS,
        (PatchEncoder, {"num_patches": 4, "projection_dim": 8}),
        (MLP, {"hidden_units": (8, 4), **BLOCK}),
        (TransformerBlock, {"num_heads": 3, "key_dim": 5, "mlp_units": (8, 4), **BLOCK}),
        (RandomCropFlip, {"resized_size": 40, "crop_size": 30, "padding": 3, "seed": 5}),
    ],
)
def test_config_is_complete(cls, arguments):
    config = cls(**arguments).get_config()
    names = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    assert names <= set(config)
    assert all(config[name] == arguments[name] for name in names & set(arguments))
    assert cls.from_config(config).get_config() == config


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
    exact = functional_model(cls(**arguments))
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = cls(**arguments)
    model = functional_model(layer)
    exact.set_weights(randomise(layer).get_weights())
    inputs = inputs_of(cls)
    outputs = keras.tree.flatten(model(inputs))
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {"bfloat16"}
    assert {weight.dtype for weight in layer.weights} <= {"float32"}
    for output, expected in zip(outputs, keras.tree.flatten(exact(inputs)), strict=True):
        output, expected = map(convert_to_numpy, (keras.ops.cast(output, "float32"), expected))
        np.testing.assert_allclose(output, expected, atol=0.02 * np.abs(expected).max())
    model.compile("sgd", ["mse"] * len(outputs))
    targets = [np.zeros(output.shape, "float32") for output in outputs]
    assert np.isfinite(model.train_on_batch(inputs, targets)).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads TensorFlow's graph")
@every_grid_layer
def test_nothing_larger_than_the_grid_is_built(layer):
    import tensorflow as tf

    layer, x = fresh(layer), random_array(2, 8, 8, 8)
    layer.build(x.shape)

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    graph = gradients.get_concrete_function(tf.constant(x)).graph
    sizes = {t.name: t.shape.num_elements() for op in graph.get_operations() for t in op.outputs}
    assert max(size for size in sizes.values() if size) == x.size, sizes


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [*ARGUMENTS, (TokenLearner, {"num_tokens": 3, "dtype": "mixed_bfloat16"})],
)
def test_a_saved_model_and_saved_weights_give_the_same_bits(cls, arguments, randomise, tmp_path):
    model = randomise(functional_model(cls(**arguments)))
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = keras.Model.from_config(model.get_config())
    again.load_weights(tmp_path / "model.weights.h5")
    expected = keras.tree.flatten(model.predict(inputs_of(cls), verbose=0))
    for each in (loaded, again):
        outputs = keras.tree.flatten(each.predict(inputs_of(cls), verbose=0))
        for output, other in zip(outputs, expected, strict=True):
            np.testing.assert_array_equal(np.float32(output), np.float32(other))


@pytest.mark.parametrize(
    ("cls", "arguments", "maps"),
    [(*each, maps) for each in ARGUMENTS for maps in (False, each[0] not in WITHOUT_MAPS)],
)
def test_what_a_functional_model_expects_is_what_comes_out(cls, arguments, maps):
    layer = cls(**arguments, dtype="mixed_bfloat16")
    inputs = inputs_of(cls)
    options = {"return_attention_maps": True} if maps else {}
    expected = layer.compute_output_spec(*(keras.KerasTensor(x.shape) for x in inputs), **options)
    outputs = layer(*inputs, **options)
    for spec, output in zip(keras.tree.flatten(expected), keras.tree.flatten(outputs), strict=True):
        dtype = keras.backend.standardize_dtype(output.dtype)
        assert (spec.shape, spec.dtype) == (tuple(output.shape), dtype)
    shape = layer.compute_output_shape(*(x.shape for x in inputs))
    assert tuple(shape) == keras.tree.flatten(expected)[0].shape


@every_grid_layer
def test_frames_of_a_video_by_time_distributed(layer):
    layer = fresh(layer)
    video = keras.Input((3, 4, 4, 8))
    model = keras.Model(video, keras.layers.TimeDistributed(layer)(video))
    frames = random_array(2, 3, 4, 4, 8)
    for clip, of_frames in zip(frames, convert_to_numpy(model(frames)), strict=True):
        np.testing.assert_allclose(of_frames, convert_to_numpy(layer(clip)), atol=1e-5)


@every_layer
def test_an_empty_batch_stays_empty(cls, arguments):
    if cls is TokenLearner and ONE_DNN:
        pytest.skip("with oneDNN, TensorFlow's convolution of no images has another shape")
    inputs = [x[:0] for x in inputs_of(cls)]
    assert cls(**arguments)(*inputs).shape[0] == 0
