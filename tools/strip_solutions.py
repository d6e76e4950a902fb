"""Copy the notebooks for a class, without the solutions of their exercises.

    python tools/strip_solutions.py --out handout/ [--hints] [--answers] [--outputs]
        [--repository OWNER/NAME]

The copies hold the same code cells, so they run wherever the package is installed. What is left out
is folded in the notebooks: the block called "Solution", with `--hints` those called "Hints", and
with `--answers` every other one, which are what a prediction reveals (its choices stay, as a list).
Outputs stay, so that a notebook can be read without running it, except those of the exercises, and
with `--outputs` all. Links to other files of the project lead to the repository on GitHub that
`--repository` names, and the copies install the package from there on Colab; without it these links
become plain text. The folder appears when it is complete, or not at all.
"""

import argparse
import ast
import os
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from bootstrap_cell import OWNER_AND_NAME, link_to_repository
from run_notebooks import ROOT, read_notebook, write_notebook
from tlvit_utils.checks.answers import blanks_in

FOLDED = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>(\n*)", re.DOTALL)
CHOICE = re.compile(r"\(\w\) ")
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")


def strip_text(text: str, *, hints: bool = False, answers: bool = False) -> str:
    """Return Markdown without its folded solutions, and on demand without what else is folded.

    Raises:
        ValueError: a folded block is not closed, or holds another one.
    """

    def replacement(block):
        title = re.sub(r"<.*?>", "", block[1]).strip()
        if "<details" in block[2]:
            raise ValueError(f"the folded block {title!r} is not closed, or holds another one")
        if title.startswith("Solution"):
            return ""
        if title.startswith("Hint"):
            return "" if hints else block[0]
        if not answers:
            return block[0]
        return f"- {title}\n{block[3][1:]}" if CHOICE.match(title) else ""

    stripped = FOLDED.sub(replacement, text)
    if text.count("<details") != len(FOLDED.findall(text)):
        raise ValueError("a folded block does not begin with <details><summary>, or is not closed")
    return stripped.strip()


def exercise_names(cell: NotebookNode) -> list[str]:
    """Return what an exercise's cell asks the learner to define.

    Raises:
        ValueError: the cell holds no `...`, so it was solved.
    """
    body = ast.parse(cell.source).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if not blanks_in(ast.parse(cell.source)):
        raise ValueError(f"the exercise {', '.join(names)} is solved in its own cell")
    return names


def strip_notebook(
    notebook: NotebookNode, *, hints: bool = False, answers: bool = False, outputs: bool = False
) -> None:
    """Take the solutions out of a notebook, in place; see `strip_text` for the rest.

    Raises:
        ValueError: a solution was not found where it belongs, in the cell after its exercise, or
            would still be readable; or as `strip_text` and `exercise_names`.
    """
    names = []
    for cell, after in pairwise([*notebook.cells, new_markdown_cell()]):
        if "exercise" in cell.metadata.get("tags", []):
            names += exercise_names(cell)
            if "<summary><b>Solution</b></summary>" not in after.source:
                raise ValueError(f"the cell after the exercise {names[-1]} holds no solution")
            cell.outputs, cell.execution_count = [], None
        elif outputs and cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = strip_text(cell.source, hints=hints, answers=answers)
            for name in names:
                if re.search(rf"\b(def|class) {name}\b", cell.source):
                    raise ValueError(f"{name} is written out in a text that is not a solution")
    notebook.cells = [cell for cell in notebook.cells if cell.source]
    if outputs:
        notebook.metadata.pop("widgets", None)


def check_links(notebook: NotebookNode, folder: Path) -> None:
    """Raise a ValueError if a link of a notebook in `folder` to another file leads nowhere."""
    for cell in notebook.cells:
        for link in LINK.findall(cell.source) if cell.cell_type == "markdown" else ():
            if not (folder / link).exists():
                raise ValueError(f"its link to {link} leads nowhere")


def make_handout(
    source: Path, out: Path, repository: str | None = None, **left_out: bool
) -> list[Path]:
    """Write the notebooks of the folder `source`, stripped, into the new folder `out`.

    Notebooks without a number, such as the glossary, have no exercises and are copied as they are.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError: `source` has no notebooks.
        ValueError: a notebook cannot be stripped, or one of its links leads nowhere.
        OSError: the folder cannot be written.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists; remove it, or name another folder")
    paths = sorted(source.glob("*.ipynb"))
    if not paths:
        raise FileNotFoundError(f"{source} holds no notebooks")
    temporary = out.with_name(f"{os.getpid()}.{out.name}")
    temporary.mkdir(parents=True)
    try:
        for path in paths:
            notebook = read_notebook(path)
            try:
                check_links(notebook, source)
                if path.name[0].isdigit():
                    strip_notebook(notebook, **left_out)
            except ValueError as error:
                raise ValueError(f"{path.name}: {error}") from error
            link_to_repository(notebook, repository)
            write_notebook(notebook, temporary / path.name)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [out / path.name for path in paths]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    parser.add_argument("--hints", action="store_true", help="leave out the hints, too")
    parser.add_argument("--answers", action="store_true", help="and what predictions reveal")
    parser.add_argument("--outputs", action="store_true", help="and the outputs of all cells")
    parser.add_argument("--repository", metavar="OWNER/NAME", help="on GitHub, where links lead")
    options = vars(parser.parse_args(arguments))
    if options["repository"] and not OWNER_AND_NAME.fullmatch(options["repository"]):
        parser.error("--repository must be OWNER/NAME, as on GitHub.")
    try:
        written = make_handout(ROOT / "notebooks", **options)
    except (ValueError, OSError) as error:
        sys.exit(f"Nothing was written: {error}.")
    print(f"{len(written)} notebooks in {options['out']}")


if __name__ == "__main__":
    main()
