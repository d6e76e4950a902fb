"""One network for 1 to 8 tokens: trained with the first few of them, and measured with each number.

    python benchmarks/study.py scenes10 --runs DIR --out FILE.json --methods nested --seeds 0
    python benchmarks/nested.py --runs DIR [--write]    # into assets/results/nested.json

The plan, written before the training: the network is the study's with the weighted mean, and its
recipe, but in training each image keeps its first 1, 2, 4 or 8 tokens, as in Matryoshka
representations (Kusupati et al. 2022, arXiv 2205.13147). Measured on all test images: the accuracy
with the first 1 to 8 tokens, beside that of the shipped network, which always had 8. The question
is what the choice costs at 8 tokens, and what it saves at 1 and 2.
"""

from pathlib import Path

import keras
import numpy as np
from keras import ops

from results import experiment_path, result_parser, save_rows
from tlvit_utils import TokenLearner, ViTConfig, build_vit, load_pretrained
from tlvit_utils.analysis.comparison import pack_bits
from tlvit_utils.analysis.interventions import NetworkParts
from tlvit_utils.analysis.maps import BATCH_SIZE
from tlvit_utils.pretrained import restore_weights
from tlvit_utils.training.runs import DATASETS, run_path
from tlvit_utils.vit import VARIANTS

SHIPPED = "scenes_weighted_mean"


@keras.saving.register_keras_serializable(package="tlvit_utils")
class NestedTokenLearner(TokenLearner):
    """TokenLearner that in training keeps the first 1, 2, 4, … tokens, a number drawn per image.

    It repeats them until there are `num_tokens`, a power of two. Attention and a mean over tokens
    give the same for a set of tokens as for the set several times over, so the blocks behind it
    learn what they would from the first tokens alone, and all images of a batch keep one shape.
    """

    def __init__(self, num_tokens, pooling="weighted_mean", **kwargs):
        super().__init__(num_tokens, pooling, **kwargs)
        if num_tokens & (num_tokens - 1):
            raise ValueError(f"num_tokens is {num_tokens}, but it must be a power of two.")
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, x, return_attention_maps=False, training=False):
        tokens, maps = super().call(x, return_attention_maps=True)
        if training:
            shape, powers = (ops.shape(tokens)[0], 1), self.num_tokens.bit_length()
            draws = keras.random.randint(shape, 0, powers, "int32", seed=self.seed_generator)
            kept = ops.take(2 ** np.arange(powers, dtype="int32"), draws)
            places = ops.arange(self.num_tokens, dtype="int32")[None] % kept  # (batch, num_tokens)
            tokens = ops.take_along_axis(tokens, places[..., None], axis=1)
        return (tokens, maps) if return_attention_maps else tokens


def add_variant() -> None:
    """Let `ViTConfig` take the layer as the variant "nested"."""
    VARIANTS["nested"] = lambda config: NestedTokenLearner(
        config.num_tokens, config.pooling, name="token_learner"
    )


def right_with_first_tokens(model: keras.Model, images, labels) -> np.ndarray:
    """Return which answers are right with the first 1, 2, … tokens, `(num_tokens, N)`."""
    parts, batches = NetworkParts(model), []
    for start in range(0, len(images), BATCH_SIZE):  # all grids together are large
        grid = parts.grid(images[start : start + BATCH_SIZE])
        batches.append(parts.tokens(grid, parts.maps(grid)))
    tokens = np.concatenate(batches)  # (N, num_tokens, dim)
    counts = range(1, tokens.shape[1] + 1)
    said = [parts.predict(tokens[:, :count]).argmax(axis=1) for count in counts]
    return np.stack(said) == labels


def main():
    parser = result_parser(__doc__)
    parser.add_argument("--runs", type=Path, metavar="DIR", required=True, help="study.py's")
    options = parser.parse_args()
    seed = 0
    nested = build_vit(ViTConfig.scenes())
    path = experiment_path("scenes10", "nested", options.runs)
    try:
        restore_weights(nested, run_path(path, seed, ".npz"))
    except (OSError, ValueError) as error:
        parser.error(
            f"{str(error).rstrip('.')}. Train the nested network with study.py scenes10 --runs DIR."
        )
    test = DATASETS["scenes10"]().test
    rows = []
    for name, model in (("nested", nested), (SHIPPED, load_pretrained(SHIPPED))):
        for i, right in enumerate(right_with_first_tokens(model, test.images, test.labels)):
            print(f"{name}, first {i + 1} tokens: {100 * right.mean():.2f} %")
            rows.append(
                {
                    "network": name,
                    "seed": seed,
                    "tokens_kept": i + 1,
                    "accuracy": float(right.mean()),
                    "right": pack_bits(right),
                }
            )
    if options.write:
        save_rows("nested", rows)


if __name__ == "__main__":
    main()
