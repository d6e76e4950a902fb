import json
import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import RandomCropFlip
from tlvit_utils._files import locked
from tlvit_utils.data.datasets import Dataset, Split
from tlvit_utils.training.callbacks import DivergedError
from tlvit_utils.training.loop import evaluate, top_k_accuracy, train
from tlvit_utils.training.recipe import Recipe


class At(keras.callbacks.Callback):
    """Calls a function before one step of one epoch, both counted from 0."""

    def __init__(self, epoch, step, function):
        super().__init__()
        self.place, self.function = (epoch, step), function

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            self.function()


def interrupt():
    raise KeyboardInterrupt


def build_model(dropout_rate=0.1, size=32, classes_name="classes"):
    """A network that draws crops, mirrors and dropout in training, and compiles in a second."""
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Rescaling(1 / 255),
            RandomCropFlip(32, 32, 4),
            keras.layers.Flatten(),
            keras.layers.Dropout(dropout_rate),
            keras.layers.Dense(10, "softmax", name=classes_name),
        ]
    )


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return build_model()


class Spoil(keras.callbacks.Callback):
    """Sets the weights to zero when training is over."""

    def on_train_end(self, logs=None):
        self.model.set_weights([np.zeros_like(weight) for weight in self.model.get_weights()])


def test_training_leaves_the_best_epoch_in_the_model_and_the_file(model, shapes, tmp_path):
    checkpoint = tmp_path / "new" / "best.weights.h5"
    recipe = Recipe(epochs=2, batch_size=64, learning_rate=3e-3)
    history = train(model, shapes, recipe, checkpoint, [Spoil()])

    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    assert {len(values) for values in history.values()} == {2}
    assert history["loss"][1] < history["loss"][0]
    assert min(history["seconds"]) > 0
    json.dumps(history)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["best.weights.h5"]
    again = build_model()
    again.load_weights(checkpoint)
    for trained in (model, again):
        top1 = evaluate(trained, *shapes.validation)["top1"]
        assert top1 == pytest.approx(max(history["val_accuracy"]))


def test_interrupting_keeps_the_best_epoch(model, shapes, tmp_path, capsys):
    recipe = Recipe(epochs=5, batch_size=128)
    checkpoint = tmp_path / "best.weights.h5"
    history = train(model, shapes, recipe, checkpoint, [At(2, 1, interrupt)])
    assert {len(values) for values in history.values()} == {2}
    assert "after 2 of 5 epochs" in capsys.readouterr().out
    top1 = evaluate(model, *shapes.validation)["top1"]
    assert top1 == pytest.approx(max(history["val_accuracy"]))


def test_interrupting_the_first_epoch_interrupts(model, shapes, tmp_path):
    checkpoint = tmp_path / "best.weights.h5"
    checkpoint.write_bytes(b"from another training")
    with pytest.raises(KeyboardInterrupt):
        train(model, shapes, Recipe(batch_size=128), checkpoint, [At(0, 1, interrupt)])
    assert checkpoint.read_bytes() == b"from another training"


@pytest.mark.parametrize("batch", [0, 1])
def test_an_interrupted_model_is_as_it_was_and_trains_on(batch, model, shapes, tmp_path):
    """On JAX a model has no values in the first step of an epoch."""
    before = model.get_weights()
    recipe = Recipe(epochs=1, batch_size=128)
    with pytest.raises(KeyboardInterrupt):
        train(model, shapes, recipe, tmp_path / "best.weights.h5", [At(0, batch, interrupt)])
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert len(train(model, shapes, recipe, tmp_path / "best.weights.h5", [])["loss"]) == 1


