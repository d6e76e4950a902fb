"""The pages for readers and teachers: their commands, their example, and what they count."""

import json
import re
import shlex

import pytest
from notebook_text import markdown

from run_notebooks import RESULTS, ROOT, read_notebook
from tlvit_utils.checks import CheckError

SCRIPT = re.compile(r"python3? (?!-)(\S+\.py)((?: --?[a-z]+)*)")
TESTS = re.compile(r"-m pytest ([^`\n|]*)")
MODULE = re.compile(r"python3? -m (tlvit_utils[.\w]*)")
CODE = re.compile(r'python -c "(.*?)"', re.DOTALL)
ROW = re.compile(r"^\| \[(\d\d_\w+)\]\(\S+\) \| (\d+) \| ([\d+ –]+) \|$", re.MULTILINE)
MINUTES = re.compile(r"^### Exercise \d: .+ \*\((\d+) minutes\)\*$", re.MULTILINE)
OURS = "10_name.ipynb"  # what the page calls the notebook that the reader adds


@pytest.fixture(scope="module")
def pages(committed):
    """The text of the README and of every page in docs/, by its path."""
    paths = [committed / "README.md", *(committed / "docs").glob("*.md")]
    return {path.relative_to(committed).as_posix(): path.read_text("utf-8") for path in paths}


@pytest.fixture(scope="module")
def teaching(pages):
    return pages["docs/TEACHING.md"]


@pytest.fixture(scope="module")
def notebooks(committed):
    paths = sorted((committed / "notebooks").glob("[0-9]*.ipynb"))
    return {path.stem: read_notebook(path) for path in paths}


def test_the_readme_leads_to_the_teachers_page(pages):
    assert "(docs/TEACHING.md)" in pages["README.md"]


def test_commands_name_files_and_options_that_exist(pages, committed):
    commands = [match for text in pages.values() for match in SCRIPT.findall(text)]
    assert len(commands) > 5
    for path, options in commands:
        script = (committed / path).read_text("utf-8")
        assert [each for each in shlex.split(options) if f'"{each}"' not in script] == [], path
    modules = [each for text in pages.values() for each in MODULE.findall(text)]
    assert modules
    for each in modules:
        assert (committed / f"{each.replace('.', '/')}.py").exists(), each


def test_commands_run_tests_and_notebooks_that_exist(pages, committed):
    named = [
        path for text in pages.values() for each in TESTS.findall(text) for path in each.split()
    ]
    named += re.findall(
        r"`((?:tests|tools|tlvit_utils|benchmarks|notebooks)/[\w./]+)`", " ".join(pages.values())
    )
    assert len(named) > 5
    assert [each for each in named if OURS not in each and not (committed / each).exists()] == []


def test_lines_of_python_name_functions_that_exist(pages):
    lines = [code for text in pages.values() for code in CODE.findall(text)]
    assert lines
    for each in lines:
        first, call = each.split("; ")
        names = {}
        exec(first, names)
        assert callable(eval(call.split("(")[0], names))


def test_table_has_the_minutes_of_the_exercises(teaching, notebooks):
    rows = ROW.findall(teaching)
    assert [name for name, *_ in rows] == list(notebooks)
    for name, _, exercises in rows:
        minutes = MINUTES.findall(markdown(notebooks[name]))
        assert exercises == (" + ".join(minutes) or "–"), name


def test_table_has_the_minutes_of_reading(teaching, notebooks):
    for name, stated, _ in ROW.findall(teaching):
        text, *_ = markdown(notebooks[name]).split("\n## Exercises")
        words = len(re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "]", text)))
        lines = sum(
            len(cell.source.splitlines())
            for cell in notebooks[name].cells
            if cell.cell_type == "code" and "tags" not in cell.metadata
        )
        counted = words / 150 + lines / 15 + text.count("**Predict")
        assert abs(int(stated) - counted) < 10, f"{name}: {counted:.0f}"


def test_every_notebook_fits_into_two_gib(committed):
    results = json.loads((committed / RESULTS.relative_to(ROOT)).read_text("utf-8"))
    peaks = {
        (name, p): run["peak_mib"] for name, runs in results.items() for p, run in runs.items()
    }
    assert {each: peak for each, peak in peaks.items() if each[1] != "full" and peak >= 2048} == {}


def test_the_example_of_a_check_works(teaching, capsys):
    block = teaching.split("<!-- a test runs the next block -->")[1].split("```")[1]
    names = {}
    exec("\n".join(line.removeprefix("   ") for line in block.splitlines()[1:]), names)
    check = names["check_centred"]
    check(lambda x: ...)
    check(lambda x: x - x.mean(axis=1, keepdims=True))
    assert capsys.readouterr().out.splitlines() == [
        "centred: not done yet",
        "centred: right (3 random arrays)",
    ]
    with pytest.raises(CheckError, match="Wrong axis"):
        check(lambda x: x - x.mean(axis=0, keepdims=True))
