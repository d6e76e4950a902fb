import math

import keras
import numpy as np
import pytest

from tlvit_utils.training.callbacks import BestCheckpoint, DivergedError, ResumeFile, StopOnNaN


def test_the_checkpoint_is_the_last_complete_one_of_the_highest_accuracy(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    callback = BestCheckpoint(tmp_path / "best.weights.h5")
    callback.set_model(model)

    def end_epoch(weight, accuracy):
        model.set_weights([np.array([[weight]])])
        callback.on_epoch_end(0, {"val_accuracy": accuracy})

    for weight, accuracy in [(1.0, 0.0), (2.0, 0.7), (3.0, 0.6), (4.0, 0.7)]:
        end_epoch(weight, accuracy)

    def interrupted(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(model, "save_weights", interrupted)
        end_epoch(5.0, 0.8)
    assert list(tmp_path.iterdir()) == [callback.path]
    model.load_weights(callback.path)
    assert model.get_weights()[0].item() == 2


def test_a_file_to_resume_from_keeps_bfloat16(tmp_path):
    keras.config.set_dtype_policy("bfloat16")  # a fixture sets it back

    def build():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    model, fresh = build(), build()
    file = ResumeFile(tmp_path / "state.npz", {}, {"val_accuracy": [0.5]})
    file.set_model(model)
    file.on_epoch_end(0)
    assert file.restore(fresh) == 0.5
    for weight, kept in zip(fresh.weights, model.weights, strict=True):
        assert keras.ops.all(weight == kept)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_validation_loss_of_nan_stops(value):
    stop = StopOnNaN(0.25)
    stop.set_params({"steps": 10})
    stop.on_epoch_begin(3)
    stop.on_epoch_end(3, {"val_loss": 1.0})
    message = rf"The val_loss is {value} at step 10 of epoch 4, with a learning rate of 0\.25\."
    with pytest.raises(DivergedError, match=message):
        stop.on_epoch_end(3, {"val_loss": value})


def compiled_model(units=1, scale_loss=False):
    layers = [keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(units)]
    model = keras.Sequential(layers)
    adam = keras.optimizers.Adam()
    model.compile(keras.optimizers.LossScaleOptimizer(adam) if scale_loss else adam, "mse")
    return model


@pytest.mark.parametrize("scale_loss", [False, True], ids=["float32", "float16"])
def test_everything_that_the_next_epoch_depends_on_is_restored(scale_loss, tmp_path):
    """Weights, the optimiser's moments and steps, and the state of dropout's generator."""
    rng = np.random.default_rng(0)
    images, targets = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    model, fresh = (compiled_model(scale_loss=scale_loss) for _ in range(2))
    model.fit(images, targets, epochs=2, verbose=0)
    history = {"loss": [1.0, 0.5], "val_accuracy": [0.75, 0.5]}
    kept = ResumeFile(tmp_path / "state.npz", {"seed": 1}, history)
    kept.set_model(model)
    kept.on_epoch_end(1, {})

    found = ResumeFile(tmp_path / "state.npz", {"seed": 1}, {})
    assert found.restore(fresh) == 0.75
    assert found.history == history
    for each in (model, fresh):
        each.fit(images, targets, epochs=2, shuffle=False, verbose=0)
    for weight, expected in zip(fresh.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_damaged_file_and_weights_of_other_shapes_are_refused(tmp_path):
    kept = ResumeFile(tmp_path / "state.npz", {}, {"val_accuracy": [0.5]})
    kept.set_model(compiled_model(1))
    kept.on_epoch_end(0, {})
    with pytest.raises(ValueError, match="the shapes of the weights differ"):
        kept.restore(compiled_model(2))
    for content in (b"", b"not a zip file", kept.path.read_bytes()[:2000]):
        kept.path.write_bytes(content)
        with pytest.raises(ValueError, match=r"state\.npz is damaged \(.*\); delete it"):
            kept.restore(compiled_model(1))
