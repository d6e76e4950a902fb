"""What notebooks and package say alike, the bootstrap cell, and the tools that make the notebooks.

pytest runs the notebooks themselves through nbmake.
"""

import ast
import inspect
import os
import sys
import textwrap
from types import ModuleType

import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_text import SOLUTION, code_cells, markdown

import tlvit_utils
from bootstrap_cell import METADATA, SOURCE, TAG, bootstrap_source
from run_notebooks import MAX_BYTES, faults, with_measurements, with_minutes
from sync_bootstrap import sync

BUILT_IN_NOTEBOOKS = (
    "PatchEncoder",
    "MLP",
    "TransformerBlock",
    "TokenLearner",
    "TokenLearnerV11",
    "TokenFuser",
)


@pytest.fixture(scope="module")
def series(notebooks):
    """The notebooks without the glossary, in order."""
    return [notebooks[name] for name in sorted(notebooks) if name[0].isdigit()]


def test_first_code_cell_is_the_bootstrap_cell(series):
    for notebook in series:
        first = code_cells(notebook)[0]
        assert (first.source, first.metadata) == (SOURCE, METADATA)


def component_classes(notebook):
    """Yield the components that a notebook builds: the classes of its solutions."""
    for source in SOLUTION.findall(markdown(notebook)):
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and node.name in BUILT_IN_NOTEBOOKS:
                yield node


def body_of_call(class_definition):
    """Return the statements of `call` without its docstring, as text that can be compared."""
    (call,) = (n for n in class_definition.body if getattr(n, "name", None) == "call")
    has_docstring = ast.get_docstring(call) is not None
    return ast.unparse(call.body[has_docstring:])


def test_components_say_what_the_package_says(series):
    built = [each for notebook in series for each in component_classes(notebook)]
    assert sorted(each.name for each in built) == sorted(BUILT_IN_NOTEBOOKS)
    for each in built:
        source = textwrap.dedent(inspect.getsource(getattr(tlvit_utils, each.name)))
        assert body_of_call(each) == body_of_call(ast.parse(source).body[0]), each.name


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """An IPython shell whose `%pip` makes the package importable and notes how it was called."""

    def pip(line):
        shell.pip_calls.append(line)
        monkeypatch.setitem(sys.modules, "tlvit_utils", tlvit_utils)

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell()
    shell.pip_calls = []
    shell.register_magic_function(pip)
    return shell


@pytest.fixture
def no_package(monkeypatch):
    """No `import tlvit_utils`, as if it were not installed."""
    monkeypatch.setitem(sys.modules, "tlvit_utils", None)


def lowest_free_descriptor():
    descriptor = os.dup(2)
    os.close(descriptor)
    return descriptor


def test_bootstrap_installs_nothing_where_the_package_is(shell, capsys):
    before = lowest_free_descriptor()
    assert shell.run_cell(SOURCE).success
    assert shell.pip_calls == []
    assert f"profile {os.environ['TLVIT_PROFILE']}" in capsys.readouterr().out
    assert lowest_free_descriptor() == before


@pytest.mark.parametrize("address", ["", "https://github.com/ada/course"])
def test_bootstrap_on_colab_installs_the_package_alone(address, shell, no_package, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    result = shell.run_cell(bootstrap_source(address))
    if address:
        assert result.success
        assert shell.pip_calls == [f"install -q --no-deps git+{address}"]
    else:
        assert "On Colab, set REPOSITORY in this cell" in str(result.error_in_exec)
        assert shell.pip_calls == []


def test_bootstrap_says_what_to_run_elsewhere(shell, no_package):
    result = shell.run_cell(SOURCE)
    assert isinstance(result.error_in_exec, ModuleNotFoundError)
    assert 'Run %pip install -e "..[course]"' in str(result.error_in_exec)
    assert shell.pip_calls == []


def test_sync_replaces_or_adds_the_bootstrap_cell():
    bootstrap = new_code_cell("an old one", metadata={"tags": [TAG]})
    old = new_notebook(cells=[new_markdown_cell("# Title"), bootstrap, new_code_cell("1")])
    none = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("1")])
    for notebook in (old, none):
        assert sync(notebook)
        assert [cell.source for cell in notebook.cells] == ["# Title", SOURCE, "1"]
        assert notebook.cells[1].metadata == METADATA
        assert not sync(notebook)


def executed(*outputs):
    return new_notebook(cells=[new_code_cell("1", execution_count=1, outputs=list(outputs))])


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        (new_notebook(cells=[new_code_cell("1")]), "not all executed"),
        (executed(new_output("error", ename="KeyError", evalue="'x'")), "KeyError: 'x'"),
        (executed(new_output("stream", name="stderr", text="a warning")), "a warning"),
        (executed(new_output("stream", text="in " + "/home/" + "ada/course")), "path"),
        (executed(new_output("stream", text="x" * MAX_BYTES)), "bytes"),
    ],
    ids=["not executed", "error", "stderr", "path", "large"],
)
def test_unfit_notebooks_are_found_out(notebook, says):
    (fault,) = faults(notebook)
    assert says in fault


def test_a_fit_notebook_has_no_faults():
    assert list(faults(executed(new_output("stream", text="https://keras.io/home/page")))) == []


def test_measurements_are_written_into_the_readme_and_the_notebooks_head():
    runs = {"quick": {"seconds": 140, "peak_mib": 1536}, "smoke": {"seconds": 12, "peak_mib": 1024}}
    row = "| [05_training](x) | a, b | see | – | – | – |"
    filled = row.replace("| – | – | – |", "| 2.3 | 0.2 | 1.5 GiB |")
    for before in (row, filled):
        assert with_measurements(before, {"05_training": runs}) == filled
    head = "# 05 Training\n\n*Takes 1 minute.*\n\nWhat *Takes* time?"
    expected = head.replace("1 minute", "about 2 minutes on two processor cores")
    assert with_minutes(head, runs) == expected
