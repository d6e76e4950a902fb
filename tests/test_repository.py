"""The project's own files, as git would commit them: style, spelling, commands, what is pinned."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
import yaml

from run_notebooks import MACHINE_PATH, ROOT

INDEX_ADDRESS = re.compile(r"--(?:(?:extra-)?index-url|find-links)|pypi\.org|files\.pythonhosted")


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
def project(committed):
    """What `pyproject.toml` says of the package."""
    return tomllib.loads(read(committed / "pyproject.toml"))["project"]


def output_of(*command, cwd):
    """Return what a checker complains of."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    return result.stdout + result.stderr if result.returncode else ""


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_has_nothing_to_say(committed, command):
    ruff = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
    assert output_of(*ruff, cwd=committed) == ""


def test_spelling_is_british_and_has_no_typing_errors(committed, notebooks, tmp_path):
    """In all files; of the notebooks, whose outputs hold pictures as letters, in their cells."""
    typos = [Path(sysconfig.get_path("scripts"), "typos"), "--config", "pyproject.toml"]
    for name, notebook in notebooks.items():
        for number, cell in enumerate(notebook.cells):
            ending = "py" if cell.cell_type == "code" else "md"
            (tmp_path / f"{name}_cell_{number}.{ending}").write_text(cell.source, "utf-8")
    (tmp_path / "american.md").write_text("Its colour.".replace("u", ""), "utf-8")
    found = output_of(*typos, "--format", "brief", ".", tmp_path, cwd=committed).splitlines()
    assert [line for line in found if "american.md" not in line] == []
    assert len(found) == 1


def test_environment_installs_what_the_first_command_installs(committed, readme):
    environment = yaml.safe_load(read(committed / "environment.yml"))
    requirements = environment["dependencies"][-1]["pip"]
    (first_command,) = block_after("## Two commands", readme).splitlines()
    assert [f'-e "{each.removeprefix("-e ")}"' for each in requirements] == re.findall(
        r'-e "[^"]+"', first_command
    )


@pytest.mark.parametrize("constraints", ["constraints.txt", "colab.txt"])
def test_constraints_pin_what_pyproject_asks_for(committed, project, constraints):
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["course"] + extras["test"]
    pinned = re.findall(r"^([\w-]+)==", read(committed / ".ci" / constraints), re.MULTILINE)
    assert {re.match(r"[\w-]+", each)[0] for each in wanted} <= set(pinned)


def test_the_lowest_versions_are_those_that_pyproject_allows(committed, project):
    wanted = project["dependencies"] + project["optional-dependencies"]["course"]
    lowest = re.findall(
        r"^([\w-]+)==([\d.]+)", read(committed / ".ci" / "lowest.txt"), re.MULTILINE
    )
    asked = dict(each.split(">=") for each in wanted)
    pinned = {name: version.removesuffix(".0") for name, version in lowest}
    assert asked.items() <= pinned.items()


def test_no_file_holds_a_path_of_a_machine_or_an_index(committed):
    for path in filter(Path.is_file, committed.rglob("*")):
        if b"\0" not in path.read_bytes():
            found = [pattern.search(read(path)) for pattern in (MACHINE_PATH, INDEX_ADDRESS)]
            assert found == [None, None], path


def test_no_module_imports_a_backend_at_its_top(committed):
    """Keras does, one of them. An import inside a function is fine."""
    backend = re.compile(r"^(import|from) (tensorflow|jax|torch)\b", re.MULTILINE)
    for path in (committed / "tlvit_utils").rglob("*.py"):
        assert not backend.search(read(path)), path


@pytest.fixture(scope="module")
def ten_lines(readme):
    """The README's example of the package alone."""
    return block_after("<!-- a test runs the next block", readme)


def test_readmes_ten_lines_run(ten_lines):
    names = {}
    exec(ten_lines, names)
    assert names["probabilities"].shape == (1, 10)
    assert names["maps"].shape == (1, 4, 8, 8)


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_runs_the_ten_lines(committed, ten_lines, tmp_path):
    """What the package needs comes from this environment, so nothing is downloaded."""
    source = shutil.copytree(committed, tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "--isolated", "-q", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    venv.create(environment)
    paths = sysconfig.get_paths(vars={"base": environment, "platbase": environment})
    folder = Path(paths["purelib"])
    install = ["install", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run([*pip, *install], check=True)
    files = [path for path in (committed / "tlvit_utils").rglob("*") if path.is_file()]
    assert not [path for path in files if not (folder / path.relative_to(committed)).exists()]

    (folder / "here.pth").write_text(sysconfig.get_path("purelib"))
    code = f"""{ten_lines}
import tlvit_utils

predict_with_maps(tlvit_utils.load_pretrained(), np.zeros((1, 32, 32, 3), "uint8"))
print(tlvit_utils.__file__)"""
    python = Path(paths["scripts"]) / "python"
    output = subprocess.run([python, "-I", "-c", code], check=True, stdout=subprocess.PIPE)
    assert Path(output.stdout.decode().splitlines()[-1]).is_relative_to(folder)


SCRIPTS = sorted(
    path
    for folder in ("tools", "benchmarks")
    for path in (ROOT / folder).glob("*.py")
    if "__main__" in path.read_text("utf-8")
)


RUN_ALL = """
import contextlib, io, json, runpy, sys
sys.modules["jax"] = None  # as where it is not installed
said = {}
for script in sys.argv[1:]:
    for argument in ("--help", "--nonsense"):
        sys.argv = [script, argument]
        sys.path[0] = script.rpartition("/")[0]
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as ended:
                said[f"{script} {argument}"] = ended.code or 0, output.getvalue()
print(json.dumps(said))
"""


@pytest.mark.slow
def test_help_of_a_script_does_nothing_but_help(pages, committed, tmp_path):
    """It names the options that the pages use; a bad argument ends in one line."""
    source = shutil.copytree(committed, tmp_path / "source")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    scripts = [path.relative_to(ROOT).as_posix() for path in SCRIPTS]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-B", "-c", RUN_ALL, *scripts]
    said = json.loads(
        subprocess.check_output(command, cwd=source, env=environment).splitlines()[-1]
    )
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    text = "\n".join(pages.values())
    for script in scripts:
        (code, helped), (bad, refused) = said[f"{script} --help"], said[f"{script} --nonsense"]
        assert (code, bad) == (0, 2), script
        assert "error: " in refused.splitlines()[-1]
        used = re.findall(rf"{script}((?: [^\s`|&;]+)*)", text)
        assert [x for x in re.findall(r" (--[a-z-]+)", " ".join(used)) if x not in helped] == []
