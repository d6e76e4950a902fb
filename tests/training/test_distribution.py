"""The same model on two devices, which are two parts of the processor here; each in a process."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

TRAIN = """
import sys
from contextlib import nullcontext
from dataclasses import replace

import keras
import numpy as np

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.data.datasets import Dataset, Split
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.training.loop import evaluate, train

scope = nullcontext()
if keras.backend.backend() == "jax":
    devices = keras.distribution.list_devices("cpu")
    assert len(devices) == 2, devices
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
else:
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, halves)
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    assert strategy.num_replicas_in_sync == 2
    scope = strategy.scope()

rng = np.random.default_rng(0)
labels = np.tile(np.arange(10, dtype="uint8"), 20)
images = rng.integers(0, 50, (200, 32, 32, 3), dtype="uint8")
images[..., 0] += 20 * labels[:, None, None]  # the redder, the higher the label
split = Split(images, labels)
config = ViTConfig.modern(2).replace(convolutions=(), num_layers=1)
keras.utils.set_random_seed(0)
with scope:
    model = build_vit(config)
    recipe = replace(Recipe.modern(epochs=3), batch_size=20)  # 30 steps: the loss must fall
    history = train(model, Dataset("red", (), split, split, split), recipe, sys.argv[1], [])
    top1 = evaluate(model, images, labels)["top1"]
assert abs(top1 - max(history["val_accuracy"])) < 1e-3, (top1, history)
copies = model.trainable_variables[0].value
copies = copies.values if hasattr(copies, "values") else copies.addressable_shards
assert len(copies) == 2, copies
first, second = (np.asarray(getattr(copy, "data", copy)) for copy in copies)
np.testing.assert_array_equal(first, second)
print(*history["loss"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_the_model_unchanged(backend, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    result = subprocess.run(
        [sys.executable, "-c", TRAIN, tmp_path / "best.weights.h5"],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    first, *_, last = map(float, result.stdout.split())
    assert last < first
