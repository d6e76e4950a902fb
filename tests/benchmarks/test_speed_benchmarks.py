"""The arithmetic of the speed benchmarks, on rates that are made up; no times here."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import throughput
import time_to_accuracy

from tlvit_utils.data.datasets import Dataset, Split
from tlvit_utils.session import Compute


def test_the_first_step_does_not_count():
    clock = throughput.StepClock()
    clock.ends = [100.0, 101.0, 104.0]
    assert clock.images_per_second(batch_size=8) == 2 * 8 / 4


@pytest.fixture
def made_up(monkeypatch):
    """Two forms whose passes take turns; each pass has a made-up rate."""
    policy = SimpleNamespace(dtype_policy=SimpleNamespace(name="float32"))
    forms = {"published example": (policy, 4, 10), "modern()": (policy, 2, 5)}
    rates = {4: iter([1, 30, 10, 20]), 2: iter([1, 600, 100, 200])}
    turns = []

    def rate(model, images, labels, batch_size):
        turns.append(batch_size)
        assert images.shape == (16, 32, 32, 3)
        return next(rates[batch_size])

    monkeypatch.setattr(throughput, "build_forms", lambda: forms)
    monkeypatch.setattr(throughput, "RATES", {"training": rate})
    monkeypatch.setattr(throughput, "matrix_product_rate", lambda repeats: 60_000.0)
    return turns


@pytest.mark.parametrize("chosen", ["float32", "mixed_bfloat16"])
def test_where_another_precision_is_chosen_both_are_measured(chosen, monkeypatch):
    monkeypatch.setattr(throughput, "choose_compute", lambda: Compute("a CPU", chosen, False))
    forms = throughput.build_forms()
    policies = {name: model.dtype_policy.name for name, (model, _, _) in forms.items()}
    both = {"published()", "modern()"}
    others = {f"{name}, {chosen}" for name in both} if chosen != "float32" else set()
    expected = dict.fromkeys({"published example", *both}, "float32")
    assert policies == expected | dict.fromkeys(others, chosen)


def test_forms_take_turns_and_medians_leave_the_first_pass_out(made_up, monkeypatch):
    rows = throughput.measure(repeats=3, num_images=16)
    assert made_up == [4, 2] * 4
    assert [row["training_images_per_second"] for row in rows] == [20, 200]
    assert [row["training_ratio"] for row in rows] == [1, 10]
    # 6 operations for each of 10 multiply-adds and 20 images, of 60,000 a second
    assert [row["share_of_matrix_product_rate"] for row in rows] == [0.02, 0.1]


def test_a_matrix_product_has_two_operations_per_multiply_add(monkeypatch):
    """Products of 9 seconds, which does not count, then of 1, 2 and 4."""
    times = iter([0, 9, 10, 11, 20, 22, 30, 34])
    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    assert throughput.matrix_product_rate(3, size=8) == 2 * 8**3 / 2


def test_the_training_ends_with_the_epoch_that_reaches_the_target():
    stop = time_to_accuracy.StopAtTarget(start=0.0, target=0.5)
    stop.set_model(SimpleNamespace())
    for epoch, (accuracy, reached) in enumerate([(0.4, False), (0.5, True)]):
        stop.on_epoch_end(epoch, {"val_accuracy": accuracy})
        assert stop.reached is stop.model.stop_training is reached
    assert len(stop.seconds) == 2
    assert 0 < stop.seconds[0] <= stop.seconds[1]


def test_the_published_time_is_that_of_training_and_validating_every_image(monkeypatch):
    """20 epochs of 100 images at 10 a second and 40 at 20 a second."""

    def split(size):
        return Split(np.zeros((size, 32, 32, 3), "uint8"), np.zeros(size, "uint8"))

    dataset = Dataset("black", (), split(100), split(40), split(1))
    monkeypatch.setattr(time_to_accuracy, "build_example", lambda: None)
    monkeypatch.setattr(time_to_accuracy, "compile_example", lambda model: None)
    training, inference = iter([1, 8, 10, 12]), iter([1, 30, 10, 20])
    monkeypatch.setattr(time_to_accuracy, "training_rate", lambda *all: next(training))
    monkeypatch.setattr(time_to_accuracy, "inference_rate", lambda *all: next(inference))
    row = time_to_accuracy.published_row(dataset, repeats=3, num_images=50)
    assert row["seconds"] == 20 * (100 / 10 + 40 / 20)
