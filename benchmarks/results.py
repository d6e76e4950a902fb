"""Where the benchmarks' numbers go: into the package, with what made them."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import tlvit_utils
from tlvit_utils._files import save_result
from tlvit_utils.data import Dataset
from tlvit_utils.session import session_fields
from tlvit_utils.training.runs import images_sha256, shown_command

KNOWN_COPIES = {  # SHA-256 of the 40,000 training images
    "59f15aaa69770ac87e285429c5019e150d40a6f2c9d67553d7c6a1e9cb37ca2c": (
        "CIFAR-10 decoded from JPEG copies: order and labels are the original's, the pixels differ "
        "by 5.8 of 255 in the mean of 6,187 images compared."
    )
}


def result_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, which writes its result only with `--write`."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep the numbers in the package")
    return parser


def table_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark that keeps its rows in a file, or ships them."""
    parser = result_parser(description)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="keep them in this file")
    return parser


def table_path(parser: argparse.ArgumentParser, options, name: str) -> Path:
    """Return where the rows go; neither or both of the two options end the program."""
    if bool(options.out) == options.write:
        parser.error("give either --out FILE.json or, to change the package's results, --write.")
    return options.out or result_path(name)


def result_path(name: str) -> Path:
    """Return where the numbers of `benchmarks/NAME.py` lie: `assets/results/NAME.json`."""
    return Path(tlvit_utils.__file__).parent / "assets" / "results" / f"{name}.json"


def load_rows(path: Path) -> list[dict]:
    """Return the rows that a result file has so far: none where there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []


def experiment_path(study: str, method: str, runs: Path) -> Path:
    """Return the file beside which the trainings of a method of `study.py` keep theirs."""
    return runs / f"{study}_{method.replace(' ', '_')}.json"


def rate(count: int, work: Callable[[], object], repeats: int) -> float:
    """Return how many of `count` one core does per second, the median of some passes.

    The time is what the process spends on all its cores; other work on the machine changes it
    little.
    """
    work()  # compiles, or builds tables
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return round(count / median(seconds), 1)


def training_images_fields(dataset: Dataset) -> dict[str, str]:
    """Return the SHA-256 of the training images, and a note where they are a known copy."""
    fields = {"train_images_sha256": images_sha256(dataset)}
    if note := KNOWN_COPIES.get(fields["train_images_sha256"]):
        fields["train_images_note"] = note
    return fields


def save_rows(name: str, rows: list[dict], **fields) -> None:
    """Write the rows of the benchmark that runs to `assets/results/NAME.json`.

    The command, the machine and the versions are added, unless `fields` has them.
    """
    path = result_path(name)
    program = f"benchmarks/{Path(sys.argv[0]).name}"
    known = {"command": shown_command(program, sys.argv[1:]), **session_fields()}
    save_result(path, **{**known, **fields}, rows=rows)
    print(f"Wrote {path.name}.")
