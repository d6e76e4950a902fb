"""The trainings of `benchmarks/on_gpu.py` are those of `training.train`; with JAX, on the CPU."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed"),
]

BOTH = """
import json
import sys

import keras

sys.path.insert(0, "benchmarks")
import on_gpu
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.data.datasets import load_shapes10
from tlvit_utils.training.recipe import Recipe
from tlvit_utils.training.loop import train

folder = sys.argv[1]
on_gpu.VALIDATION_BATCH = 16
dataset = load_shapes10(sizes=(70, 32, 32))
config = ViTConfig.modern(2).replace(
    convolutions=((8, 4), (8, 2)), patch_size=8, projection_dim=8, num_layers=2, mlp_units=(8, 8)
)
recipe = Recipe(3, batch_size=16, cosine_decay=True, seed=1)
seen = []
training = on_gpu.DeviceTraining(lambda: build_vit(config), recipe, dataset)
training.run(seed=0)  # another seed before: nothing of it must stay
history = training.run(1, lambda epoch, accuracy: seen.append([epoch, accuracy]))
keras.utils.set_random_seed(1)
model = build_vit(config)
other = train(model, dataset, recipe, f"{folder}/best.weights.h5", [])
differences = [abs(a - b).max() for a, b in zip(training.model.get_weights(), model.get_weights())]
result = {"history": history, "other": other, "seen": seen, "difference": float(max(differences))}

on_gpu.DATASETS["shapes10"] = lambda: dataset
ViTConfig.modern = lambda num_tokens: config
Recipe.modern = lambda epochs: recipe
sys.argv = ["on_gpu.py", "--dataset", "shapes10", "--num-tokens", "2", "--seeds", "0", "1",
            "--epochs", "3", "--weights", "--out", folder]
on_gpu.main()
on_gpu.main()  # finds all that it would make
print(json.dumps(result))
"""


def test_it_trains_as_train_does_and_writes_each_seed_once(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", BOTH, str(tmp_path)]
    printed = subprocess.check_output(command, env=environment, text=True).splitlines()
    result = json.loads(printed[-1])
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert np.allclose(result["history"][name], result["other"][name], atol=1e-4), name
    assert len(result["history"]["seconds"]) == 3
    assert result["seen"] == [[i, a] for i, a in enumerate(result["history"]["val_accuracy"])]
    assert result["difference"] < 1e-3  # both have the best epoch's weights

    name = "modern_2_tokens_v1_shapes10_3_epochs"
    assert sum(line.startswith("modern_2_tokens") for line in printed) == 2
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    for seed, run in enumerate(found["runs"]):
        assert len(run["history"]["loss"]) == 3
        assert "benchmarks/on_gpu.py" in run["command"] and str(tmp_path) not in run["command"]
        maps = np.load(tmp_path / f"{name}_seed_{seed}.maps.npz")["maps"]
        assert maps.shape == (3, 24, 2, 4, 4)
        assert (tmp_path / f"{name}_seed_{seed}.npz").exists()
