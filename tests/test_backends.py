"""The same model on TensorFlow, JAX and PyTorch, each in a process of its own where installed."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis.maps import predict_with_maps

pytestmark = pytest.mark.slow

GEOMETRIES = {"published": ViTConfig.published(), "modern": ViTConfig.modern()}

PREDICT_AND_TRAIN = """
import sys

import keras
import numpy as np

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis.maps import predict_with_maps

folder = sys.argv[1]
images = np.load(f"{folder}/images.npy")
results = {}
for name in ("published", "modern"):
    model = build_vit(getattr(ViTConfig, name)())
    model.set_weights(list(np.load(f"{folder}/{name}.npz").values()))
    results[f"{name} probabilities"], results[f"{name} maps"] = predict_with_maps(model, images)

keras.config.set_dtype_policy("mixed_bfloat16")
model = build_vit(ViTConfig.modern().replace(num_layers=2))
before = model.get_weights()
model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
results["loss"] = model.train_on_batch(images, np.arange(len(images)))
results["moved"] = [np.any(a != b) for a, b in zip(before, model.get_weights())]
outputs = [*model.get_layer("token_learner").output, model.output]
results["dtypes"] = [
    keras.backend.standardize_dtype(output.dtype)
    for output in keras.Model(model.input, outputs)(images)
]
np.savez(f"{folder}/{keras.backend.backend()}.npz", **results)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with eight images and each geometry's weights, none of them 0."""
    folder = tmp_path_factory.mktemp("backends")
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.integers(0, 256, (8, 32, 32, 3), dtype="uint8"))
    for name, config in GEOMETRIES.items():
        keras.utils.set_random_seed(0)
        weights = build_vit(config).get_weights()
        noisy = (weight + rng.normal(0, 0.05, weight.shape) for weight in weights)
        np.savez(folder / f"{name}.npz", *noisy)
    return folder


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def results(request, folder):
    """What one backend computed in a process of its own."""
    backend = request.param
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    subprocess.run(
        [sys.executable, "-c", PREDICT_AND_TRAIN, folder],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
    )
    with np.load(folder / f"{backend}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_same_weights_and_images_give_the_same_predictions_and_maps(name, results, folder):
    model = build_vit(GEOMETRIES[name])
    model.set_weights(list(np.load(folder / f"{name}.npz").values()))
    here = predict_with_maps(model, np.load(folder / "images.npy"))
    for kind, expected in zip(("probabilities", "maps"), here, strict=True):
        assert np.ptp(expected, axis=0).max() > 0.01  # it depends on the image
        # half of 1e-4, so that any two backends agree to 1e-4
        np.testing.assert_allclose(results[f"{name} {kind}"], expected, rtol=0, atol=5e-5)


def test_mixed_bfloat16_trains_and_gives_float32_probabilities(results):
    assert np.isfinite(results["loss"])
    assert (~results["moved"]).sum() <= 2  # the blocks' key biases, which the softmax undoes
    assert results["dtypes"].tolist() == ["bfloat16", "bfloat16", "float32"]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch.compile needs a C++ compiler")
def test_xla_compiles_a_step_with_the_augmentation_in_the_model(tiny_config, seeded):
    model = build_vit(tiny_config)
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy", jit_compile=True)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype="uint8")
    losses = [model.train_on_batch(images, np.arange(8)) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert any(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
