"""Training and evaluation: a thin layer over `model.fit` (notebook 05).

From a shell, `python -m tlvit_utils.training --config light --num-tokens 8 --out DIR` trains on
CIFAR-10 and writes the weights and a model card into DIR; this made the weights that ship.
"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tlvit_utils.data import Dataset, check_images, load_cifar10, make_pipeline
from tlvit_utils.files import replacing
from tlvit_utils.pretrained import restore_weights, save_pretrained
from tlvit_utils.progress import ProgressLine
from tlvit_utils.vit import ViTConfig, build_vit


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the published recipe.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step.
        learning_rate: the (highest) learning rate of AdamW.
        weight_decay: decoupled weight decay of AdamW.
        warmup_epochs: epochs over which the learning rate rises from 0; with `cosine_decay`.
        cosine_decay: whether the learning rate falls to 0 along half a cosine; constant if not.
        label_smoothing: share of the target that is spread evenly over all classes, in [0, 1).
        decay_biases_and_norms: whether the weight decay reaches all trainable weights, as in the
            published recipe; if not, only kernels (the matrices of Dense layers, attention and
            convolutions), but no biases, no scales and offsets of norms, no position embeddings.
        seed: seed of the shuffling. Weights and augmentation follow `keras.utils.set_random_seed`.

    Raises:
        ValueError: no epochs, an empty batch, a warm-up as long as the training, or a label
            smoothing outside [0, 1).
    """

    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: float = 0.0
    cosine_decay: bool = False
    label_smoothing: float = 0.0
    decay_biases_and_norms: bool = True
    seed: int = 0

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"epochs is {self.epochs} and batch_size is {self.batch_size}, but both must be "
                "at least 1."
            )
        if not 0 <= self.warmup_epochs < self.epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs}, but it must be at least 0 and below "
                f"epochs = {self.epochs}."
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing is {self.label_smoothing}, but it must be at least 0 and below 1."
            )

    @classmethod
    def published(cls, epochs: int = 20) -> "Recipe":
        """Return the recipe of the published example: AdamW at a constant 1e-3, batch 256."""
        return cls(epochs=epochs)

    @classmethod
    def light(cls, epochs: int = 20) -> "Recipe":
        """Return a recipe for few epochs: batch 128, a short warm-up, then half a cosine to 0."""
        return cls(
            epochs=epochs, batch_size=128, warmup_epochs=min(0.5, epochs / 10), cosine_decay=True
        )

    @classmethod
    def modern(cls, epochs: int = 20) -> "Recipe":
        """Return the recipe of the modern model.

        AdamW with a short warm-up and then half a cosine to 0, weight decay 0.05 on kernels only,
        batch 128, label smoothing 0.1.
        """
        return cls(
            epochs=epochs,
            batch_size=128,
            weight_decay=0.05,
            warmup_epochs=min(1.0, epochs / 10),
            cosine_decay=True,
            label_smoothing=0.1,
            decay_biases_and_norms=False,
        )

    def optimizer(self, steps_per_epoch: int, variables=()) -> keras.optimizers.Optimizer:
        """Return AdamW with this recipe's learning rate for each of its steps.

        Args:
            steps_per_epoch: full batches in the training images.
            variables: the model's trainable variables, from which the weight decay picks.
        """
        learning_rate = self.learning_rate
        if self.cosine_decay:
            warmup = round(self.warmup_epochs * steps_per_epoch)
            learning_rate = keras.optimizers.schedules.CosineDecay(
                initial_learning_rate=0.0 if warmup else self.learning_rate,
                decay_steps=max(1, self.epochs * steps_per_epoch - warmup),
                warmup_target=self.learning_rate if warmup else None,
                warmup_steps=warmup,
            )
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=self.weight_decay)
        if not self.decay_biases_and_norms:
            # by name, as Keras's layers call them: attention's biases have two axes, like a kernel
            others = [v for v in variables if not v.name.endswith("kernel")]
            optimizer.exclude_from_weight_decay(var_list=others)
        return optimizer

    def loss(self) -> keras.losses.Loss:
        """Return the cross-entropy of probabilities with integer labels."""
        if self.label_smoothing:
            return SmoothedCrossentropy(self.label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy()


@keras.saving.register_keras_serializable(package="tlvit_utils")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy with integer labels, smoothed, which Keras's sparse one does not offer.

    Source: Szegedy et al. 2016, "Rethinking the Inception architecture", section 7.

    Args:
        label_smoothing: share of the target that is spread evenly over all classes.

    Call arguments:
        y_true: `(batch,)` or `(batch, 1)`, integers.
        y_pred: `(batch, classes)`, probabilities.
    """

    def __init__(self, label_smoothing, name="smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        classes = y_pred.shape[-1]
        targets = ops.one_hot(ops.reshape(y_true, (-1,)), classes, dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(
            targets, y_pred, label_smoothing=self.label_smoothing
        )

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


class BestCheckpoint(keras.callbacks.Callback):
    """Keep the weights of the epoch with the highest validation accuracy in a file.

    The file is written under a temporary name and renamed, so that an interruption leaves the
    last complete one.

    Args:
        path: where to keep the weights; the name must end with `.weights.h5`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
        if not self.path.name.endswith(".weights.h5"):
            raise ValueError(f"The checkpoint is called {path}, but must end with .weights.h5.")
        self.best = -1.0

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] <= self.best:
            return
        self.best = logs["val_accuracy"]
        with replacing(self.path) as temporary:
            self.model.save_weights(temporary)


