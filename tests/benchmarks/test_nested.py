"""In training the nested TokenLearner's tokens are the first few, and the blocks cannot tell."""

import numpy as np
from keras.ops import convert_to_numpy

from nested import NestedTokenLearner, right_with_first_tokens
from tlvit_utils import TokenLearner, TransformerBlock

GRID = np.random.default_rng(0).normal(size=(64, 4, 4, 6)).astype("float32")


def first_tokens(kept):
    """Return the tokens of each image when it keeps so many, repeated to four."""
    return kept[:, np.arange(4) % kept.shape[1]]


def test_each_image_keeps_its_first_tokens_in_training_only(randomise):
    nested, plain = (cls(4, "weighted_mean") for cls in (NestedTokenLearner, TokenLearner))
    for layer in (nested, plain):
        layer.build(GRID.shape)
        randomise(layer)
    tokens = convert_to_numpy(plain(GRID))
    np.testing.assert_allclose(convert_to_numpy(nested(GRID)), tokens, rtol=1e-5)
    trained, maps = nested(GRID, return_attention_maps=True, training=True)
    assert maps.shape == (64, 4, 4, 4)
    ways = np.stack([first_tokens(tokens[:, :count]) for count in (1, 2, 4)], axis=1)
    fits = np.isclose(ways, convert_to_numpy(trained)[:, None], rtol=1e-4).all(axis=(2, 3))
    assert fits.any(axis=1).all()  # every image keeps 1, 2 or 4
    assert fits.any(axis=0).all()  # and each number occurs


def test_a_block_and_the_mean_cannot_tell_repeated_tokens_from_few(randomise):
    tokens = GRID.reshape(64, 16, 6)[:, :2]
    block = TransformerBlock(2, 3, (8, 6), dropout_rate=0.0)
    block.build((None, 4, 6))
    randomise(block)
    both = tokens, first_tokens(tokens)
    few, many = (convert_to_numpy(block(each)).mean(axis=1) for each in both)
    np.testing.assert_allclose(few, many, rtol=1e-4, atol=1e-5)


def test_all_tokens_are_the_model_itself(tiny_model, images):
    answers = tiny_model.predict(images, verbose=0)
    labels = answers.argmax(axis=1)
    right = right_with_first_tokens(tiny_model, images, labels)
    assert right.shape == (3, len(images))
    assert right[-1].all()
