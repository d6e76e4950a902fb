"""The learners' copies: no solution is left, and all that they run is."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from run_notebooks import read_notebook, write_notebook
from strip_solutions import FILES, make_handout, strip_notebook, strip_text

SOLUTION = re.compile(r"<summary><b>Solution</b></summary>(.*?)</details>", re.DOTALL)


@pytest.fixture(scope="module")
def originals(committed):
    return {path.name: read_notebook(path) for path in (committed / "notebooks").glob("*.ipynb")}


@pytest.fixture(scope="module")
def handout(committed, tmp_path_factory):
    """The folder of the copies, as the command without options makes it."""
    out = tmp_path_factory.mktemp("class") / "handout"
    make_handout(committed / "notebooks", out)
    return out


@pytest.fixture(scope="module")
def copies(handout):
    return {path.name: read_notebook(path) for path in handout.glob("*.ipynb")}


def markdown(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercises(notebook):
    return [cell for cell in code(notebook) if "exercise" in cell.metadata.get("tags", [])]


def test_all_notebooks_are_there_and_nothing_else(handout, originals):
    assert sorted(path.name for path in handout.iterdir()) == sorted(originals)
    assert [path.name for path in handout.parent.iterdir()] == ["handout"]


def test_no_solution_is_left(originals, copies):
    solutions = 0
    for name, original in originals.items():
        text = markdown(copies[name])
        assert "Solution</b>" not in text
        for solution in SOLUTION.findall(markdown(original)):
            solutions += 1
            (block,) = re.findall(r"```python\n(.*?)```", solution, re.DOTALL)
            assert block not in text
            assert not [
                line for line in re.findall("^(?:def|class) .*", block, re.M) if line in text
            ]
    assert solutions == sum(len(exercises(notebook)) for notebook in originals.values()) > 0


def test_copies_run_what_the_originals_run(originals, copies):
    for name, original in originals.items():
        assert [cell.source for cell in code(copies[name])] == [c.source for c in code(original)]
        assert copies[name].metadata == original.metadata


def test_stubs_and_checks_stay_and_have_no_outputs(copies):
    cells = [cell for notebook in copies.values() for cell in exercises(notebook)]
    assert cells
    for cell in cells:
        assert re.search(r"^    \.\.\.$", cell.source, re.MULTILINE)
        assert cell.source.splitlines()[-1].startswith("checks.check_")
        assert cell.outputs == [] and cell.execution_count is None


def test_all_else_stays(originals, copies):
    for name, original in originals.items():
        kept = [cell.outputs for cell in code(copies[name]) if "exercise" not in str(cell.metadata)]
        assert kept == [c.outputs for c in code(original) if "exercise" not in str(c.metadata)]
        without = re.sub(r"<details>" + SOLUTION.pattern, "", markdown(original), flags=re.DOTALL)
        assert markdown(copies[name]).replace(FILES, "../").split() == without.split()


def test_more_is_left_out_on_demand(committed, tmp_path, originals):
    out = tmp_path / "handout"
    make_handout(committed / "notebooks", out, hints=True, answers=True, outputs=True)
    for name in originals:
        copy = read_notebook(out / name)
        assert name == "glossary.ipynb" or "<details" not in markdown(copy)
        assert not [cell for cell in code(copy) if cell.outputs]
        assert [cell.source for cell in code(copy)] == [c.source for c in code(originals[name])]


FOLDED = """\
**Predict:** how many?
<details><summary>(a) Four.</summary>

Right.
</details>
<details><summary>(b) Five.</summary>

No.
</details>

After it.

<details><summary><b>Hints</b></summary>

Count.
</details>

<details><summary><b>Answers</b></summary>

Four.
</details>

<details><summary><b>Solution</b></summary>

