import json
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import ViTConfig, build_vit, training
from tlvit_utils.training import (
    BestCheckpoint,
    Recipe,
    SmoothedCrossentropy,
    evaluate,
    main,
    save_result,
    top_k_accuracy,
    train,
)


def numpy_top_k(probabilities, labels, k):
    best = np.argsort(-probabilities, axis=1)[:, :k]
    return np.mean([label in row for label, row in zip(labels, best, strict=True)])


def learning_rates(recipe, steps_per_epoch, steps):
    optimizer = recipe.optimizer(steps_per_epoch)
    rates = []
    for step in steps:
        optimizer.iterations.assign(step)
        rates.append(float(convert_to_numpy(optimizer.learning_rate)))
    return rates


def test_the_published_learning_rate_is_constant():
    assert learning_rates(Recipe.published(), 10, [0, 100, 200]) == pytest.approx([1e-3] * 3)
    optimizer = Recipe.published().optimizer(10)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 1e-4


def test_the_light_learning_rate_rises_and_falls():
    """20 epochs of 10 steps: 5 to warm up, then half a cosine over 195."""
    rates = learning_rates(Recipe.light(20), 10, [0, 1, 5, 5 + 65, 5 + 130, 200])
    np.testing.assert_allclose(rates, np.array([0, 0.2, 1, 0.75, 0.25, 0]) * 1e-3, atol=1e-9)


def test_a_cosine_without_warm_up_starts_at_its_height():
    rates = learning_rates(Recipe(epochs=2, cosine_decay=True), 10, [0, 10, 20])
    np.testing.assert_allclose(rates, np.array([1, 0.5, 0]) * 1e-3, atol=1e-9)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 2, "warmup_epochs": 2}, "warmup_epochs is 2.*epochs = 2"),
        ({"warmup_epochs": -1}, "warmup_epochs is -1"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
    ],
)
def test_recipes_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)


def decayed(recipe, model):
    """Return the weights that shrink in a step of learning rate 1 whose gradients are all 0."""
    optimizer = replace(recipe, learning_rate=1.0, weight_decay=0.5).optimizer(
        10, model.trainable_variables
    )
    optimizer.iterations.assign(1)  # past the rate of 0 with which a warm-up starts
    before = [convert_to_numpy(v) for v in model.trainable_variables]
    optimizer.apply(
        [np.zeros(v.shape, "float32") for v in model.trainable_variables],
        model.trainable_variables,
    )
    return [
        (variable.name, variable.path)
        for variable, old in zip(model.trainable_variables, before, strict=True)
        if not np.array_equal(convert_to_numpy(variable), old)
    ]


def test_the_published_weight_decay_reaches_every_weight(tiny_config, randomise):
    model = randomise(build_vit(tiny_config))
    assert len(decayed(Recipe.published(), model)) == len(model.trainable_variables)


def test_the_modern_weight_decay_reaches_every_kernel_and_nothing_else(tiny_config, randomise):
    model = randomise(build_vit(tiny_config))
    kernels = [(v.name, v.path) for v in model.trainable_variables if v.name == "kernel"]
    # the patches, two blocks of 4 + 2 matrices, TokenLearner's 4 convolutions, the classes
    assert len(kernels) == 1 + 2 * 6 + 4 + 1
    assert decayed(Recipe.modern(10), model) == kernels


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_smoothed_crossentropy_equals_numpy(shape):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 5).astype("float32")
    labels = np.array([0, 3, 1, 1, 2], "uint8")
    targets = 0.8 * np.eye(4)[labels] + 0.2 / 4
    expected = -(targets * np.log(probabilities)).sum(axis=1).mean()
    loss = SmoothedCrossentropy(0.2)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    for each in (loss, again):
        assert float(each(labels.reshape(shape), probabilities)) == pytest.approx(expected, 1e-5)


class Spoil(keras.callbacks.Callback):
    """Sets the weights to zero when training is over."""

    def on_train_end(self, logs=None):
        self.model.set_weights([np.zeros_like(weight) for weight in self.model.get_weights()])


def test_training_leaves_the_best_epoch_in_the_model_and_the_file(tiny_config, shapes, tmp_path):
    keras.utils.set_random_seed(0)
    model = build_vit(tiny_config)
    checkpoint = tmp_path / "new" / "best.weights.h5"
    recipe = Recipe(epochs=2, batch_size=64, learning_rate=3e-3)
    history = train(model, shapes, recipe, checkpoint, [Spoil()])

    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    assert {len(values) for values in history.values()} == {2}
    assert history["loss"][1] < history["loss"][0]
    assert min(history["seconds"]) > 0
    json.dumps(history)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["best.weights.h5"]
    again = build_vit(tiny_config)
    again.load_weights(checkpoint)
    for trained in (model, again):
        top1 = evaluate(trained, *shapes.validation)["top1"]
        assert top1 == pytest.approx(max(history["val_accuracy"]))


