"""Where the benchmarks' numbers go: into the package, with what made them."""

from pathlib import Path

import tlvit_utils
from tlvit_utils._files import save_result
from tlvit_utils.session import session_fields


def result_path(name: str) -> Path:
    """Return where the numbers of `benchmarks/NAME.py` lie: `assets/results/NAME.json`."""
    return Path(tlvit_utils.__file__).parent / "assets" / "results" / f"{name}.json"


def save_rows(name: str, rows: list[dict], **facts) -> None:
    """Write the rows of `benchmarks/NAME.py` to `assets/results/NAME.json`.

    Facts that are given replace those that are known here: the command, the machine, the versions.
    """
    path = result_path(name)
    known = {"command": f"python benchmarks/{name}.py", **session_fields()}
    save_result(path, **{**known, **facts}, rows=rows)
    print(f"Wrote {path.name}.")
