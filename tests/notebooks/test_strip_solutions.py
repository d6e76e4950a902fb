"""The learners' copies: no solution is left, and all that they run is."""

import pytest

import strip_solutions
from notebook_text import SOLUTION, code_cells, markdown, tags
from run_notebooks import read_notebook
from strip_solutions import make_handout


@pytest.fixture(scope="module")
def copies(committed, tmp_path_factory):
    """The copies, by name, as the command without options makes them."""
    out = tmp_path_factory.mktemp("class") / "handout"
    make_handout(committed / "notebooks", out)
    assert [path.name for path in out.parent.iterdir()] == ["handout"]
    return {path.stem: read_notebook(path) for path in out.iterdir()}


def is_exercise(cell):
    return "exercise" in tags(cell)


def test_no_solution_is_left(notebooks, copies):
    assert copies.keys() == notebooks.keys()
    solutions = [each for nb in notebooks.values() for each in SOLUTION.findall(markdown(nb))]
    assert len(solutions) == sum(is_exercise(c) for nb in notebooks.values() for c in nb.cells) > 0
    text = "".join(map(markdown, copies.values()))
    assert not [each for each in solutions if each in text]


def test_copies_run_what_the_originals_run_and_keep_all_else(notebooks, copies):
    for name, original in notebooks.items():
        for cell, copy in zip(code_cells(original), code_cells(copies[name]), strict=True):
            assert copy.source == cell.source
            assert copy.outputs == ([] if is_exercise(cell) else cell.outputs)
        assert copies[name].metadata == original.metadata


def test_all_that_is_folded_and_all_outputs_can_be_left_out(committed, tmp_path):
    left_out = {"hints": True, "answers": True, "outputs": True}
    paths = make_handout(committed / "notebooks", tmp_path / "out", "ada/course", **left_out)
    copies = [read_notebook(path) for path in paths if path.name[0].isdigit()]
    text = "".join(map(markdown, copies))
    assert "<details" not in text and "\n- (a) " in text  # the choices stay
    assert "](https://github.com/ada/course/blob/HEAD/" in text and "](../" not in text
    assert not any(cell.outputs for copy in copies for cell in code_cells(copy))
    for copy in copies:
        assert "https://github.com/ada/course" in code_cells(copy)[0].source


def test_an_earlier_handout_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grades.txt").write_text("keep")
    with pytest.raises(SystemExit, match="exists"):
        strip_solutions.main(["--out", str(tmp_path / "out")])
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "grades.txt"]
