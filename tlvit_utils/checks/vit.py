"""Checks for notebook 04: the network that the learner builds, and the exercises."""

from collections import Counter
from functools import partial

import keras
import numpy as np
from keras import layers, ops

from tlvit_utils.blocks import TransformerBlock
from tlvit_utils.checks.answers import CheckError, compare, exercise, sizes, to_numpy
from tlvit_utils.token_learner import TokenLearner
from tlvit_utils.vit import ViTConfig, build_vit

SMALL = ViTConfig.modern(num_tokens=3).replace(
    standardize=False,
    convolutions=(),
    patch_size=8,
    projection_dim=8,
    num_layers=4,
    num_heads=2,
    key_dim=4,
    mlp_units=(12, 8),
    dropout_rate=0.4,
    token_learner_after=1,
)


@exercise(ours=build_vit)
def check_build_vit(answer):
    """Check `build_vit(config)` on a small network, with the package's weights."""
    none = _model(answer, SMALL.replace(num_tokens=None))
    if any(isinstance(layer, TokenLearner) for layer in none.layers):
        raise CheckError("With num_tokens=None there must be no TokenLearner.")
    _compare_blocks(none, [16, 16, 16, 16])
    model, reference = _model(answer, SMALL), build_vit(SMALL)
    _compare_blocks(model, [16, 16, 3, 3])
    _compare_configs(model, reference)
    _compare_predictions(model, reference)
    _compare_names(model)


@exercise
def check_tokens_read(answer):
    """Check `tokens_read(num_layers, num_patches, num_tokens, after)`, a list."""

    def draw(rng):
        num_layers = int(rng.integers(5, 10))
        num_tokens, num_patches = sorted(sizes(rng, 2, high=80))
        return num_layers, num_patches, num_tokens, int(rng.integers(1, num_layers - 2))

    def right(num_layers, num_patches, num_tokens, after):
        return np.where(np.arange(num_layers) > after, num_tokens, num_patches)

    def wrong(num_layers, num_patches, num_tokens, after):
        early, late = (right(num_layers, num_patches, num_tokens, after + i) for i in (-1, 1))
        return {
            "Off by one: block `after` still reads all patches.": early,
            "Off by one: blocks count from 0.": late,
            "These are the tokens before the first block and after each one; give those that each "
            "block reads.": np.append(num_patches, early),
        }

    compare(answer, right, wrong, draw, small=(4, 64, 4, 2))


@exercise
def check_block_macs(answer):
    """Check `block_macs(num_tokens, dim, num_heads, key_dim, hidden)`, a number."""

    def draw(rng):
        return tuple(sizes(rng, 5, low=3, high=40))

    def right(num_tokens, dim, num_heads, key_dim, hidden, projections=4, products=2, dense=2):
        inner = num_heads * key_dim
        attention = projections * num_tokens * dim * inner + products * num_tokens**2 * inner
        return attention + dense * num_tokens * dim * hidden

    def wrong(num_tokens, dim, num_heads, key_dim, hidden):
        macs = partial(right, num_tokens, dim, num_heads, key_dim, hidden)
        return {
            "Attention is missing, as in the published count.": macs(projections=0, products=0),
            "Products between tokens need no weights, but they take work.": macs(products=0),
            "There are two products: the scores and the weighted sum.": macs(products=1),
            "You counted three projections; the output matrix is the fourth.": macs(projections=3),
            "The MLP has two Dense layers.": macs(dense=1),
            "key_dim is the width of a single head.": right(num_tokens, dim, 1, key_dim, hidden),
            "A multiply-add is one multiplication and one addition.": 2 * macs(),
        }

    compare(answer, right, wrong, draw, small=(2, 3, 2, 1, 4))


@exercise
def check_create_pyramid(answer):
    """Check `create_pyramid(config, token_learners)`: after which block how many tokens remain."""
    _compare_blocks(_model(answer, SMALL, {1: 9, 2: 4}), [16, 16, 9, 4])
    one = _model(answer, SMALL, {1: 3})
    _compare_blocks(one, [16, 16, 3, 3])
    _compare_predictions(one, build_vit(SMALL))


def _model(answer, *arguments):
    try:
        model = answer(*arguments)
    except CheckError as error:
        if _passed_on_maps(error.__cause__):
            raise CheckError(
                "TokenLearner returned two things, the tokens and the maps, and the next layer got "
                "both at once. Unpack them: `x, maps = …`."
            ) from error
        error.details.pop("called with", None)  # a long config
        raise
    if not isinstance(model, keras.Model) or not model.inputs:
        raise CheckError("Return a Keras model, made from its input and its output.")
    return model


def _passed_on_maps(error):
    """Return whether the pair (tokens, maps) was somewhere on the way to an error."""
    trace = getattr(error, "__traceback__", None)
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, tuple | list) and [
                len(each.shape) for each in value if isinstance(each, keras.KerasTensor)
            ] == [3, 4]:
                return True
        trace = trace.tb_next
    return False


