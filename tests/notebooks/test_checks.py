"""The checks of the exercises; `test_exercises.py` tries them on the notebooks' own answers."""

import re
import sys
from contextlib import suppress

import keras
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from notebook_text import run_cell
from tlvit_utils import checks
from tlvit_utils.checks import CheckError
from tlvit_utils.checks.answers import EXERCISES, compare, exercise

OTHERWISE = {
    *("build_vit", "create_pyramid", "train_step"),
    *("predict_with_maps", "attention_viewer", "softmax_pooling"),
}
COMPARED = sorted(  # networks, layers, pairs and widgets are compared otherwise
    name
    for name, (_, ours) in EXERCISES.items()
    if name not in OTHERWISE and not isinstance(ours, type)
)


def pool(grid, maps):
    return np.einsum("bshw,bhwc->bsc", maps, grid) / maps[0, 0].size


def unfinished(*arguments):
    raise NotImplementedError


def named(name, answer):
    answer.__name__ = name
    return answer


@pytest.mark.parametrize("name", sorted(EXERCISES))
@pytest.mark.parametrize(
    "stub",
    [lambda *arguments: None, lambda *arguments: ..., unfinished],
    ids=["returns None", "returns ...", "raises"],
)
def test_what_is_not_done_is_said_and_replaced(name, stub, capsys):
    ours = EXERCISES[name][1]
    assert checks.check(named(name, stub)) is (ours or stub)
    assert capsys.readouterr().out.startswith(f"{name}: not done yet")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no exercise 'mine'"):
        checks.check(named("mine", lambda: None))


@pytest.mark.parametrize(
    "convert",
    [np.asarray, keras.ops.convert_to_tensor, np.ndarray.tolist],
    ids=["array", "tensor", "list"],
)
def test_answers_may_be_arrays_tensors_and_lists(convert, capsys):
    answer = named("pool", lambda grid, maps: convert(pool(grid, maps)))
    assert checks.check(answer) is answer
    assert capsys.readouterr().out == "pool: right\n"


def compared_by(name, monkeypatch):
    """Return what a check gives to `compare`: the right function, the wrong ones, the draw."""
    found = []
    check, _ = EXERCISES[name]

    def compare(answer, right, wrong, draw, small=None):
        found.append((right, wrong, draw))

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[check.__module__], "compare", compare)
        with suppress(CheckError):  # of what is checked otherwise
            check(lambda *arguments: 0)
    return found[0]


@pytest.mark.parametrize("name", COMPARED)
def test_each_mistake_is_told_from_the_others_and_from_the_right_answer(name, monkeypatch, capsys):
    right, wrong, draw = compared_by(name, monkeypatch)
    for sentence in wrong(*draw(np.random.default_rng(0))):
        mistaken = named(name, lambda *arguments, s=sentence: wrong(*arguments)[s])
        with pytest.raises(CheckError) as error:
            checks.check(mistaken)
        assert str(error.value) == sentence
    capsys.readouterr()
    checks.check(named(name, lambda *arguments: right(*arguments)))
    assert capsys.readouterr().out == f"{name}: right\n"


def in_place(grid, maps):
    maps /= 2
    return pool(grid, maps)


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("pool", in_place, r"changes its input in place"),
        ("pool", lambda grid, maps: pool(grid, maps)[:1, :1], r"has shape \(1, 1, \d\), but"),
        ("pool", lambda grid, maps: pool(grid, maps) + 1, r"at \[\d, \d, \d\] it has -?\d"),
        ("pool", lambda grid, maps: pool(grid, maps) * np.nan, r"it has nan instead of -?\d"),
        ("pool", lambda grid, maps: "later", r"a str that is not an array of numbers"),
        ("pool", lambda grid, maps: [[1.0], [2.0, 3.0]], r"a list that is not an array of numbers"),
        ("pool", lambda grid, maps: grid @ maps, r"It raised ValueError: "),
        ("pool", lambda grid: grid, r"It raised TypeError: .* takes 1 positional argument but 2"),
        ("on_the_front", lambda costs, _: np.ones(len(costs), bool), r"it has 1 instead of 0"),
    ],
)
def test_other_wrong_answers_are_described(name, answer, message):
    with pytest.raises(CheckError, match=message):
        checks.check(named(name, answer))


