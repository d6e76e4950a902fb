"""Does it help to divide each map by its own sum, and why? Two layers that each do half of it.

The weighted mean differs from the sum in two ways. Forwards, a token has the length of a cell,
however much its map is open. Backwards, cells compete: what one gains in weight the others lose.
Each layer here has one of the two and not the other, so that with the sum and the weighted mean
there are four. `benchmarks/study.py` trains them if asked; `docs/RESULTS.md` has what came out.
"""

import keras
from keras import ops

from tlvit_utils import TokenLearner
from tlvit_utils.token_learner import SUM_EPSILON
from tlvit_utils.vit import VARIANTS


def _sums(maps):
    """Return each map's sum, `(batch, num_tokens, 1)`, as a constant for the gradient."""
    return ops.stop_gradient(ops.sum(maps, axis=(2, 3))[..., None] + SUM_EPSILON)


@keras.saving.register_keras_serializable(package="tlvit_utils")
class DividedSum(TokenLearner):
    """Forwards the weighted mean; backwards the sum over a constant: no cell competes."""

    def __init__(self, num_tokens, pooling="sum", **kwargs):
        super().__init__(num_tokens, pooling, **kwargs)

    def call(self, x, return_attention_maps=False):
        tokens, maps = super().call(x, return_attention_maps=True)
        tokens = tokens / _sums(maps)
        return (tokens, maps) if return_attention_maps else tokens


@keras.saving.register_keras_serializable(package="tlvit_utils")
class CompetingSum(TokenLearner):
    """Forwards the sum; backwards the weighted mean times a constant: the cells compete."""

    def __init__(self, num_tokens, pooling="weighted_mean", **kwargs):
        super().__init__(num_tokens, pooling, **kwargs)

    def call(self, x, return_attention_maps=False):
        tokens, maps = super().call(x, return_attention_maps=True)
        tokens = tokens * _sums(maps)
        return (tokens, maps) if return_attention_maps else tokens


def add_variants() -> None:
    """Let `ViTConfig` take the two layers as variants "divided" and "competing"."""
    for name, layer in (("divided", DividedSum), ("competing", CompetingSum)):
        VARIANTS[name] = lambda config, layer=layer: layer(config.num_tokens, name="token_learner")
