"""Every command that a result file or a model card names is one that its script still takes."""

import argparse
import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

import tlvit_utils

ASSETS = Path(tlvit_utils.__file__).parent / "assets"
COMMANDS = sorted(
    {
        json.loads(command)
        for path in ASSETS.glob("**/*.json")
        for command in re.findall(r'"command": (".*")', path.read_text("utf-8"))
    }
)


BAD = [
    ("published_example", "--num-tokens 0", "--num-tokens: 0 is not .* from 1 to"),
    ("published_example", "--epochs 0", "--epochs: 0 is not .* from 1 to"),
    ("nested", "--runs nowhere", "nowhere.*study.py"),
    ("walk", "--out odd.json", "odd.json holds other things than rows"),
    ("run_notebooks", "nowhere.ipynb", "there is no nowhere.ipynb"),
    ("make_weights", "odd.json name", "odd.json does not hold an experiment"),
    ("make_weights", "nowhere.json name", "nowhere.json"),
    ("tlvit_utils.training.runs", "--out . --seed 4294967296", "--seed: 4294967296 is not"),
    ("on_gpu", "--out . --seeds -1", "--seeds: -1 is not .* from 0 to"),
]


@pytest.mark.parametrize(("module", "arguments", "message"), BAD)
def test_bad_arguments_get_one_line(module, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("odd.json").write_text("{}")
    monkeypatch.setattr("sys.argv", [f"{module}.py", *shlex.split(arguments)])
    with pytest.raises(SystemExit) as stopped:
        import_module(module).main()
    assert stopped.value.code == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)


class ParsedError(Exception):
    """The script has taken its arguments and would now begin."""


def test_there_are_commands():
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_a_recorded_command_can_be_given_again(command, monkeypatch):
    words = shlex.split(command)
    if words[1:3] == ["-m", "tlvit_utils"]:
        module, arguments = import_module("tlvit_utils.training.runs"), words[3:]
    else:
        module, arguments = import_module(Path(words[1]).stem), words[2:]
    # the last check of the arguments, which some scripts make after parsing
    place, name = argparse.ArgumentParser, "parse_args"
    if hasattr(module, "table_path"):
        place, name = module, "table_path"
    check = getattr(place, name)

    def stop(*arguments):
        check(*arguments)
        raise ParsedError

    monkeypatch.setattr(place, name, stop)
    monkeypatch.setattr("sys.argv", [words[1], *arguments])
    with pytest.raises(ParsedError):
        module.main()