def test_counts_must_be_exact(monkeypatch):
    right, *_ = compared_by("block_macs", monkeypatch)
    with pytest.raises(CheckError, match=r"Your answer is \d+, but it must be \d+\."):
        checks.check(named("block_macs", lambda *arguments: right(*arguments) + 1))


def test_a_notebook_shows_a_box_with_the_line_and_no_traceback():
    shell = InteractiveShell.instance()
    shell.run_cell("def softmax_maps(logits):\n    return logits[99]\n")
    with pytest.raises(CheckError) as raised:
        checks.check(shell.user_ns["softmax_maps"])
    lines = raised.value._render_traceback_()
    assert lines[0] == "softmax_maps is not right yet"
    assert any("return logits[99]" in line for line in lines)
    assert not any("answers.py" in line for line in lines)


@pytest.mark.parametrize(
    ("answer", "message", "details"),
    [
        (lambda x: 2 * x, "Doubled", {"expected": "[1, 3]", "got": "[2, 6]"}),
        (lambda x: x**2, "at [1] it has 9 instead of 3", {"expected": "[1, 3]", "got": "[1, 9]"}),
        (lambda x: np.sort(x), "Sorted", {"worst": "at [0] it has 1 instead of 40"}),
        (lambda x: x.reshape(2), "It raised", {"called with": "x = an array (40,)"}),
    ],
    ids=["named", "unnamed", "only random arguments show it", "only they raise it"],
)
def test_the_sentence_and_the_box_speak_of_the_same_arguments(answer, message, details):
    def check_itself(answer):
        compare(
            answer,
            right=lambda x: x,
            wrong=lambda x: {"Doubled": 2 * x, "Sorted": np.sort(x)},
            draw=lambda rng: (np.arange(40.0, 0, -1),),
            small=(np.array([1.0, 3.0]),),
        )

    exercise(check_itself, name="itself")
    try:
        with pytest.raises(CheckError, match=re.escape(message)) as raised:
            checks.check(named("itself", answer))
    finally:
        del EXERCISES["itself"]
    assert raised.value.details | details == raised.value.details


def mlp(count, units, name="dense_layers"):
    """Return an MLP that has other Dense layers than the stub."""

    class MLP(keras.layers.Layer):
        def __init__(self, hidden_units, *rest):
            super().__init__()
            self.used = [keras.layers.Dense(units or each) for each in hidden_units[:count]]
            setattr(self, name, self.used)

        def call(self, x, training=None):
            for dense in self.used:
                x = dense(x)
            return x

    return MLP


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (mlp(2, None, "dense"), "no attribute `dense_layers`"),
        (mlp(1, None), "must be a list of 2 layers"),
        (mlp(2, 9), r"weights of `dense_layers\[0\]` have the wrong shapes"),
    ],
)
def test_a_layer_must_have_the_parts_of_the_stub(answer, message):
    with pytest.raises(CheckError, match=message):
        checks.check(answer)


@pytest.mark.parametrize(
    "body",
    [
        "    def cal(self, x, training=None):\n        return x\n",
        "    def call(self, x, training=None):\n        return super().call(x)\n",
    ],
)
def test_a_layer_without_a_call_is_wrong_and_not_unfinished(body):
    """Keras says so with a NotImplementedError."""
    scope = {"layers": keras.layers}
    run_cell(
        "class MLP(layers.Layer):\n"
        "    def __init__(self, *arguments):\n"
        "        super().__init__()\n" + body,
        scope,
    )
    with pytest.raises(CheckError, match="`call` method"):
        checks.check(scope["MLP"])


def test_an_error_in_a_layer_is_shown_without_what_keras_adds():
    scope = {"layers": keras.layers}
    run_cell(
        "class MLP(layers.Layer):\n"
        "    def __init__(self, *arguments):\n"
        "        super().__init__()\n"
        "    def call(self, x, training=None):\n"
        "        return self.missing(x)\n",
        scope,
    )
    with pytest.raises(CheckError, match=r"'missing'$") as raised:
        checks.check(scope["MLP"])
    assert list(raised.value.details.values()) == ["return self.missing(x)"]
