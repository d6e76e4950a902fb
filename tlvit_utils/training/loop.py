"""Training and evaluation: a thin layer over `model.fit` (notebook 05)."""

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tlvit_utils._files import ensure_room, locked
from tlvit_utils._validation import check_count
from tlvit_utils.analysis.graph import image_size
from tlvit_utils.analysis.maps import BATCH_SIZE, in_batches
from tlvit_utils.data.batches import (
    check_full_batch,
    check_images,
    check_labels,
    make_pipeline,
    sha256,
)
from tlvit_utils.data.datasets import Dataset
from tlvit_utils.session import choose_compute
from tlvit_utils.training.callbacks import (
    FILE_BYTES,
    BestCheckpoint,
    DivergedError,
    EpochLog,
    ResumeFile,
    StopOnNaN,
    count_bytes,
)
from tlvit_utils.training.progress import ProgressLine
from tlvit_utils.training.recipe import Recipe


def train(
    model: keras.Model,
    dataset: Dataset,
    recipe: Recipe,
    checkpoint: str | os.PathLike,
    callbacks: list[keras.callbacks.Callback] | None = None,
    *,
    resume: bool = False,
) -> dict[str, list[float]]:
    """Train `model`, leave it with the weights of its best epoch, and return the history.

    The history has one number per epoch for each of `loss`, `accuracy`, `val_loss`, `val_accuracy`
    and `seconds`. Initial weights and augmentation follow `keras.utils.set_random_seed`, called
    before the model is built; the order of the images follows the recipe's seed. Ctrl-C, or the
    notebook's stop button, ends the training with the best weights so far; in the first epoch the
    `KeyboardInterrupt` is raised, and the model is as it was.

    Args:
        model: from `build_vit`, or any model with images in and probabilities out.
        dataset: its `train` split trains, its `validation` split chooses the best epoch.
        checkpoint: file for the best weights, `….weights.h5`.
        callbacks: further Keras callbacks; by default a `ProgressLine`.
        resume: whether to keep a file `….resume.npz` beside the checkpoint after every epoch, and
            to continue from it if it exists; on a CPU the weights come out the same (on PyTorch
            only without dropout).

    Raises:
        ValueError: images or labels that do not fit the model, too few images, or a file to resume
            from that belongs to another recipe, network or data set.
        DivergedError: the loss became NaN or infinite; the model has the best weights so far.
        OSError: another training writes to `checkpoint`, or there is no room for it.
    """
    (images, labels), validation = _checked(model, dataset, recipe)
    steps_per_epoch = len(labels) // recipe.batch_size
    history = {}
    best = BestCheckpoint(checkpoint)
    run = {"recipe": asdict(recipe), "dataset": dataset.name, "train_images": len(labels)}
    if resume:
        run |= {
            "model": describe_layers(model),
            "backend": keras.backend.backend(),
            "dtype_policy": model.dtype_policy.name,
        }
        data = {"training_data": (images, labels), "validation_data": validation}
        run |= {name: sha256(x, y.astype("int64"))[:16] for name, (x, y) in data.items()}
    prefix = best.path.with_name(best.path.name.removesuffix("weights.h5"))
    resume_file = ResumeFile(f"{prefix}resume.npz", run, history)
    if callbacks is None:
        callbacks = [ProgressLine(model.name, len(labels), recipe.batch_size)]
    callbacks = [
        StopOnNaN(recipe.schedule(steps_per_epoch)),
        best,  # before the log: where an epoch is logged, there are weights
        EpochLog(history),
        *callbacks,
        *([resume_file] if resume else []),  # the last: now the epoch is finished
    ]
    pipeline = partial(make_pipeline, batch_size=recipe.batch_size)
    copies = 4 if resume else 2  # old and new, of the checkpoint and of the file to resume from
    with _alone(prefix, FILE_BYTES + copies * count_bytes(model)):
        compile_model(model, recipe, steps_per_epoch)
        if resume and resume_file.path.exists() and best.path.exists():
            best.best = resume_file.restore(model)
        elif not resume:
            resume_file.path.unlink(missing_ok=True)  # its checkpoint is about to be replaced
        first_epoch = len(history.get("loss", ()))
        batches = pipeline(
            images,
            labels,
            shuffle_seed=recipe.seed,
            first_epoch=first_epoch,
            draw_epoch=dataset.train.epoch if dataset.train.draw else None,
        )
        start = [(each, keras.ops.convert_to_numpy(each)) for each in model.variables]
        try:
            if first_epoch < recipe.epochs:
                model.fit(
                    batches,
                    validation_data=pipeline(*validation),
                    initial_epoch=first_epoch,
                    epochs=recipe.epochs,
                    shuffle=False,  # the pipeline shuffles
                    verbose=0,
                    callbacks=callbacks,
                )
        except KeyboardInterrupt:
            for variable, value in start:  # JAX takes the values away in an epoch's first step
                variable.assign(value)
            if not history:
                raise
            print(f"\nStopped by hand after {len(history['loss'])} of {recipe.epochs} epochs.")
        except DivergedError:
            if history:
                model.load_weights(best.path)
            raise
        model.load_weights(best.path)
    return history


