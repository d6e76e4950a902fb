"""From the published network to `modern()`, one change at a time (notebook 09).

Each step of `WALK` keeps the changes of those before it. `benchmarks/walk.py` trains them all, and
alternatives that change one thing in `modern()`.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
from keras import layers

from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.data.datasets import Dataset
from tlvit_utils.training.loop import evaluate, train
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.vit import ViTConfig, build_vit

EPOCHS = 5


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


class _Identity(layers.Layer):
    """Takes the place of batch normalisation, and the same arguments."""

    def call(self, x, training=None, mask=None):
        return keras.ops.copy(x)  # Keras 3.10 sees no graph in a layer that returns its input


def without_batch_norm(model: keras.Model) -> keras.Model:
    """Return a copy of the network without batch normalisation, with fresh weights."""

    def clone(layer):
        if isinstance(layer, layers.BatchNormalization):
            return _Identity(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


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


WALK = _walk()


def run_step(
    step: Step,
    dataset: Dataset,
    *,
    train_images: int,
    validation_images: int,
    epochs: int,
    seed: int = 0,
    callbacks: list[keras.callbacks.Callback] | None = None,
) -> dict:
    """Train a step's network on the first images of the data; the schedule fits the epochs.

    Returns:
        `change`, `parameters`, `multiply_adds` (per image, in inference), `history` as `train`
        returns it, `val_accuracy` after the last epoch, `seconds` for all epochs, and `right`:
        `(N,)`, which of all test images the best epoch's network gets right. Where `train` would
        return an unfinished training, this raises KeyboardInterrupt.
    """
    keras.utils.set_random_seed(seed)
    model = step.build()
    recipe = replace(step.recipe, epochs=epochs, seed=seed)
    subset = dataset.take(train_images, validation_images, len(dataset.test.labels))
    with tempfile.TemporaryDirectory() as folder:
        history = train(model, subset, recipe, Path(folder) / "best.weights.h5", callbacks)
    if len(history["loss"]) < epochs:  # stopped by hand, which `train` survives
        raise KeyboardInterrupt
    return {
        "change": step.change,
        "parameters": model.count_params(),
        "multiply_adds": model_cost(model).macs,
        "val_accuracy": history["val_accuracy"][-1],
        "seconds": sum(history["seconds"]),
        "history": history,
        "right": evaluate(model, *dataset.test)["right"],
    }
