"""`MLP` and `TransformerBlock` against the same arithmetic in plain NumPy."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import MLP, TransformerBlock


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, scale, shift):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale + shift


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def numpy_mlp(x, weights, activate_last):
    kernel1, bias1, kernel2, bias2 = weights
    x = gelu(x @ kernel1 + bias1) @ kernel2 + bias2
    return gelu(x) if activate_last else x


def numpy_block(x, weights, activate_last):
    norm1, projections, output, norm2, mlp = np.split(
        np.array(weights, dtype=object), [2, 8, 10, 12]
    )
    normed = layer_norm(x, *norm1)
    queries, keys, values = (
        np.einsum("btc,chk->bhtk", normed, kernel) + bias[:, None]
        for kernel, bias in zip(projections[::2], projections[1::2], strict=True)
    )
    scores = softmax(queries @ keys.swapaxes(2, 3) / np.sqrt(queries.shape[-1]))
    x = x + np.einsum("bhtk,hkc->btc", scores @ values, output[0]) + output[1]
    return x + numpy_mlp(layer_norm(x, *norm2), mlp, activate_last), scores


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
    mlp = MLP((20, 6), 0.5, activate_last=activate_last)
    mlp.build(x.shape)
    randomise(mlp)
    expected = numpy_mlp(x, mlp.get_weights(), activate_last)
    np.testing.assert_allclose(convert_to_numpy(mlp(x)), expected, atol=1e-5)
    assert mlp.compute_output_shape(x.shape) == expected.shape
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


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MLP((), 0.1), "hidden_units is \\(\\)"),
        (lambda: MLP((8, 0), 0.1), "hidden_units is \\(8, 0\\)"),
        (lambda: MLP((8,), 1.0), "dropout_rate is 1.0"),
        (lambda: TransformerBlock(0, 8, (12,), 0.1), "num_heads is 0"),
        (lambda: TransformerBlock(2, 0, (12,), 0.1), "key_dim is 0"),
        (lambda: TransformerBlock(2, 8, (12,), -0.1), "dropout_rate is -0.1"),
        (lambda: TransformerBlock(2, 8, (8,), 0.1)(np.zeros((1, 5, 12))), "8 units.*width 12"),
    ],
)
def test_what_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "layer_class, facts",
    [
        (MLP, {"hidden_units": (8, 4), "dropout_rate": 0.2, "activate_last": False}),
        (
            TransformerBlock,
            {
                "num_heads": 3,
                "key_dim": 5,
                "mlp_units": (8, 4),
                "dropout_rate": 0.2,
                "activate_last": False,
            },
        ),
    ],
)
def test_the_config_is_complete(layer_class, facts):
    config = layer_class(**facts).get_config()
    assert config.items() >= facts.items()
    assert layer_class.from_config(config).get_config() == config