Four!
</details>"""


@pytest.mark.parametrize(
    ("left_out", "kept", "gone"),
    [
        ({}, ["Right.", "No.", "Count.", "Four."], ["Solution", "Four!"]),
        ({"hints": True}, ["Right.", "No.", "Answers"], ["Hints", "Count.", "Four!"]),
        ({"answers": True}, ["- (a) Four.\n- (b) Five.\n", "Count."], ["Right.", "Answers"]),
    ],
    ids=str,
)
def test_text_loses_what_it_must_and_no_more(left_out, kept, gone):
    text = strip_text(FOLDED, **left_out)
    assert text.startswith("**Predict:** how many?\n") and "\n\nAfter it.\n\n" in text
    assert [each for each in kept if each not in text] == []
    assert [each for each in gone if each in text] == []


def exercise(stub="    ...", after="<details><summary><b>Solution</b></summary>\n\nx\n</details>"):
    """A notebook with one exercise."""
    source = f"def double(x):\n{stub}\n\n\nchecks.check_double(double)"
    output = new_output("stream", text="double: not done yet\n")
    metadata = {"tags": ["exercise"]}
    cells = [new_code_cell(source, metadata=metadata, execution_count=1, outputs=[output])]
    return new_notebook(cells=[*cells, new_markdown_cell(after)])


def test_an_exercise_loses_output_and_solution():
    notebook = exercise()
    strip_notebook(notebook)
    (cell,) = notebook.cells
    assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.parametrize(
    ("notebook", "message"),
    [
        (exercise(stub="    return 2 * x[..., 0]"), "double is solved in its own cell"),
        (exercise(after="# Next"), "the cell after the exercise double holds no solution"),
        (
            exercise(after="<details><summary><b>Solution</b></summary>\n\nreturn 2 * x"),
            "is not closed",
        ),
        (
            exercise(
                after="<details><summary><b>Solution</b></summary>\n\nas below\n</details>\n\n"
                "```python\ndef double(x):\n    return 2 * x\n```"
            ),
            "double is written out in a text that is not a solution",
        ),
        (
            exercise(
                after="<details><summary><b>Solution</b></summary>\n\n"
                "<details><summary>more</summary>\n\nx\n</details>\n\nreturn 2 * x\n</details>"
            ),
            "holds another one",
        ),
        (
            exercise(after="<details><summary><b>Solution</b></summary>x</details><details>more"),
            "does not begin with",
        ),
    ],
)
def test_what_cannot_be_stripped_is_refused_and_named(notebook, message, tmp_path):
    source = tmp_path / "notebooks"
    write_notebook(new_notebook(cells=[new_markdown_cell("# First")]), source / "00_first.ipynb")
    write_notebook(notebook, source / "01_second.ipynb")
    with pytest.raises(ValueError, match=f"01_second.ipynb: .*{message}"):
        make_handout(source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [source]


LINKS = "[here](#A) [web](https://keras.io) [next](01_next.ipynb#B) [code](../code.py#L1)"


def write_linked(folder):
    """Write two notebooks; the first links to the other and to a file beside the folder."""
    write_notebook(new_notebook(cells=[new_markdown_cell(LINKS)]), folder / "00_first.ipynb")
    write_notebook(new_notebook(), folder / "01_next.ipynb")


def test_links_out_of_the_folder_lead_to_the_project(tmp_path):
    write_linked(tmp_path / "notebooks")
    (tmp_path / "code.py").touch()
    first, _ = make_handout(tmp_path / "notebooks", tmp_path / "out")
    here, _, code = read_notebook(first).cells[0].source.rpartition(" ")
    assert here == LINKS.rpartition(" ")[0]
    assert code == f"[code]({FILES}code.py#L1)"
    assert FILES.startswith("https://")


def test_a_link_that_leads_nowhere_is_refused(tmp_path):
    write_linked(tmp_path / "notebooks")
    with pytest.raises(ValueError, match=r"00_first.ipynb: its link to \.\./code.py leads nowhere"):
        make_handout(tmp_path / "notebooks", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"]


def test_an_earlier_handout_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "grades.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="out exists"):
        make_handout(tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="holds no notebooks"):
        make_handout(tmp_path / "out", tmp_path / "new")
    assert (tmp_path / "out" / "grades.txt").read_text() == "keep"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
