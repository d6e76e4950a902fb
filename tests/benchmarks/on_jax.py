"""For tests of what needs JAX: a script in a process of its own, on the CPU."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

needs_jax = pytest.mark.skipif(
    find_spec("jax") is None, reason="JAX is not installed (.ci/run does that, later)"
)


def run_on_jax(script, folder):
    """Run `script` with the folder as its argument; return the lines that it printed."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()