def train(
    model: keras.Model,
    dataset: Dataset,
    recipe: Recipe,
    checkpoint: str | os.PathLike,
    callbacks: list[keras.callbacks.Callback] | None = None,
    jit_compile: bool | str = "auto",
) -> dict[str, list[float]]:
    """Train `model`, and leave it with the weights of its best epoch.

    Args:
        model: from `build_vit`, or any model with images in and probabilities out.
        dataset: its `train` split trains, its `validation` split chooses the best epoch.
        recipe: epochs, batch, learning rate.
        checkpoint: file for the best weights, `….weights.h5`. Interrupting keeps it.
        callbacks: more Keras callbacks, such as `progress.ProgressLine`.
        jit_compile: as in `keras.Model.compile`; compiling takes seconds and pays after minutes.

    Returns:
        The history: for each of `loss`, `accuracy`, `val_loss`, `val_accuracy` and `seconds`
        (wall clock of the epoch, validation included) one number per epoch.

    Raises:
        ValueError: fewer training images than one batch, or images of the wrong shape or range.
    """
    images, labels = dataset.train
    if len(labels) < recipe.batch_size:
        raise ValueError(
            f"There are {len(labels)} training images, fewer than one batch of "
            f"{recipe.batch_size}; take more images or a smaller batch_size."
        )
    model.compile(
        recipe.optimizer(len(labels) // recipe.batch_size, model.trainable_variables),
        loss=recipe.loss(),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    clock = _EpochClock()
    history = model.fit(
        make_pipeline(images, labels, recipe.batch_size, shuffle_seed=recipe.seed),
        validation_data=make_pipeline(*dataset.validation, recipe.batch_size),
        epochs=recipe.epochs,
        shuffle=False,  # the pipeline shuffles
        verbose=0,
        callbacks=[clock, BestCheckpoint(checkpoint), *(callbacks or [])],
    ).history
    model.load_weights(checkpoint)
    return {**history, "seconds": clock.seconds}


class _EpochClock(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def evaluate(model: keras.Model, images, labels, batch_size: int = 256) -> dict[str, float]:
    """Return the shares of images whose class is the most probable and among the top five.

    Args:
        images: `(N, 32, 32, 3)`, 0..255.
        labels: `(N,)`, integers.

    Returns:
        `{"top1": …, "top5": …}`, each between 0 and 1.
    """
    probabilities = model.predict(check_images(images), batch_size=batch_size, verbose=0)
    return {f"top{k}": top_k_accuracy(probabilities, labels, k) for k in (1, 5)}


def top_k_accuracy(probabilities, labels, k: int) -> float:
    """Return the share of rows of `probabilities` whose label is among the `k` highest."""
    return float(np.mean(ops.in_top_k(labels, probabilities, k)))


def save_result(path: str | os.PathLike, **facts) -> None:
    """Write the facts of a run as JSON, complete or not at all."""
    facts = {k: asdict(v) if hasattr(v, "__dataclass_fields__") else v for k, v in facts.items()}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Train a model on CIFAR-10 and write its best weights and its model card."""
    parser = argparse.ArgumentParser(prog="tlvit_utils.training", description=main.__doc__)
    parser.add_argument("--config", choices=("light", "published"), default="light")
    parser.add_argument("--num-tokens", type=int, help="none: no TokenLearner")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.npz, NAME.json")
    options = parser.parse_args(arguments)

    tokens = f"{options.num_tokens}_tokens" if options.num_tokens else "no_token_learner"
    name = f"{options.config}_{tokens}"
    if (options.out / f"{name}.json").exists():
        print(f"{options.out} already holds {name}; delete its two files to train it again.")
        return
    config = getattr(ViTConfig, options.config)(options.num_tokens)
    recipe = replace(getattr(Recipe, options.config)(options.epochs), seed=options.seed)
    dataset = load_cifar10()
    keras.utils.set_random_seed(options.seed)
    model = build_vit(config)
    line = ProgressLine(name, len(dataset.train.labels), recipe.batch_size)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / f"{name}.weights.h5"
    history = train(model, dataset, recipe, checkpoint, [line])
    weights = options.out / f"{name}.npz"
    save_pretrained(model, weights)
    restore_weights(model, weights)  # as rounded in the file, so that its accuracy can be repeated
    checkpoint.unlink()
    save_result(
        options.out / f"{name}.json",
        config=config,
        recipe=recipe,
        dataset=dataset.name,
        train_images_sha256=hashlib.sha256(dataset.train.images.tobytes()).hexdigest(),
        test=evaluate(model, *dataset.test),
        history=history,
        images_per_second=line.images_per_second,
        parameters=model.count_params(),
        command=f"python -m tlvit_utils.training {shlex.join(arguments or sys.argv[1:])}",
        machine=f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        versions={
            "python": platform.python_version(),
            "keras": keras.version(),
            "backend": keras.backend.backend(),
        },
    )


if __name__ == "__main__":
    main()
