"""The shape of the package: no circle, arrows in one direction."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tlvit_utils

PACKAGE = Path(tlvit_utils.__file__).parent
LAYERS = {"augment", "patches", "blocks", "token_learner", "token_fuser", "reductions", "vit"}
ROOMS = {"data", "training", "analysis", "figures", "widgets", "live", "checks"}
UNKNOWN = {  # what a room must not import
    **dict.fromkeys(LAYERS, ROOMS | {"pretrained"}),
    "data": LAYERS | {"training", "analysis", "widgets", "live", "checks", "pretrained"},
    "figures": {"widgets", "live", "checks"},
    "analysis": {"widgets", "live", "checks"},
    "training": {"widgets", "live", "checks"},
}


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(nodes):
    """Yield the full names of what these parts of a module import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


TREES = {name_of(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
GRAPH = {  # in functions too
    name: {
        each if each in TREES else each.rpartition(".")[0]
        for each in imports(ast.walk(tree))
        if each.startswith("tlvit_utils.")
    }
    - {"tlvit_utils"}
    for name, tree in TREES.items()
}


def test_no_import_circle():
    list(TopologicalSorter(GRAPH).static_order())  # raises CycleError


@pytest.mark.parametrize("room", sorted(UNKNOWN))  # in one order, for pytest-xdist
def test_arrows_go_one_way(room):
    name = f"tlvit_utils.{room}"
    of_room = [each for each in GRAPH if each == name or each.startswith(f"{name}.")]
    assert of_room
    known = {(each, to.split(".")[1]) for each in of_room for to in GRAPH[each]}
    assert not {(each, to) for each, to in known if to in UNKNOWN[room]}


def test_importing_the_package_does_not_import_tensorflow():
    """By itself; a Keras on TensorFlow does. An import inside a function is fine."""
    for name, tree in TREES.items():
        assert not [each for each in imports(tree.body) if each.startswith("tensorflow")], name