@contextmanager
def _alone(prefix, size):
    """Lock the files whose paths have this prefix, and make sure there is room for them."""
    lock, checkpoint = Path(f"{prefix}lock"), f"{prefix}weights.h5"
    ensure_room(checkpoint, size)
    busy = f"Another training writes {checkpoint}; wait for it, or choose another file."
    with locked(lock, busy, leftovers_of=prefix) as is_held:
        try:
            yield
        finally:
            if is_held:
                with suppress(OSError):  # Windows keeps a file that is open
                    lock.unlink()


def _checked(model, dataset, recipe):
    """Return the images and labels for training, and those for validation."""

    def check(split):
        images = check_images(split.images, image_size(model))
        return images, check_labels(split.labels, images, model.output_shape[-1])

    train, labels = check(dataset.train)
    check_full_batch(labels, recipe.batch_size)
    if not len(dataset.validation.labels):
        raise ValueError("There are no validation images to choose the best epoch by.")
    return (train, labels), check(dataset.validation)


def describe_layers(model: keras.Model) -> dict[str, dict]:
    """Return the configuration of each layer, without names: Keras counts them up in a session."""
    names = ("name", "inbound_nodes", "input_layers", "output_layers", "build_config")

    def without_names(fields):
        return {key: value for key, value in fields.items() if key not in names}

    layers = enumerate(model.layers)
    configs = {f"layer {i} ({type(x).__name__})": x.get_config() for i, x in layers}
    return json.loads(json.dumps(configs, default=str), object_hook=without_names)


def compile_model(model: keras.Model, recipe: Recipe, steps_per_epoch: int) -> None:
    """Give `model` the recipe's optimiser and loss, as `train` does."""
    model.compile(
        recipe.optimizer(steps_per_epoch, model.trainable_variables),
        loss=recipe.loss(),
        metrics=["accuracy"],
        jit_compile=choose_compute().jit_compile,
    )


def evaluate(model: keras.Model, images, labels, batch_size: int = BATCH_SIZE) -> dict:
    """Measure a classifier on images `(N, size, size, 3)`, 0..255, with labels `(N,)` or `(N, 1)`.

    Returns:
        `top1` and `top5`, the shares of images whose class is the most probable and among the top
        five; `confusion`, `(classes, classes)` int64, how many images of each class (row) were
        taken for each class (column); `right`, `(N,)` booleans.
    """
    images = check_images(images, image_size(model))
    labels = check_labels(labels, images, model.output_shape[-1])
    if not len(images):
        raise ValueError("There are no images; give at least one.")
    (probabilities,) = in_batches(model, images, check_count("batch_size", batch_size))
    confusion = np.zeros((probabilities.shape[1],) * 2, "int64")
    answers = probabilities.argmax(axis=1)
    np.add.at(confusion, (labels, answers), 1)
    return {
        "top1": top_k_accuracy(probabilities, labels, 1),
        "top5": top_k_accuracy(probabilities, labels, 5),
        "confusion": confusion,
        "right": answers == labels,
    }


def top_k_accuracy(probabilities, labels, k: int) -> float:
    """Return the share of rows whose label is among the `k` highest; ties go to the first."""
    probabilities = np.asarray(probabilities)  # (images, classes)
    if np.isnan(probabilities).any():
        raise ValueError("A probability is NaN; has the network's training diverged?")
    labels = check_labels(labels, probabilities, probabilities.shape[1])
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, : check_count("k", k)]
    return float((best == labels[:, None]).any(axis=1).mean())
