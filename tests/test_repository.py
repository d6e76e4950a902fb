"""The project's own files, as git would commit them: style, commands, links, addresses."""

import json
import os
import re
import subprocess
import sys
import tomllib

import nbformat
import pytest
import yaml

from bootstrap_cell import SOURCE
from run_notebooks import MACHINE_PATH, RESULTS, ROOT, with_measurements

INDEX_ADDRESS = re.compile(r"--(?:(?:extra-)?index-url|find-links)|pypi\.org|files\.pythonhosted")
RELATIVE_LINK = re.compile(r"""(?:\]\(|(?:href|src)=["'])(?!\w+:|#)([^)\s"'#]+)""")


def read(path):
    return path.read_text(encoding="utf-8")


def block_after(marker, text):
    """Return what stands in the first fenced block after `marker`."""
    fenced = text.split(marker, 1)[1].split("```")[1]
    return fenced.split("\n", 1)[1]


@pytest.fixture(scope="module")
def readme(committed):
    return read(committed / "README.md")


@pytest.fixture(scope="module")
def texts(committed):
    """The contents of every file that is not binary, by its path."""
    paths = [path for path in committed.rglob("*") if path.is_file()]
    return {
        path.relative_to(committed).as_posix(): read(path)
        for path in paths
        if b"\0" not in path.read_bytes()
    }


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_has_nothing_to_say(committed, command):
    ruff = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
    result = subprocess.run(ruff, cwd=committed, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_ci_runs_the_command_of_the_readme(committed, readme, tmp_path):
    command = block_after("<!-- the test command", readme).strip()
    stub = tmp_path / "python3"  # stands for Python: says how it is called, and fails
    stub.write_text('#!/bin/sh\necho "python3 $*, constraints: $PIP_CONSTRAINT"\nexit 7\n')
    browser = tmp_path / "chromium"  # so that none is installed
    browser.touch()
    for each in (stub, browser):
        each.chmod(0o755)
    result = subprocess.run(
        ["bash", committed / ".ci" / "run"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    called = "python3 -m venv .venv, constraints: .ci/constraints.txt"
    assert result.stdout.splitlines() == [command, called]
    assert result.returncode == 7


def test_ci_on_windows_runs_the_line_of_the_readme(committed, readme):
    workflow = yaml.safe_load(read(committed / ".github" / "workflows" / "ci.yml"))
    windows = workflow["jobs"]["test"]["steps"][-1]
    assert windows["if"] == "runner.os == 'Windows'"
    assert f"| `{windows['run']}` |" in readme


def test_environment_installs_what_the_first_command_installs(committed, readme):
    environment = yaml.safe_load(read(committed / "environment.yml"))
    requirements = environment["dependencies"][-1]["pip"]
    (first_command,) = block_after("## Two commands", readme).splitlines()
    assert [f'-e "{each.removeprefix("-e ")}"' for each in requirements] == re.findall(
        r'-e "[^"]+"', first_command
    )


@pytest.mark.parametrize("constraints", ["constraints.txt", "colab.txt"])
def test_constraints_pin_what_pyproject_asks_for(committed, constraints):
    project = tomllib.loads(read(committed / "pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["course"] + extras["test"]
    pinned = re.findall(r"^([\w-]+)==", read(committed / ".ci" / constraints), re.MULTILINE)
    assert {re.match(r"[\w-]+", each)[0] for each in wanted} <= set(pinned)


def test_no_file_holds_a_path_of_a_machine_or_an_index(texts):
    patterns = (MACHINE_PATH, INDEX_ADDRESS)
    found = {name: p.search(text) for name, text in texts.items() for p in patterns}
    assert not {name: match for name, match in found.items() if match}


def test_the_projects_address_stands_in_the_bootstrap_cell_only(texts):
    address = re.search(r'REPOSITORY = "https://(.+)"', SOURCE)[1]
    holding = {name: text.count(address) for name, text in texts.items() if address in text}
    notebooks = [name for name in texts if re.match(r"notebooks/\d\d_", name)]
    assert holding == dict.fromkeys(["tools/bootstrap_cell.py", *notebooks], 1)


def test_relative_links_lead_somewhere(texts, committed):
    broken = []
    for name, text in texts.items():
        if name.endswith(".ipynb"):
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        elif not name.endswith(".md"):
            continue
        folder = (committed / name).parent
        broken += [(name, to) for to in RELATIVE_LINK.findall(text) if not (folder / to).exists()]
    assert not broken


def test_a_wheel_holds_every_asset(committed):
    project = tomllib.loads(read(committed / "pyproject.toml"))
    (pattern,) = project["tool"]["setuptools"]["package-data"]["tlvit_utils"]
    package = committed / "tlvit_utils"
    not_python = {p for p in package.rglob("*") if p.is_file() and p.suffix != ".py"}
    assert not_python
    assert not_python <= set(package.glob(pattern))


def test_readmes_minutes_are_the_measured_ones(readme, committed):
    results = json.loads(read(committed / RESULTS.relative_to(ROOT)))
    assert results
    assert with_measurements(readme, results) == readme


def test_readmes_ten_lines_run(readme):
    code = block_after("<!-- a test runs the next block", readme)
    assert len([line for line in code.splitlines() if line]) == 10
    names = {}
    exec(code, names)
    assert names["probabilities"].shape == (1, 10)
    assert names["maps"].shape == (1, 8, 8, 8)
