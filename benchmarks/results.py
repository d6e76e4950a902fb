"""Where the benchmarks' numbers go: into the package, with what made them."""

import os
import platform
from pathlib import Path

import keras
import tensorflow as tf

import tlvit_utils
from tlvit_utils.training import save_result


def save_rows(name: str, rows: list[dict], **facts) -> None:
    """Write the rows of `benchmarks/NAME.py` to `assets/results/NAME.json`."""
    path = Path(tlvit_utils.__file__).parent / "assets" / "results" / f"{name}.json"
    save_result(
        path,
        command=f"python benchmarks/{name}.py",
        **facts,
        machine=f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        versions={
            "python": platform.python_version(),
            "keras": keras.version(),
            "tensorflow": tf.__version__,
        },
        rows=rows,
    )
    print(f"Wrote {path.name}.")
