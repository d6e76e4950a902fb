"""The walk from the published network to modern(), on a few images."""

from dataclasses import asdict
from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers
from test_loop import At, interrupt

from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.data.datasets import load_shapes10
from tlvit_utils.training import walk
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.training.walk import WALK, Step, run_step
from tlvit_utils.vit import ViTConfig, build_vit

TINY = ViTConfig.modern(2).replace(
    convolutions=((8, 4), (8, 2)), patch_size=8, projection_dim=8, num_layers=2, mlp_units=(8, 8)
)


SIZES = {"train_images": 48, "validation_images": 16, "epochs": 2}


def fields(step):
    return {**asdict(step.config), **asdict(step.recipe), "adapt": step.adapt}


def different(one, other):
    return {name for name, value in fields(one).items() if value != fields(other)[name]}


def test_the_walk_leads_from_the_published_form_to_modern():
    assert fields(WALK[0]) == fields(Step("", ViTConfig.published(8), Recipe.published(5)))
    assert fields(WALK[-1]) == fields(Step("", ViTConfig.modern(8), Recipe.modern(5)))


def test_each_step_changes_something_and_undoes_nothing():
    begin, end, changed = fields(WALK[0]), fields(WALK[-1]), set()
    for before, after in pairwise(WALK):
        new = different(before, after)
        assert new and not new & (changed - {"adapt"})
        changed |= new
    assert changed - {"adapt"} == {name for name in begin if begin[name] != end[name]}


def test_without_batch_norm_nothing_else_is_missing():
    model = build_vit(TINY)
    copy = walk.without_batch_norm(model)
    norms = [each for each in model.layers if isinstance(each, layers.BatchNormalization)]
    assert len(norms) == 2
    assert not [each for each in copy.layers if isinstance(each, layers.BatchNormalization)]
    assert copy.count_params() == model.count_params() - 2 * 4 * 8
    assert model_cost(copy).macs == model_cost(model).macs
    assert copy(np.zeros((1, 32, 32, 3))).shape == (1, 10)


@pytest.fixture(scope="module")
def dataset():
    return load_shapes10(sizes=(64, 32, 16))


def linear(model):
    """Take the place of the network with one that compiles in a second."""
    network = [keras.Input(model.input_shape[1:]), layers.Flatten(), layers.Dense(10, "softmax")]
    return keras.Sequential(network)


def test_run_step_trains_on_the_first_images_with_the_given_seed(dataset):
    step = Step("tiny", TINY, Recipe(5, batch_size=16), linear)
    row = run_step(step, dataset, **SIZES)
    other = run_step(step, dataset, **SIZES, seed=1)
    assert len(row["history"]["loss"]) == 2
    assert row["val_accuracy"] == row["history"]["val_accuracy"][-1]
    assert row["val_accuracy"] * 16 % 1 == 0  # of 16 images
    assert row["right"].shape == (16,) and row["right"].dtype == bool
    assert row["multiply_adds"] == 32 * 32 * 3 * 10
    assert row["parameters"] == 32 * 32 * 3 * 10 + 10
    assert row["history"]["loss"] != other["history"]["loss"]


def test_an_unfinished_step_has_no_row(dataset):
    step = Step("tiny", TINY, Recipe(5, batch_size=16), linear)
    with pytest.raises(KeyboardInterrupt):
        run_step(step, dataset, **SIZES, callbacks=[At(1, 0, interrupt)])
