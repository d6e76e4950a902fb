"""The benchmark's networks: a short one of each kind builds and works; no times here."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils.analysis.cost import model_cost

pytest.importorskip("tensorflow")
pytest.importorskip("resource", reason="Windows does not tell a process's peak memory so")

from tokens_at_224 import REDUCERS, build_vit_at_224


@pytest.mark.parametrize("kind", REDUCERS)
def test_the_blocks_behind_the_layer_see_only_its_tokens(kind):
    model = build_vit_at_224(REDUCERS[kind](8), after=1, depth=3)
    blocks = [layer for layer in model.layers if "transformer_block" in layer.name]
    assert [block.output.shape[1] for block in blocks] == [196, 8, 8]
    probabilities = convert_to_numpy(model(np.zeros((2, 224, 224, 3), "float32")))
    assert probabilities.shape == (2, 1000)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_whole_network_is_a_vit_ti_16_with_mean_pooling():
    """5.7 million parameters and 1.25 billion multiply-adds, as published for ViT-Ti/16."""
    cost = model_cost(build_vit_at_224())
    assert round(cost.params / 1e6, 1) == 5.7
    assert 1.2e9 < cost.macs < 1.3e9
