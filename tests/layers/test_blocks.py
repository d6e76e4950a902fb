"""`MLP` and `TransformerBlock` against the same arithmetic in plain NumPy."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from numpy_reference import layer_norm, mlp, softmax
from tlvit_utils import MLP, TransformerBlock


def numpy_block(x, weights, activate_last):
    norm1, projections, output = weights[:2], weights[2:8], weights[8:10]
    norm2, mlp_weights = weights[10:12], weights[12:]
    normed = layer_norm(x, *norm1)
    queries, keys, values = (
        np.einsum("btc,chk->bhtk", normed, kernel) + bias[:, None]
        for kernel, bias in zip(projections[::2], projections[1::2], strict=True)
    )
    scores = softmax(queries @ keys.swapaxes(2, 3) / np.sqrt(queries.shape[-1]))
    x = x + np.einsum("bhtk,hkc->btc", scores @ values, output[0]) + output[1]
    return x + mlp(layer_norm(x, *norm2), mlp_weights, activate_last), scores


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(2, 5, 12)).astype("float32")


@pytest.fixture(scope="module", params=[True, False], ids=["activate_last", "last_linear"])
def activate_last(request):
    return request.param


@pytest.fixture(scope="module")
def block(x, activate_last, randomise):
    block = TransformerBlock(3, 7, (20, 12), 0.5, activate_last=activate_last)
    block.build(x.shape)
    return randomise(block)


def test_mlp_equals_numpy(x, activate_last, randomise):
    layer = MLP((20, 6), 0.5, activate_last=activate_last)
    layer.build(x.shape)
    expected = mlp(x, randomise(layer).get_weights(), activate_last)
    np.testing.assert_allclose(convert_to_numpy(layer(x)), expected, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == expected.shape
    assert (expected.min() > -0.18) == activate_last


def test_block_and_attention_scores_equal_numpy(x, block, activate_last):
    expected, expected_scores = numpy_block(x, block.get_weights(), activate_last)
    output, scores = block(x, return_attention_scores=True)
    assert scores.shape == (2, 3, 5, 5)
    np.testing.assert_allclose(convert_to_numpy(scores), expected_scores, atol=1e-5)
    np.testing.assert_allclose(convert_to_numpy(scores).sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(convert_to_numpy(output), expected, atol=1e-5)
    np.testing.assert_array_equal(convert_to_numpy(block(x)), convert_to_numpy(output))


def test_dropout_acts_in_training_only(x, block, seeded):
    still, again, training = (convert_to_numpy(block(x, training=t)) for t in (None, False, True))
    np.testing.assert_array_equal(still, again)
    assert np.abs(training - still).max() > 0.01
    dropped = convert_to_numpy(MLP((1000,), 0.25)(np.ones((1, 4)), training=True)) == 0
    assert dropped.mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("make", [MLP, lambda *a, **k: TransformerBlock(2, 4, *a, **k)])
def test_name_and_policy_reach_every_part(make):
    layer = make((8, 12), 0.1, name="given", dtype="mixed_bfloat16")
    assert layer.name == "given"
    assert layer.activate_last  # as published
    assert {part.dtype_policy.name for part in layer._flatten_layers()} == {"mixed_bfloat16"}


def test_a_quantised_layer_loads_as_it_was_quantised(tmp_path):
    """Only its weights, say, and not what flows through it."""
    if not hasattr(keras.quantizers, "Int8QuantizationConfig"):
        pytest.skip("this Keras quantises in one way only")
    x = np.random.default_rng(0).normal(size=(2, 8)).astype("float32")
    model = keras.Sequential([keras.Input((8,)), MLP((12, 8), 0.0)])
    model.quantize(config=keras.quantizers.Int8QuantizationConfig(activation_quantizer=None))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MLP((), 0.1), "hidden_units is \\(\\)"),
        (lambda: MLP((8, 0), 0.1), r"hidden_units\[1\] is 0"),
        (lambda: MLP((8,), 1.0), "dropout_rate is 1.0"),
        (lambda: TransformerBlock(0, 8, (12,), 0.1), "num_heads is 0"),
        (lambda: TransformerBlock(2, 0, (12,), 0.1), "key_dim is 0"),
        (lambda: TransformerBlock(2, 8, (12,), -0.1), "dropout_rate is -0.1"),
        (lambda: TransformerBlock(2, 8, (8,), 0.1)(np.zeros((1, 5, 12))), "8 units.*width 12"),
        (lambda: TransformerBlock(2, 8, (8,), 0.1)(np.zeros((1, 5, 5, 8))), "reshape a grid"),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
