"""From the published network to `modern()`, one change at a time (notebook 09).

Each step of `WALK` keeps the changes of those before it; each of `ALTERNATIVES` changes one thing
in `modern()`. `benchmarks/walk.py` trains them all.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.data.datasets import Dataset
from tlvit_utils.training.loop import train
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.vit import ViTConfig, build_vit

EPOCHS = 5
TRAIN_IMAGES = 10_000
VALIDATION_IMAGES = 5_000


@dataclass(frozen=True)
class Step:
    """A network and a recipe; `adapt` changes the built model where `ViTConfig` cannot."""

    change: str
    config: ViTConfig
    recipe: Recipe
    adapt: Callable[[keras.Model], keras.Model] | None = None

    def build(self) -> keras.Model:
        """Return the network with fresh weights, those of `keras.utils.set_random_seed`."""
        model = build_vit(self.config)
        return self.adapt(model) if self.adapt else model


class _Nothing(layers.Layer):
    """Takes the place of batch normalisation, and the same arguments."""

    def call(self, x, training=None, mask=None):
        return x


def without_batch_norm(model: keras.Model) -> keras.Model:
    """Return a copy of the network without batch normalisation, with fresh weights."""

    def clone(layer):
        if isinstance(layer, layers.BatchNormalization):
            return _Nothing(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


def small_normal_positions(model: keras.Model) -> keras.Model:
    """Draw the position embedding from N(0, 0.02) in place of Keras's U(-0.05, 0.05)."""
    embedding = model.get_layer("patch_encoder").position_embedding.embeddings
    embedding.assign(keras.random.normal(embedding.shape, stddev=0.02))
    return model


def sin_cos_positions(model: keras.Model) -> keras.Model:
    """Give the positions fixed sines and cosines of row and column, a quarter of the width each."""
    encoder = model.get_layer("patch_encoder")
    side, quarter = round(encoder.num_patches**0.5), encoder.projection_dim // 4
    rows, columns = np.divmod(np.arange(side**2), side)
    frequencies = 10_000.0 ** (-np.arange(quarter) / quarter)
    angles = [place[:, None] * frequencies for place in (rows, columns)]  # each (tokens, quarter)
    values = np.concatenate([f(angle) for angle in angles for f in (np.sin, np.cos)], axis=1)
    encoder.position_embedding.embeddings.assign(ops.cast(values, "float32"))
    encoder.trainable = False
    return model


def _walk() -> tuple[Step, ...]:
    modern = ViTConfig.modern(8)
    changes = (  # what changes, in words, in the network, in the recipe
        ("heads of width 32, not 128", {"key_dim": modern.key_dim}, {}),
        (
            "tokens of width 96, not 128, and 3 heads",
            {"projection_dim": 96, "num_heads": 3, "mlp_units": (192, 96)},
            {},
        ),
        (
            "32 pixels, not 48; 4×4 patches; crops of the image with a border of 4",
            {"resized_size": 32, "padding": 4, "crop_size": 32, "patch_size": 4},
            {},
        ),
        ("no dropout", {"dropout_rate": 0.0}, {}),
        ("the MLP ends linearly, not with GELU", {"activate_last": False}, {}),
        ("TokenLearner after the 1st block, not the 3rd", {"token_learner_after": 0}, {}),
        ("tokens are sums, not means", {"pooling": "sum"}, {}),
        (
            "learning rate: warm-up to 0.002, then half a cosine",
            {},
            {"learning_rate": 2e-3, "cosine_decay": True, "warmup_epochs": 0.5},
        ),
        (
            "weight decay 0.05 on kernels, not 0.0001 on everything",
            {},
            {"weight_decay": 0.05, "decay_biases_and_norms": False},
        ),
        ("label smoothing 0.1", {}, {"label_smoothing": 0.1}),
        ("colours standardised", {"standardize": True}, {}),
        ("four convolutions in place of patches", {"convolutions": modern.convolutions}, {}),
    )
    steps = [Step("the published network and recipe", ViTConfig.published(8), Recipe(EPOCHS))]
    for change, in_config, in_recipe in changes:
        last = steps[-1]
        config, recipe = last.config.replace(**in_config), replace(last.recipe, **in_recipe)
        steps.append(Step(change, config, recipe))
    last = steps[-1]
    steps[-1] = replace(last, adapt=without_batch_norm)
    return (*steps, replace(last, change="batch normalisation after each convolution"))


def _alternatives() -> tuple[Step, ...]:
    modern, recipe = ViTConfig.modern(8), Recipe.modern(EPOCHS)
    deeper = ((24, 1), (48, 2), (48, 1), (96, 2), (96, 1), (96, 1))

    def other(change, adapt=None, in_recipe=None, **in_config):
        changed = replace(recipe, **(in_recipe or {}))
        return Step(change, modern.replace(**in_config), changed, adapt)

    return (
        other("no TokenLearner", num_tokens=None),
        other("TokenLearner v1.1", variant="v1.1"),
        other("4 tokens, not 8", num_tokens=4),
        other("TokenLearner after the 2nd block", token_learner_after=1),
        other("TokenLearner after the 3rd block", token_learner_after=2),
        other("tokens are means again", pooling="mean"),
        other("the MLP ends with GELU again", activate_last=True),
        other("three blocks, not four", num_layers=3),
        other("six convolutions, not four", convolutions=deeper),
        other("dropout 0.1 again", dropout_rate=0.1),
        other("positions drawn from N(0, 0.02)", small_normal_positions),
        other("fixed sine and cosine positions", sin_cos_positions),
        other("the published weight decay", in_recipe={"weight_decay": 1e-4}),
        other("learning rate 0.001", in_recipe={"learning_rate": 1e-3}),
        other("batches of 128, not 256", in_recipe={"batch_size": 128}),
        other("no label smoothing", in_recipe={"label_smoothing": 0.0}),
    )


WALK = _walk()
ALTERNATIVES = _alternatives()


def run_step(
    step: Step,
    dataset: Dataset,
    *,
    train_images: int = TRAIN_IMAGES,
    validation_images: int = VALIDATION_IMAGES,
    epochs: int = EPOCHS,
    seed: int = 0,
    callbacks: list[keras.callbacks.Callback] | None = None,
) -> dict:
    """Train a step's network on the first images of the data; a shorter schedule is compressed.

    Returns:
        `change`, `parameters`, `multiply_adds` (per image, in inference), `history` as `train`
        returns it, `val_accuracy` after the last epoch, `seconds` for all epochs, and `right`:
        `(N,)`, which of all test images the best epoch's network gets right.
    """
    keras.utils.set_random_seed(seed)
    model = step.build()
    cost = model_cost(build_vit(step.config))
    recipe = replace(step.recipe, epochs=epochs, seed=seed)
    subset = dataset.take(train_images, validation_images, len(dataset.test.labels))
    with tempfile.TemporaryDirectory() as folder:
        history = train(model, subset, recipe, Path(folder) / "best.weights.h5", callbacks)
    images, labels = dataset.test
    return {
        "change": step.change,
        "parameters": model.count_params(),
        "multiply_adds": cost.macs,
        "val_accuracy": history["val_accuracy"][-1],
        "seconds": sum(history["seconds"]),
        "history": history,
        "right": model.predict(images, batch_size=256, verbose=0).argmax(axis=1) == labels,
    }
