"""Callbacks of a training: stop on NaN, keep the best weights, keep what is needed to resume."""

import json
import math
import os
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tlvit_utils._files import CORRUPT, ensure_room, replacing
from tlvit_utils._validation import differences

FILE_BYTES = 1_000_000  # of a weights file, at most, beside the numbers


class DivergedError(RuntimeError):
    """The loss became NaN or infinite."""


class StopOnNaN(keras.callbacks.Callback):
    """Raise a `DivergedError` at the first step whose loss is NaN or infinite."""

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._check("loss", logs["loss"], batch)

    def on_epoch_end(self, epoch, logs=None):
        self._check("val_loss", logs["val_loss"], self.params["steps"] - 1)

    def _check(self, name, value, batch):
        if math.isfinite(value):
            return
        step = self.epoch * self.params["steps"] + batch
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        kept = "No epoch was completed, so no weights were kept."
        if self.epoch:
            kept = "The checkpoint and the model have the weights of the best epoch."
        raise DivergedError(
            f"The {name} is {value} at step {batch + 1} of epoch {self.epoch + 1}, with a learning "
            f"rate of {float(rate):.3g}. Train again from fresh weights with a lower learning_rate "
            f"or more warmup_epochs. {kept}"
        )


class EpochLog(keras.callbacks.Callback):
    """Append to `history` one number per epoch for each of Keras's logs, and its seconds."""

    def __init__(self, history: dict[str, list[float]]):
        super().__init__()
        self.history = history

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.start
        for name, value in {**logs, "seconds": seconds}.items():
            self.history.setdefault(name, []).append(float(value))


class BestCheckpoint(keras.callbacks.Callback):
    """Keep the weights of the best epoch, by validation accuracy, in a `.weights.h5` file."""

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = Path(path)
        if not self.path.name.endswith(".weights.h5"):
            raise ValueError(f"The checkpoint is called {path}, but must end with .weights.h5.")
        self.best = -1.0

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] <= self.best:
            return
        self.best = logs["val_accuracy"]
        ensure_room(self.path, FILE_BYTES + count_bytes(self.model))  # HDF5 crashes without
        with replacing(self.path) as temporary:
            self.model.save_weights(temporary)


class ResumeFile(keras.callbacks.Callback):
    """Keep, after every epoch, all that the next epoch depends on, in one `.npz` file.

    That is the model's variables (with the states of its random generators), the optimiser's, and
    the history. Keras's own `BackupAndRestore` does not keep the generators' states and can leave
    half a file. `run`, plain JSON, is what a resumed training must have in common.
    """

    def __init__(self, path: str | os.PathLike, run: dict, history: dict[str, list[float]]):
        super().__init__()
        self.path = Path(path)
        self.run = run
        self.history = history

    def restore(self, model: keras.Model) -> float:
        """Restore the compiled model and the history; return the best validation accuracy.

        A ValueError says what differs in the run.
        """
        variables = _state(model)
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                fields = json.loads(str(arrays["fields"]))
                before, history = {**fields["run"]}, {**fields["history"]}
                best = max(history["val_accuracy"])
                values = [arrays[f"arr_{i}"] for i in range(len(arrays.files) - 1)]
        except (*CORRUPT, OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path} is damaged ({error}); delete it to start again."
            ) from error
        changes = list(differences(before, self.run))
        if not changes and [v.shape for v in values] != [v.shape for v in variables]:
            changes = ["the shapes of the weights differ"]
        if changes:
            raise ValueError(
                f"{self.path} belongs to another training: {'; '.join(changes[:3])}. Delete it to "
                "start again, or choose another checkpoint."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.history.update(history)
        return best

    def on_epoch_end(self, epoch, logs=None):
        fields = json.dumps({"run": self.run, "history": self.history})
        state = [_storable(ops.convert_to_numpy(variable)) for variable in _state(self.model)]
        ensure_room(self.path, FILE_BYTES + sum(values.nbytes for values in state))
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, *state, fields=fields)


def count_bytes(model: keras.Model) -> int:
    """Return how many bytes a weights file takes: Keras keeps Adam's two moments in it, too."""
    return 3 * sum(weights.nbytes for weights in model.get_weights())


def _storable(array):
    """Return bfloat16, which an .npz file cannot hold, as float32, and anything else as it is."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _state(model):
    """Return all variables of a compiled model, always in the same order."""
    if not model.optimizer.built:  # a LossScaleOptimizer would make its variables again
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
