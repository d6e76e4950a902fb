"""The bootstrap cell, with which every notebook begins.

pytest runs the notebooks themselves through nbmake.
"""

import os
import sys
from types import ModuleType

import pytest
from IPython.core.interactiveshell import InteractiveShell

import tlvit_utils
from bootstrap_cell import METADATA, SOURCE, bootstrap_source
from notebook_text import code_cells


@pytest.fixture(scope="module")
def series(notebooks):
    """The notebooks without the glossary, in order."""
    return [notebooks[name] for name in sorted(notebooks) if name[0].isdigit()]


def test_first_code_cell_is_the_bootstrap_cell(series):
    for notebook in series:
        first = code_cells(notebook)[0]
        assert (first.source, first.metadata) == (SOURCE, METADATA)


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


def test_bootstrap_installs_nothing_where_the_package_is(shell, capsys):
    assert shell.run_cell(SOURCE).success
    assert shell.pip_calls == []
    assert f"profile {os.environ['TLVIT_PROFILE']}" in capsys.readouterr().out


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