def _blocks(model):
    return [layer for layer in model.layers if isinstance(layer, TransformerBlock)]


def _compare_blocks(model, expected):
    """Raise a CheckError unless the model's blocks read as many tokens as expected."""
    read = [block.input.shape[1] for block in _blocks(model)]
    if read == expected:
        return
    details = {"expected": f"blocks that read {expected} tokens", "got": f"{read}"}
    early, late = [*expected[1:], expected[-1]], [expected[0], *expected[:-1]]
    if read in (early, late):
        where = "early" if read == early else "late"
        raise CheckError(
            f"Off by one: your TokenLearner is one block too {where}. The block whose index is "
            "given still reads all tokens; the next one reads the few.",
            details,
        )
    raise CheckError("Your blocks do not read the right numbers of tokens.", details)


def _compare_configs(model, reference):
    """Raise a CheckError unless blocks, TokenLearner and norm have the reference's settings."""
    for kind in (TransformerBlock, TokenLearner, layers.LayerNormalization):
        (right, *_), found = (
            [layer.get_config() for layer in each.layers if isinstance(layer, kind)]
            for each in (reference, model)
        )
        for each in found:
            for setting in right.keys() - {"name", "dtype"}:
                if each[setting] != right[setting]:
                    raise CheckError(
                        f"Your {kind.__name__} has {setting}={each[setting]}, but it must have "
                        f"{right[setting]}."
                    )


def _compare_names(model):
    """Raise a CheckError unless later cells find blocks, maps and norm by their names."""
    names = {layer.name for layer in model.layers}
    for name in (*(f"block_{i}" for i in range(SMALL.num_layers)), "token_learner", "norm"):
        if name not in names:
            raise CheckError(f"No layer has the name {name!r}, by which later cells find it.")
    if not isinstance(model.get_layer("token_learner").output, tuple | list):
        raise CheckError(
            "Ask TokenLearner for its maps as well, with `return_attention_maps=True`: later "
            "cells draw them."
        )


def _compare_predictions(model, reference):
    """Raise a CheckError unless the model predicts what the reference does with its weights."""
    _compare_weights(model, reference)
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.5, weight.shape) for weight in reference.weights]
    reference.set_weights(weights)
    model.set_weights(weights)
    size = reference.input.shape[1]
    images = rng.uniform(0, 255, (4, size, size, 3)).astype("float32")
    once, again, right = (to_numpy(each(images)) for each in (model, model, reference))
    if not np.allclose(once, again, atol=1e-6):
        raise CheckError(
            "Dropout at inference: two calls on the same images give different predictions; do "
            "not pass `training=True` when you build."
        )
    if np.allclose(once, right, atol=1e-5):
        return
    for sentence, predictions in _wrong_heads(reference, images).items():
        if np.allclose(once, predictions, atol=1e-5):
            raise CheckError(sentence)
    raise CheckError(
        "Layers and order are right, but with the package's weights the predictions differ from "
        "its own: check `pooling`, `activate_last` and the mean over tokens."
    )


def _compare_weights(model, reference):
    expected, got = (Counter(tuple(w.shape) for w in x.weights) for x in (reference, model))
    if got == expected:
        return
    _, tokens, dim = reference.get_layer("patch_encoder").output.shape
    classes = reference.output.shape[-1]
    missing = expected - got
    if missing == {(dim,): 2} and not got - expected:
        raise CheckError("The LayerNormalization before the mean is missing.")
    if missing == {(tokens, dim): 1} and not got - expected:
        raise CheckError("The positions are missing: PatchEncoder comes before the blocks.")
    if missing == {(dim, classes): 1}:
        raise CheckError(
            "The classes read all tokens side by side. Take the mean over the tokens first, so "
            "that nothing depends on their number."
        )
    raise CheckError(
        f"Your network's weights differ from the package's ({model.count_params():,} parameters "
        f"instead of {reference.count_params():,}): compare their layers."
    )


def _wrong_heads(reference, images):
    """Return what the reference predicts with a mistake after its last block, by sentence."""
    last = _blocks(reference)[-1]
    x = keras.Model(reference.input, last.output)(images)  # (batch, tokens, dim)
    norm, classes = (reference.get_layer(name) for name in ("norm", "classes"))
    heads = {
        "The mean comes after the LayerNormalization, not before it.": norm(ops.mean(x, axis=1)),
        "This is the maximum over the tokens; take the mean.": ops.max(norm(x), axis=1),
        "This is the sum over the tokens; take the mean.": ops.sum(norm(x), axis=1),
        "You read one token; take the mean of all.": norm(x)[:, 0],
    }
    return {sentence: to_numpy(classes(head)) for sentence, head in heads.items()}
