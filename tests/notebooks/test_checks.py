"""The checks of the exercises; `test_exercises.py` tries them on the notebooks' own answers."""

import sys

import keras
import numpy as np
import pytest

from tlvit_utils import checks
from tlvit_utils.checks import CheckError

CHECKS = [getattr(checks, name) for name in dir(checks) if name.startswith("check_")]


def weighted_mean(grid, maps):
    maps = maps / maps.sum(axis=(2, 3), keepdims=True)
    return np.einsum("bshw,bhwc->bsc", maps, grid)


def unfinished(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "stub",
    [None, ..., lambda *arguments: None, lambda *arguments: ..., unfinished],
    ids=["None", "...", "returns None", "returns ...", "raises"],
)
def test_what_is_not_done_is_said_and_not_raised(check, stub, capsys):
    check(stub)
    assert capsys.readouterr().out == f"{check.__name__.removeprefix('check_')}: not done yet\n"


@pytest.mark.parametrize(
    "convert",
    [np.asarray, keras.ops.convert_to_tensor, np.ndarray.tolist],
    ids=["array", "tensor", "list"],
)
def test_answers_may_be_arrays_tensors_and_lists(convert, capsys):
    checks.check_weighted_mean(lambda grid, maps: convert(weighted_mean(grid, maps)))
    assert capsys.readouterr().out == "weighted_mean: right (grids and maps of 3 random shapes)\n"


def compared_by(check, monkeypatch):
    """Return what a check gives to `compare`: the right function, the wrong ones, the draw."""
    found = []

    def compare(answer, right, wrong, draw):
        found.append((right, wrong, draw))

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[check.__module__], "compare", compare)
        check(lambda *arguments: 0)
    return found[0]


@pytest.mark.parametrize("check", [c for c in CHECKS if c is not checks.check_create_pyramid])
def test_each_mistake_is_told_from_the_others_and_from_the_right_answer(check, monkeypatch, capsys):
    right, wrong, draw = compared_by(check, monkeypatch)
    for sentence in wrong(*draw(np.random.default_rng(0))):
        with pytest.raises(CheckError) as error:
            check(lambda *arguments, sentence=sentence: wrong(*arguments)[sentence])
        assert str(error.value) == sentence
    capsys.readouterr()
    check(right)
    assert ": right (" in capsys.readouterr().out


def in_place(grid, maps):
    maps /= maps.sum(axis=(2, 3), keepdims=True)
    return weighted_mean(grid, maps)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (in_place, r"changes its input in place"),
        (lambda grid, maps: weighted_mean(grid, maps)[:1, :1], r"has shape \(1, 1, \d\), but"),
        (lambda grid, maps: weighted_mean(grid, maps) + 1, r"at \[\d, \d, \d\] stands -?\d"),
        (lambda grid, maps: weighted_mean(grid, maps) * np.nan, r"stands nan in place of -?\d"),
        (lambda grid, maps: "later", r"a str that is no array of numbers"),
        (lambda grid, maps: [[1.0], [2.0, 3.0]], r"a list that is no array of numbers"),
        (lambda grid, maps: grid @ maps, r"an array \(.*\), an array \(.*\) and raised ValueError"),
        (lambda grid: grid, r"raised TypeError: .* takes 1 positional argument but 2 were given"),
    ],
    ids=["in place", "shape", "numbers", "nan", "text", "ragged", "raises", "arguments"],
)
def test_other_wrong_answers_are_described(answer, message):
    with pytest.raises(CheckError, match=message):
        checks.check_weighted_mean(answer)


def test_wrong_truth_values_are_described():
    with pytest.raises(CheckError, match=r"at \[\d+\] stands 1 in place of 0"):
        checks.check_on_the_front(lambda costs, accuracies: np.ones(len(costs), bool))


def test_counts_must_be_exact(monkeypatch):
    right, *_ = compared_by(checks.check_block_macs, monkeypatch)
    with pytest.raises(CheckError, match=r"Your answer is \d+, but it must be \d+\."):
        checks.check_block_macs(lambda *arguments: right(*arguments) + 1)


def test_an_error_in_the_answer_is_the_cause_of_the_message():
    with pytest.raises(CheckError) as error:
        checks.check_softmax_maps(lambda logits: logits[99])
    assert isinstance(error.value.__cause__, IndexError)
