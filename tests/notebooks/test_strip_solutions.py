"""The learners' copies: no solution is left, and all that they run is."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_text import SOLUTION, code_cells, markdown, tags

import strip_solutions
from bootstrap_cell import TAG
from run_notebooks import read_notebook, write_notebook
from strip_solutions import make_handout, strip_text


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


def folded(title, text):
    return f"<details><summary>{title}</summary>\n\n{text}\n</details>\n"


SOLVED = folded("<b>Solution</b>", "x")
TEXT = (
    "**Predict:** how many?\n"
    + folded("(a) Four.", "Right.")
    + folded("(b) Five.", "No.")
    + "\nAfter it.\n\n"
    + folded("<b>Hints</b>", "Count.")
    + SOLVED
)


@pytest.mark.parametrize(
    ("left_out", "kept", "gone"),
    [
        ({}, ["Right.", "No.", "Count."], ["Solution"]),
        ({"hints": True}, ["Right.", "No."], ["Hints", "Count.", "Solution"]),
        ({"answers": True}, ["- (a) Four.\n- (b) Five.\n", "Count."], ["Right.", "Solution"]),
    ],
    ids=str,
)
def test_text_loses_what_it_must_and_no_more(left_out, kept, gone):
    text = strip_text(TEXT, **left_out)
    assert [each for each in [*kept, "how many?", "After it."] if each not in text] == []
    assert [each for each in gone if each in text] == []


def exercise(stub="    ...", after=SOLVED):
    """A notebook with one exercise."""
    source = f"def double(x):\n{stub}\n\n\ndouble = checks.check(double)"
    output = new_output("stream", text="double: not done yet\n")
    cell = new_code_cell(source, metadata={"tags": ["exercise"]}, outputs=[output])
    return new_notebook(cells=[cell, new_markdown_cell(after)])


@pytest.mark.parametrize(
    ("notebook", "message"),
    [
        (exercise(stub="    return 2 * x"), "double is solved in its own cell"),
        (exercise(after="# Next"), "the cell after the exercise double holds no solution"),
        (exercise(after=SOLVED.removesuffix("</details>\n")), "is not closed"),
        (exercise(after=SOLVED + "```python\ndef double(x): ...\n```"), "double is written out"),
        (exercise(after=folded("<b>Solution</b>", SOLVED)), "holds another one"),
        (exercise(after=SOLVED + "<details>more"), "does not begin with"),
        (exercise(after=SOLVED + "[code](../code.py#L1)"), "leads nowhere"),
    ],
)
def test_what_cannot_be_stripped_is_refused_and_named(notebook, message, tmp_path):
    source = tmp_path / "notebooks"
    write_notebook(new_notebook(cells=[new_markdown_cell("# First")]), source / "00_first.ipynb")
    write_notebook(notebook, source / "01_second.ipynb")
    with pytest.raises(ValueError, match=f"01_second.ipynb: .*{message}"):
        make_handout(source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("repository", "code"),
    [(None, "code"), ("ada/course", "[code](https://github.com/ada/course/blob/HEAD/code.py#L1)")],
)
def test_links_out_of_the_folder_lead_to_the_repository(repository, code, tmp_path):
    inside = "[here](#A) [web](https://keras.io) [me](00_first.ipynb#B)"
    bootstrap = new_code_cell('REPOSITORY = ""', metadata={"tags": [TAG]})
    cells = [new_markdown_cell(f"{inside} [code](../code.py#L1)"), bootstrap]
    write_notebook(new_notebook(cells=cells), tmp_path / "notebooks" / "00_first.ipynb")
    (tmp_path / "code.py").touch()
    (path,) = make_handout(tmp_path / "notebooks", tmp_path / "out", repository)
    text, bootstrap = read_notebook(path).cells
    assert text.source == f"{inside} {code}"
    address = f"https://github.com/{repository}"
    assert (address in bootstrap.source) == bool(repository)


def test_an_earlier_handout_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grades.txt").write_text("keep")
    with pytest.raises(SystemExit, match="exists"):
        strip_solutions.main(["--out", str(tmp_path / "out")])
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "grades.txt"]
