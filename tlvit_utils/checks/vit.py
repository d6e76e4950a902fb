"""Checks for the exercises of notebook 04."""

from functools import partial

import keras
import numpy as np

from tlvit_utils.blocks import TransformerBlock
from tlvit_utils.checks.comparison import CheckError, compare, exercise, sizes, to_numpy
from tlvit_utils.vit import ViTConfig, build_vit


@exercise
def check_tokens_read(answer):
    """Check `tokens_read(num_layers, num_patches, num_tokens, after)` (notebook 04).

    A list with the number of tokens that each block reads.
    """

    def draw(rng):
        num_layers = int(rng.integers(5, 10))
        num_tokens, num_patches = sorted(sizes(rng, 2, high=80))
        return num_layers, num_patches, num_tokens, int(rng.integers(1, num_layers - 2))

    def right(num_layers, num_patches, num_tokens, after):
        return np.where(np.arange(num_layers) > after, num_tokens, num_patches)

    def wrong(num_layers, num_patches, num_tokens, after):
        early, late = (right(num_layers, num_patches, num_tokens, after + i) for i in (-1, 1))
        return {
            "Off by one: TokenLearner stands after this block, which still reads all patches.": (
                early
            ),
            "Off by one: blocks count from 0, so the next block already reads the few tokens.": (
                late
            ),
            "These are the tokens before the first block and after each one; give those that each "
            "block reads.": np.append(num_patches, early),
        }

    compare(answer, right, wrong, draw)
    return "3 random networks"


@exercise
def check_block_macs(answer):
    """Check `block_macs(num_tokens, dim, num_heads, key_dim, hidden)`, a number (notebook 04)."""

    def draw(rng):
        return tuple(sizes(rng, 5, low=3, high=40))

    def right(num_tokens, dim, num_heads, key_dim, hidden, projections=4, products=2, dense=2):
        inner = num_heads * key_dim
        attention = projections * num_tokens * dim * inner + products * num_tokens**2 * inner
        return attention + dense * num_tokens * dim * hidden

    def wrong(num_tokens, dim, num_heads, key_dim, hidden):
        one_head = right(num_tokens, dim, 1, key_dim, hidden)
        macs = partial(right, num_tokens, dim, num_heads, key_dim, hidden)
        return {
            "Attention is missing, as in the published count.": macs(projections=0, products=0),
            "The scores and the weighted sum are missing: they need no weights, but work.": macs(
                products=0
            ),
            "You counted one of two products between tokens: the scores, and the weighted sum of "
            "the values.": macs(products=1),
            "You counted three projections; the output matrix is the fourth.": macs(projections=3),
            "The MLP has two Dense layers.": macs(dense=1),
            "key_dim is the width of each head; all heads together are num_heads times as wide.": (
                one_head
            ),
            "You counted multiplications and additions apart; a multiply-add is one of each.": (
                2 * macs()
            ),
        }

    compare(answer, right, wrong, draw)
    return "blocks of 3 random sizes"


@exercise
def check_create_pyramid(answer):
    """Check `create_pyramid(config, token_learners)`, a Keras model (notebook 04).

    `token_learners` says after which block how many tokens remain. With one of them it must be the
    network of `build_vit`; with two, each block must read the right number of tokens.
    """
    config = ViTConfig.light(num_tokens=3).replace(
        patch_size=8,
        projection_dim=8,
        num_layers=4,
        num_heads=2,
        key_dim=4,
        mlp_units=(12, 8),
        dropout_rate=0.4,
        token_learner_after=1,
    )
    _compare_blocks(_model(answer, config, {1: 9, 2: 4}), [16, 16, 9, 4])
    one = _model(answer, config, {1: 3})
    _compare_blocks(one, [16, 16, 3, 3])
    _compare_predictions(one, build_vit(config))
    return "the place of two TokenLearners, and build_vit's predictions with one"


def _model(answer, *arguments):
    model = answer(*arguments)
    if not isinstance(model, keras.Model) or not model.inputs:
        raise CheckError(
            "create_pyramid must return a Keras model that was made from its input and its output."
        )
    return model


def _compare_blocks(model, expected):
    """Raise a CheckError unless the model's blocks read so many tokens."""
    blocks = [layer for layer in model.layers if isinstance(layer, TransformerBlock)]
    read = [block.input.shape[1] for block in blocks]
    if read == expected:
        return
    for shifted, where in (
        ([*expected[1:], expected[-1]], "early"),
        ([expected[0], *expected[:-1]], "late"),
    ):
        if read == shifted:
            raise CheckError(
                f"Off by one: your TokenLearners stand one block too {where}. {{1: 9}} puts one "
                "after the block with index 1, the second."
            )
    raise CheckError(f"Your blocks read {read} tokens, but they must read {expected}.")


def _compare_predictions(model, reference):
    """Raise a CheckError unless the model predicts what the reference does with its weights."""
    shapes, expected = ([w.shape for w in each.weights] for each in (model, reference))
    if shapes != expected:
        raise CheckError(
            f"With one TokenLearner your network has other weights than create_vit's "
            f"({model.count_params():,} parameters in place of {reference.count_params():,}): "
            "compare their layers."
        )
    model.set_weights(reference.get_weights())
    size = reference.input.shape[1]
    images = np.random.default_rng(0).uniform(0, 255, (4, size, size, 3)).astype("float32")
    once, again, right = (to_numpy(each(images)) for each in (model, model, reference))
    if not np.allclose(once, again, atol=1e-6):
        raise CheckError(
            "Dropout at inference: two calls on the same images give different predictions; do "
            "not pass `training=True` when you build."
        )
    if not np.allclose(once, right, atol=1e-5):
        raise CheckError(
            "Layers and places are right, but with build_vit's weights the predictions are not "
            "its own: check `pooling`, `activate_last` and the mean over tokens."
        )
