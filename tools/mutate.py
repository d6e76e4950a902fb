"""Break the taught modules, one small fault at a time, and list the faults that no test notices.

    python tools/mutate.py [--count 30] [--seed 0] [module …]

A fault is another operator, constant or condition, two arguments swapped, an argument, a call or a
statement left out. The module's tests run up to the first failure. Keras is imported once; each
fault has a process of its own, forked from there. Tests that start a process are skipped, since the
module would be whole there. Needs Linux or macOS.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 900  # for the tests of one fault; an endless loop is a fault that was noticed
TESTS = {  # of each module, in tests/layers
    "augment": ["augment"],
    "patches": ["patches", "vit"],
    "blocks": ["blocks", "vit"],
    "token_learner": ["token_learner", "token_layers"],
    "token_fuser": ["token_learner", "token_layers"],
    "reductions": ["reductions", "token_layers"],
    "vit": ["vit"],
}
OTHER = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what could stand in the place of `node` by mistake."""

    def changed(**fields):
        other = copy.copy(node)
        vars(other).update(fields)
        return other

    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value + 1)
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in OTHER:
            yield changed(op=OTHER[type(op)]())
        case ast.Compare(ops=[op]):
            yield changed(ops=[OTHER[type(op)]()])
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.If() | ast.IfExp():
            yield changed(test=ast.Constant(False))
            yield changed(test=ast.Constant(True))
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Call(args=args, keywords=keywords):
            if args and not isinstance(args[0], ast.Starred):
                yield args[0]
            if len(args) > 1 and not any(isinstance(each, ast.Starred) for each in args):
                yield changed(args=[args[1], args[0], *args[2:]])
            for i in range(len(keywords)):
                yield changed(keywords=keywords[:i] + keywords[i + 1 :])


def faults(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, ast.AST]]:
    """Yield a parent, its field, the index in that, what stands there, and what could by mistake.

    Decorators, annotations and what is said in an error are left alone.
    """
    for field, value in ast.iter_fields(node):
        if field in ("decorator_list", "annotation", "returns"):
            continue
        for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise | ast.JoinedStr):
                for other in variants(child):
                    yield node, field, i, child, other
                yield from faults(child)


def break_source(source: str, number: int) -> tuple[ast.Module, str]:
    """Return the syntax tree with one of its faults, and what that is."""
    tree = ast.parse(source)
    parent, field, i, child, other = list(faults(tree))[number]
    words = f"{first_line(child)}  →  {first_line(other)}"
    if i is None:
        setattr(parent, field, other)
    else:
        getattr(parent, field)[i] = other
    return ast.fix_missing_locations(tree), f"{child.lineno}: {words}"


def first_line(node: ast.AST) -> str:
    first, *more = ast.unparse(node).splitlines()
    return f"{first} …" if more else first


class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a syntax tree."""

    def __init__(self, module, path, tree):
        self.module, self.path, self.tree = module, path, tree

    def find_spec(self, name, path, target=None):
        if name == self.module:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def exec_module(self, module):
        exec(compile(self.tree, self.path, "exec"), vars(module))


def notices(module: str, tree: ast.Module, log: Path) -> bool:
    """Return whether a test fails, or does not end, when the module is this syntax tree."""
    child = os.fork()
    if not child:
        try:
            code = run_tests(module, tree, log)
        finally:
            os._exit(code)
    for _ in range(10 * SECONDS):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True
    code = os.waitstatus_to_exitcode(status)
    if code > 2:  # 1: a test failed, 2: none could be imported; less than 0: a crash
        sys.exit(f"pytest ended with {code}; see {log}.")
    return code != 0


def run_tests(module, tree, log):
    import pytest

    def start_no_process(*_, **__):
        pytest.skip("another process would not have the fault")

    with open(log, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    path = ROOT / "tlvit_utils" / f"{module}.py"
    sys.meta_path.insert(0, Broken(f"tlvit_utils.{module}", str(path), tree))
    subprocess.Popen = start_no_process
    tests = [f"tests/layers/test_{name}.py" for name in TESTS[module]]
    plugins = [f"-pno:{name}" for name in ("randomly", "cacheprovider", "xdist")]
    return int(pytest.main(["-q", "-x", *plugins, *tests]))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="module", help=", ".join(TESTS))
    parser.add_argument("--count", type=int, default=30, help="faults in each module; 30")
    parser.add_argument("--seed", type=int, default=0, help="of their choice; 0")
    log = Path(tempfile.gettempdir(), "mutate.log")
    parser.add_argument("--log", type=Path, default=log, help=f"of the last tests; {log}")
    options = parser.parse_args(arguments)
    if unknown := set(options.modules) - set(TESTS):
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(TESTS)}.")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import keras  # noqa: F401  once, for all faults
    import matplotlib.figure  # noqa: F401

    for module in options.modules or TESTS:
        source = (ROOT / "tlvit_utils" / f"{module}.py").read_text("utf-8")
        if notices(module, ast.parse(source), options.log):
            sys.exit(f"The tests fail without any fault; see {options.log}.")
        draw = random.Random(options.seed)  # more faults are these and others
        known = range(len(list(faults(ast.parse(source)))))
        chosen = sorted(known, key=lambda _: draw.random())[: options.count]
        survivors = 0
        for number in sorted(chosen):
            tree, words = break_source(source, number)
            if not notices(module, tree, options.log):
                survivors += 1
                print(f"{module}.py:{words}", flush=True)
        print(f"{module}: {len(chosen) - survivors} of {len(chosen)} faults noticed", flush=True)


if __name__ == "__main__":
    main()