def test_fewer_images_than_one_batch_are_refused(tiny_model, shapes, tmp_path):
    with pytest.raises(ValueError, match=r"256 training images.*one batch of 300"):
        train(tiny_model, shapes, Recipe(batch_size=300), tmp_path / "best.weights.h5")


@pytest.fixture
def checkpointed(tmp_path):
    """A model with one weight, and the callback that keeps its best value."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    callback = BestCheckpoint(tmp_path / "best.weights.h5")
    callback.set_model(model)
    return model, callback


def end_epoch(model, callback, weight, accuracy):
    model.set_weights([np.array([[weight]])])
    callback.on_epoch_end(0, {"val_accuracy": accuracy})


def kept_weight(model, callback):
    model.load_weights(callback.path)
    return model.get_weights()[0].item()


def test_the_checkpoint_is_that_of_the_highest_accuracy(checkpointed):
    for weight, accuracy in [(1.0, 0.0), (2.0, 0.7), (3.0, 0.6), (4.0, 0.7)]:
        end_epoch(*checkpointed, weight, accuracy)
    assert kept_weight(*checkpointed) == 2


def test_an_interrupted_checkpoint_leaves_the_one_before(checkpointed, monkeypatch):
    model, callback = checkpointed
    end_epoch(model, callback, 1.0, 0.5)

    def interrupted(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(model, "save_weights", interrupted)
        with pytest.raises(KeyboardInterrupt):
            end_epoch(model, callback, 2.0, 0.6)
    assert list(callback.path.parent.iterdir()) == [callback.path]
    assert kept_weight(model, callback) == 1


def test_a_checkpoint_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"called best\.h5.*\.weights\.h5"):
        BestCheckpoint("best.h5")


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_accuracy_equals_numpy(k):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(10), 200).astype("float32")
    labels = rng.integers(0, 10, 200).astype("uint8")
    expected = numpy_top_k(probabilities, labels, k)
    assert top_k_accuracy(probabilities, labels, k) == pytest.approx(expected)


def test_evaluate_counts_every_image_once(tiny_model, shapes):
    images, labels = shapes.validation
    probabilities = convert_to_numpy(tiny_model(images))
    result = evaluate(tiny_model, images, labels, batch_size=50)
    assert result == {
        f"top{k}": pytest.approx(numpy_top_k(probabilities, labels, k)) for k in (1, 5)
    }


def test_a_result_that_cannot_be_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "new" / "result.json"
    save_result(path, recipe=Recipe(epochs=3), config=ViTConfig.light(), top1=0.5)
    result = json.loads(path.read_text(encoding="utf-8"))
    assert (result["recipe"]["epochs"], result["top1"]) == (3, 0.5)
    assert ViTConfig(**result["config"]) == ViTConfig.light()
    with pytest.raises(TypeError):
        save_result(path, top1=object())
    assert [each.name for each in path.parent.iterdir()] == ["result.json"]
    assert json.loads(path.read_text(encoding="utf-8")) == result


def test_the_command_explains_itself():
    command = [sys.executable, "-m", "tlvit_utils.training", "--help"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "usage: tlvit_utils.training" in printed
    assert "--num-tokens" in printed


def test_the_command_trains_and_does_not_train_again(
    tiny_config, shapes, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(ViTConfig, "light", lambda tokens: tiny_config.replace(num_tokens=tokens))
    monkeypatch.setattr(training, "load_cifar10", lambda: shapes)
    command = ["--num-tokens", "2", "--epochs", "1", "--seed", "3", "--out", str(tmp_path)]
    main(command)
    card_path, weights_path = tmp_path / "light_2_tokens.json", tmp_path / "light_2_tokens.npz"
    assert sorted(tmp_path.iterdir()) == [card_path, weights_path]

    card = json.loads(card_path.read_text(encoding="utf-8"))
    config = ViTConfig(**card["config"])
    assert config == tiny_config.replace(num_tokens=2)
    assert (card["recipe"]["epochs"], card["recipe"]["seed"]) == (1, 3)
    assert card["dataset"] == shapes.name
    assert card["command"].startswith("python -m tlvit_utils.training --num-tokens 2 --epochs 1")
    assert card["parameters"] == build_vit(config).count_params()
    assert set(card["test"]) == {"top1", "top5"}

    written = weights_path.read_bytes()
    capsys.readouterr()
    main(command)
    assert "already holds light_2_tokens" in capsys.readouterr().out
    assert weights_path.read_bytes() == written


def test_the_command_refuses_before_it_writes(tmp_path, monkeypatch, shapes):
    monkeypatch.setattr(training, "load_cifar10", lambda: shapes)
    with pytest.raises(ValueError, match="num_tokens is 0"):
        main(["--num-tokens", "0", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
