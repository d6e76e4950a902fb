"""Train a network on one GPU from several seeds, as `python -m tlvit_utils` would, sooner.

The networks are so small that with `fit` a GPU mostly waits for Python. Here all images lie on the
device, and an epoch, validation included, is one compiled program; JAX is needed. Network, recipe,
order of the images and choice of the best epoch are those of `training.train`, and a test compares
the two.

    KERAS_BACKEND=jax python benchmarks/on_gpu.py --num-tokens 8 --seeds 0 1 2 --out DIR

Each seed adds its results to the EXPERIMENT.json of that command; with `--weights` it leaves its
weights and, with TokenLearner, its maps too. What is there is not trained again. On an H200
compiling took over a minute, and then each seed 5 to 20 seconds: give all seeds of a network to one
call, and other networks to calls beside it. (JAX multiplies float32 in TF32 on such a GPU, so
elsewhere the test accuracy of the weights may differ in the fourth digit.)
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from tlvit_utils import build_vit
from tlvit_utils._validation import parse_seed
from tlvit_utils.analysis.epoch_maps import RecordMaps
from tlvit_utils.data import Dataset, shuffled_order
from tlvit_utils.session import choose_compute
from tlvit_utils.training import Recipe
from tlvit_utils.training.runs import (
    DATASETS,
    add_options,
    check_same_experiment,
    configure,
    describe_experiment,
    experiment_name,
    has_run,
    run_path,
    save_run,
    shown_command,
)

with suppress(ModuleNotFoundError):  # without JAX, `main` can still give help
    import jax
    from jax import lax
    from jax import numpy as jnp

VALIDATION_BATCH = 1000


class DeviceTraining:
    """The training of one network with one recipe, compiled once for all seeds.

    Args:
        build_model: builds the network, with fresh weights, which follow from Keras's seed.
        recipe: the training; its seed does not count.
        dataset: its training images must be at least one batch, its validation images a multiple
            of `VALIDATION_BATCH`.
    """

    def __init__(self, build_model: Callable[[], keras.Model], recipe: Recipe, dataset: Dataset):
        if dataset.train.draw:
            raise ValueError(
                f"{dataset.name} has new images in every epoch, which this program cannot draw; "
                "use python -m tlvit_utils."
            )
        self.build_model, self.recipe = build_model, recipe
        self.model = build_model()
        self.variables = (self.model.trainable_variables, self.model.non_trainable_variables)
        self.num_images = len(dataset.train.labels)
        self.steps = self.num_images // recipe.batch_size
        self.optimizer = recipe.optimizer(self.steps, self.model.trainable_variables)
        self.optimizer.build(self.model.trainable_variables)
        self.loss = recipe.loss()
        self.train_data = tuple(map(jnp.asarray, dataset.train))
        self.validation_data = tuple(
            jnp.asarray(array).reshape(-1, VALIDATION_BATCH, *array.shape[1:])
            for array in dataset.validation
        )
        self.epoch = jax.jit(self._epoch)

    def _measure(self, trainable, others, images, labels, training):
        """Return the loss, and with it the accuracy and the new values of what is not trained."""
        probabilities, others = self.model.stateless_call(
            trainable, others, images.astype("float32"), training=training
        )
        accuracy = jnp.mean(probabilities.argmax(axis=-1) == labels)
        return self.loss(labels, probabilities), (accuracy, others)

    def _step(self, state, rows):
        trainable, others, optimizer = state
        images, labels = (array[rows] for array in self.train_data)
        gradient = jax.value_and_grad(self._measure, has_aux=True)
        (loss, (accuracy, others)), gradients = gradient(trainable, others, images, labels, True)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        return (trainable, others, optimizer), (loss, accuracy)

    def _epoch(self, state, order):
        """Return the state after one pass over the images, and the epoch's four numbers."""
        state, trained = lax.scan(self._step, state, order)  # order: (steps, batch)

        def validate(batch):
            loss, (accuracy, _) = self._measure(*state[:2], *batch, False)
            return loss, accuracy

        validated = lax.map(validate, self.validation_data)
        return state, [jnp.mean(values) for values in (*trained, *validated)]

    def _order(self, seed, epoch):
        order = shuffled_order(self.num_images, seed, epoch)
        return order[: self.steps * self.recipe.batch_size].reshape(self.steps, -1)

    def _give_model(self, weights):
        for variables, values in zip(self.variables, weights, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def run(self, seed: int, after_epoch=None) -> dict[str, list[float]]:
        """Train from the weights of `seed`, and leave `model` with those of the best epoch.

        Args:
            after_epoch: called after each epoch with its index and its validation accuracy, while
                the model has the weights of that epoch.

        Returns:
            The history, as `training.train` returns it.

        Raises:
            FloatingPointError: the loss became NaN or infinite.
        """
        keras.utils.set_random_seed(seed)
        fresh = self.build_model()
        weights = (fresh.trainable_variables, fresh.non_trainable_variables)
        state = tuple(
            [variable.value for variable in variables]
            for variables in (*weights, self.optimizer.variables)
        )
        names = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")
        history = {name: [] for name in names}
        for epoch in range(self.recipe.epochs):
            start = time.perf_counter()
            state, numbers = self.epoch(state, self._order(seed, epoch))
            numbers = [*map(float, numbers), time.perf_counter() - start]
            if not np.isfinite(numbers).all():
                raise FloatingPointError(f"The loss became {numbers[0]} in epoch {epoch + 1}.")
            for name, number in zip(names, numbers, strict=True):
                history[name].append(number)
            val_accuracy = history["val_accuracy"]
            if val_accuracy[-1] > max(val_accuracy[:-1], default=-1.0):
                best = state[:2]
            if after_epoch is not None:
                self._give_model(state[:2])
                after_epoch(epoch, val_accuracy[-1])
        self._give_model(best)
        return history


def record_maps(path, dataset, model):
    """Return an `after_epoch` that keeps the maps of 24 test images, as the command does."""
    recorder = RecordMaps(path, dataset)
    recorder.set_model(model)
    return lambda epoch, accuracy: recorder.on_epoch_end(epoch, {"val_accuracy": accuracy})


def require_jax(parser):
    """End the program on another backend than JAX."""
    if keras.backend.backend() != "jax":
        parser.error("This needs JAX: set KERAS_BACKEND=jax.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--seeds", type=parse_seed, nargs="+", default=[0])
    parser.add_argument("--weights", action="store_true", help="keep weights and maps, too")
    options = parser.parse_args()
    require_jax(parser)
    config, recipe = configure(parser, options)
    path = options.out / f"{experiment_name(options)}.json"
    seeds = [seed for seed in options.seeds if not has_run(path, seed)]
    if not seeds:
        return
    dataset = DATASETS[options.dataset]()
    compute = choose_compute()
    print(compute, flush=True)
    if compute.dtype_policy == "mixed_float16":
        sys.exit("Float16 needs a scaled loss, which this program does not have; use the command.")
    keras.config.set_dtype_policy("float32")  # in which accuracies are published
    in_float32 = build_vit(config)
    keras.config.set_dtype_policy(compute.dtype_policy)
    try:
        check_same_experiment(path, describe_experiment(config, recipe, dataset))
        training = DeviceTraining(partial(build_vit, config), recipe, dataset)
    except ValueError as error:
        sys.exit(str(error))
    for seed in seeds:
        after_epoch = None
        if options.weights and config.has_maps:
            after_epoch = record_maps(run_path(path, seed, ".maps.npz"), dataset, training.model)
        history = training.run(seed, after_epoch)
        run = save_run(
            path,
            training.model,
            in_float32,
            config,
            replace(recipe, seed=seed),
            dataset,
            history,
            compute=compute,
            command=shown_command("benchmarks/on_gpu.py", sys.argv[1:]),
        )
        weights = run_path(path, seed, ".npz")
        seconds = sum(history["seconds"])
        print(f"{weights.stem}: test {run['test']['top1']:.2%}, {seconds:.1f} s", flush=True)
        if not options.weights:
            weights.unlink()


if __name__ == "__main__":
    main()