class Doubled(keras.layers.Layer):
    """A layer that nobody could load: Keras knows no configuration of it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return 2 * self.layer(x)


def test_a_layer_without_a_configuration_is_trained(shapes, tmp_path):
    network = [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    network.insert(1, Doubled(keras.layers.Rescaling(1 / 510)))
    recipe = Recipe(epochs=1, batch_size=128)
    train(keras.Sequential(network), shapes, recipe, tmp_path / "best.weights.h5", [])


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda images, labels: (images[:0], labels[:0]), "There are (0 training|no validation)"),
        (lambda images, labels: (images / 255, labels), "multiply by 255"),
        (lambda images, labels: (images, np.eye(10)[labels]), r"shape \(\d+, 10\).*argmax"),
        (lambda images, labels: (images, labels + 1), "A label is 10; expected .* from 0 to 9"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(
    split, change, message, tiny_model, shapes, tmp_path
):
    wrong = replace(shapes, **{split: Split(*change(*getattr(shapes, split)))})
    with pytest.raises(ValueError, match=message):
        train(tiny_model, wrong, Recipe(batch_size=128), tmp_path / "best.weights.h5")
    assert not list(tmp_path.iterdir())


def test_a_file_to_resume_from_goes_with_its_checkpoint(model, shapes, tmp_path):
    checkpoint = tmp_path / "best.weights.h5"
    recipe = Recipe(epochs=1, batch_size=128)
    train(model, shapes, recipe, checkpoint, [], resume=True)
    renamed = replace(shapes, name="other pictures")
    with pytest.raises(ValueError, match="dataset was 'shapes10' and is 'other pictures'"):
        train(build_model(), renamed, recipe, checkpoint, [], resume=True)
    images, labels = shapes.validation
    for changes, message in (
        ({"train": Split(shapes.train.images[::-1], shapes.train.labels)}, "training_data was"),
        ({"validation": Split(images, labels[::-1])}, "validation_data was"),
    ):
        with pytest.raises(ValueError, match=message):
            train(build_model(), replace(shapes, **changes), recipe, checkpoint, [], resume=True)
    message = r"best.resume.npz .*: model.layer \d \(Dropout\).rate was 0.1 and is 0.25\."
    with pytest.raises(ValueError, match=message):
        train(build_model(dropout_rate=0.25), shapes, recipe, checkpoint, [], resume=True)
    keras.config.set_dtype_policy("mixed_bfloat16")
    with pytest.raises(ValueError, match="dtype_policy was 'float32' and is 'mixed_bfloat16'"):
        train(build_model(), shapes, recipe, checkpoint, [], resume=True)
    keras.config.set_dtype_policy("float32")
    again = build_model(classes_name="other")  # Keras gives new names in a session, too
    assert len(train(again, shapes, recipe, checkpoint, [], resume=True)["loss"]) == 1
    train(again, shapes, recipe, checkpoint, [])
    assert [path.name for path in tmp_path.iterdir()] == ["best.weights.h5"]


@pytest.mark.parametrize("epoch, kept", [(0, "no weights were kept"), (1, "of the best epoch")])
def test_a_nan_stops_the_training(epoch, kept, model, shapes, tmp_path):

    def spoil():
        bias = model.get_layer("classes").bias
        bias.assign(np.full(bias.shape, np.nan))

    checkpoint = tmp_path / "best.weights.h5"
    recipe = Recipe(epochs=3, batch_size=64, learning_rate=0.01, cosine_decay=True)
    with pytest.raises(DivergedError) as stopped:
        train(model, shapes, recipe, checkpoint, [At(epoch, 2, spoil)])
    rate = 0.01 * (1 + math.cos(math.pi * (4 * epoch + 2) / 12)) / 2
    assert f"nan at step 3 of epoch {epoch + 1}, with a learning rate of {rate:.3g}." in str(
        stopped.value
    )
    assert kept in str(stopped.value)
    assert checkpoint.exists() == (epoch > 0)
    if epoch:
        assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_two_trainings_do_not_share_a_checkpoint(model, shapes, tmp_path):
    """The second leaves its model as it was."""
    checkpoint = tmp_path / "best.weights.h5"
    model.compile("sgd")
    with (
        locked(tmp_path / "best.lock"),
        pytest.raises(OSError, match=r"Another training writes .*best\.weights\.h5; wait"),
    ):
        train(model, shapes, Recipe(epochs=1, batch_size=128), checkpoint, [])
    assert isinstance(model.optimizer, keras.optimizers.SGD)


def test_where_nothing_can_be_written_no_epoch_is_begun(model, shapes, tmp_path):
    (tmp_path / "file").touch()
    checkpoint = tmp_path / "file" / "best.weights.h5"
    begun = At(0, 0, lambda: pytest.fail("begun"))
    with pytest.raises(OSError, match=r"cannot be written \(.*\); choose a folder"):
        train(model, shapes, Recipe(epochs=1, batch_size=128), checkpoint, [begun])


def random_dataset():
    """A dataset of noise: 128 images to train, 64 to validate."""
    rng = np.random.default_rng(0)

    def split(size):
        images = rng.integers(0, 256, (size, 32, 32, 3), dtype="uint8")
        return Split(images, rng.integers(0, 10, size, dtype="uint8"))

    return Dataset("noise", tuple("0123456789"), split(128), split(64), split(64))


def train_on_noise(folder, epochs=4, callbacks=(), resume=True):
    """Train a model with dropout; return its weights and its history."""
    keras.utils.set_random_seed(0)
    model = build_model()
    history = train(
        model,
        random_dataset(),
        replace(Recipe.modern(epochs), batch_size=128),
        Path(folder) / "best.weights.h5",
        list(callbacks),
        resume=resume,
    )
    return model.get_weights(), history


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(tmp_path):
    _, begun = train_on_noise(tmp_path, callbacks=[At(2, 0, interrupt)])
    assert len(begun["loss"]) == 2

    epochs = []
    seen = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    resumed_weights, resumed = train_on_noise(tmp_path, callbacks=[seen])
    assert epochs == [2, 3]
    unbroken_weights, unbroken = train_on_noise(tmp_path / "unbroken", resume=False)
    assert not (tmp_path / "unbroken" / "best.resume.npz").exists()
    del resumed["seconds"], unbroken["seconds"]
    assert resumed == unbroken
    for one, other in zip(resumed_weights, unbroken_weights, strict=True):
        np.testing.assert_array_equal(one, other)

    again_weights, again = train_on_noise(tmp_path, callbacks=[At(0, 0, interrupt)])
    assert again["loss"] == resumed["loss"]
    for one, other in zip(again_weights, resumed_weights, strict=True):
        np.testing.assert_array_equal(one, other)

    with pytest.raises(ValueError, match=r"recipe\.epochs was 4 and is 5"):
        train_on_noise(tmp_path, epochs=5)


def test_evaluate_counts_every_image_once(tiny_model, shapes):
    images, labels = shapes.validation
    probabilities = convert_to_numpy(tiny_model(images))
    result = evaluate(tiny_model, images, labels[:, None], batch_size=50)
    for k in (1, 5):
        best = np.argsort(-probabilities, axis=1)[:, :k]
        right = [label in row for label, row in zip(labels, best, strict=True)]
        expected = pytest.approx(np.mean(right))
        assert result[f"top{k}"] == top_k_accuracy(probabilities, labels[:, None], k) == expected
    with pytest.raises(ValueError, match="There are no images"):
        evaluate(tiny_model, images[:0], [])
    taken = probabilities.argmax(axis=1)
    np.testing.assert_array_equal(result["right"], taken == labels)
    for true in range(10):
        expected = np.bincount(taken[labels == true], minlength=10)
        np.testing.assert_array_equal(result["confusion"][true], expected)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": [3]}, "one label per image"),
        *(({"k": k}, f"k is {k}, .* at least 1") for k in (0, -1, None, 1.5)),
        ({"probabilities": np.full((2, 10), np.nan)}, "A probability is NaN"),
    ],
)
def test_an_accuracy_that_means_nothing_is_refused(change, message):
    arguments = {"probabilities": np.eye(10)[:2], "labels": [0, 1], "k": 1}
    assert top_k_accuracy(**arguments) == 1
    with pytest.raises(ValueError, match=message):
        top_k_accuracy(**arguments | change)


def test_a_spoilt_network_has_no_accuracy(model, shapes):
    with pytest.raises(ValueError, match="batch_size is 0"):
        evaluate(model, *shapes.validation, batch_size=0)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="A probability is NaN"):
        evaluate(model, *shapes.validation)
