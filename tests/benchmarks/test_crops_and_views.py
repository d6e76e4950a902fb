"""`benchmarks/crops_and_views.py` does as the example does; with JAX, on the CPU."""

import json

import pytest
from on_jax import needs_jax, run_on_jax

pytestmark = [pytest.mark.slow, needs_jax]

SCRIPT = """
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, "benchmarks")
import crops_and_views
import on_gpu
from published_example import augmentation
from tlvit_utils.data.datasets import load_shapes10
from tlvit_utils.training.recipe import Recipe

on_gpu.VALIDATION_BATCH = 16
dataset = load_shapes10(sizes=(32, 16, 16))
images = dataset.test.images.astype("float32")
ours = crops_and_views.ExampleCropFlip(52, 48)
example = np.asarray(augmentation()(images, training=False))[:, :48, :48]
difference = np.abs(np.asarray(ours(images / 255)) - example).max()
same = np.stack([images[0]] * 16)
rows = np.asarray(ours(same, training=True)).sum(axis=(2, 3))  # a mirror keeps the sums of rows

written = []
def save_rows(name, rows, **facts):
    written.append(len(rows))
    crops_and_views.RESULT.write_text(json.dumps({"rows": rows}))

crops_and_views.RESULT = Path(sys.argv[1]) / "crops_and_views.json"
crops_and_views.save_rows = save_rows
crops_and_views.load_cifar10 = lambda source: dataset
Recipe.published = classmethod(lambda cls: cls(epochs=1, batch_size=16))
sys.argv = ["crops_and_views.py", "--write", "--seeds", "3"]
crops_and_views.main()
crops_and_views.main()  # finds all that it would make
print(json.dumps({"difference": float(difference), "crops": len(np.unique(rows.round(1), axis=0)),
                  "written": written}))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    printed = run_on_jax(SCRIPT, folder)
    rows = json.loads((folder / "crops_and_views.json").read_text())["rows"]
    return {**json.loads(printed[-1]), "rows": rows}


def test_its_augmentation_is_the_examples(result):
    assert result["difference"] < 1e-5
    assert result["crops"] == 1  # one for the whole batch


def test_each_training_is_tested_in_both_views_once(result):
    found = [(row["crops"], row["view"], row["seed"]) for row in result["rows"]]
    views = ("centre", "top-left corner")
    crops = ("one per image", "one per batch")
    assert found == [(crop, view, 3) for crop in crops for view in views]
    assert result["written"] == [1, 2, 3, 4]
    assert all(0 <= row["top1"] <= row["top5"] <= 1 for row in result["rows"])
