"""How to train: recipes, and the loss and the optimiser that they define (notebook 05)."""

from dataclasses import dataclass, replace
from functools import partial

import keras
from keras import ops

from tlvit_utils._validation import check_count, check_fields, check_number, check_rate


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the published recipe.

    Every field is checked: a ValueError names the one to change.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step.
        learning_rate, weight_decay: of AdamW; the learning rate is its peak.
        warmup_epochs: epochs over which the learning rate rises from 0, linearly.
        cosine_decay: whether it then falls to 0 along half a cosine, or stays constant.
        label_smoothing: share of the target that is spread evenly over all classes, in [0, 1).
        decay_biases_and_norms: whether the weight decay reaches all weights, as published, or only
            the kernels of Dense layers, attention and convolutions.
        seed: seed of the shuffling. Weights and augmentation follow `keras.utils.set_random_seed`.
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
        check_fields(
            self,
            learning_rate=partial(check_number, positive=True),
            label_smoothing=check_rate,
            seed=partial(check_count, low=0),
        )
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs is {self.warmup_epochs:g}, but it must be below epochs = "
                f"{self.epochs}."
            )

    @classmethod
    def published(cls, epochs: int = 20) -> "Recipe":
        """Return the recipe of the published example: AdamW at a constant 1e-3, batch 256.

        The example's decay was stronger: TensorFlow Addons' AdamW does not multiply the decay by
        the learning rate, but Keras 3's does (notebook 08 has the run with decay 0.1).
        """
        return cls(epochs=epochs)

    @classmethod
    def modern(cls, epochs: int = 20) -> "Recipe":
        """Return the recipe of the modern model: warm-up to 0.002, then half a cosine to 0."""
        return cls(
            epochs=epochs,
            learning_rate=2e-3,
            weight_decay=0.05,
            warmup_epochs=min(1.0, epochs / 10),
            cosine_decay=True,
            label_smoothing=0.1,
            decay_biases_and_norms=False,
        )

    @classmethod
    def scenes(cls, epochs: int = 12) -> "Recipe":
        """Return the recipe for scenes10: `modern()` with batches of 128."""
        return replace(cls.modern(epochs), batch_size=128)

    def schedule(
        self, steps_per_epoch: int
    ) -> float | keras.optimizers.schedules.LearningRateSchedule:
        """Return the learning rate, or the function of the step that gives it."""
        warmup = round(self.warmup_epochs * steps_per_epoch)
        if not self.cosine_decay and not warmup:
            return self.learning_rate
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else self.learning_rate,
            decay_steps=max(1, self.epochs * steps_per_epoch - warmup),
            warmup_target=self.learning_rate if warmup else None,
            warmup_steps=warmup,
            alpha=0.0 if self.cosine_decay else 1.0,  # 1: it stays where the warm-up ends
        )

    def optimizer(self, steps_per_epoch: int, variables) -> keras.optimizers.Optimizer:
        """Return AdamW with this recipe's learning rate for each step.

        `variables` are the model's trainable variables.

        Keras does not save which variables the decay leaves out: a model that was saved with its
        optimiser and loaded again decays them all. `train` resumes from a file of its own.
        """
        learning_rate = self.schedule(steps_per_epoch)
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
    """Cross-entropy of probabilities `(batch, classes)` with smoothed integer labels `(batch,)`.

    Keras's sparse one does not smooth. Source: Szegedy et al. 2015, "Rethinking the Inception
    architecture", section 7.
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
