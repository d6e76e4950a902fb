"""Run the notebooks from fresh kernels, keep their outputs, and write down time and memory.

    python tools/run_notebooks.py [--profile smoke|quick|full] [notebook …]

Outputs are kept in the `quick` profile only, which is how the notebooks are committed; in the other
profiles a run is just measured. Minutes and peak memory go to `notebook_minutes.json` among the
package's results, and from there into the guide's table and the line of minutes that stands in the
notebook's first cell. Needs Linux or macOS.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "GUIDE.md"
RESULTS = ROOT / "tlvit_utils" / "assets" / "results" / "notebook_minutes.json"
MAX_BYTES = 3_800_000  # a live page with two networks takes 3 MB
MACHINE_PATH = re.compile(r"(?<![\w./+-])(?:/(?:home|root|work|tmp|private)/|[/\\]Users[/\\]+)\w")
MINUTES_LINE = re.compile(r"^\*Takes .+\*$", re.MULTILINE)
PEAK_MEMORY = "__import__('resource').getrusage(0).ru_maxrss"  # KiB; bytes on macOS


def all_notebooks() -> list[Path]:
    """Return the paths of the series, in its order."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def read_notebook(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def write_text(path: Path, text: str) -> None:
    """Write a file, complete or not at all."""
    from tlvit_utils._files import replacing  # here, since the site is built without Keras

    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> None:
    write_text(path, nbformat.writes(notebook) + "\n")


def faults(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Say what keeps an executed notebook from being committed."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        yield "its code cells were not all executed, in order and from a fresh kernel"
    for cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"a cell raised {output.ename}: {output.evalue}"
            elif output.get("name") == "stderr":
                yield f"a cell wrote to stderr: {output.text.strip()}"
    text = nbformat.writes(notebook)
    if match := MACHINE_PATH.search(text):
        yield f"it holds a path of this machine: {text[match.start() : match.start() + 60]!r}"
    if len(text.encode()) > MAX_BYTES:
        yield f"it is {len(text.encode()):,} bytes large, widgets' state included; make it smaller"


def execute(notebook: nbformat.NotebookNode) -> dict[str, float]:
    """Run all cells in a fresh kernel; return the seconds and the kernel's peak memory in MiB."""
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK_MEMORY))
    client = NotebookClient(notebook, timeout=None, record_timing=False, coalesce_streams=True)
    start = time.perf_counter()
    client.execute(cwd=ROOT / "notebooks")
    seconds = time.perf_counter() - start
    peak = int(notebook.cells.pop().outputs[0].data["text/plain"])
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"seconds": round(seconds, 1), "peak_mib": round(peak / unit)}


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Leave nothing in the metadata that changes from machine to machine."""
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    kept = ("tags", "jupyter", "cellView")
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in kept}


def minutes(measured: dict | None) -> str:
    """Return the minutes of one run, from 10 on without decimals; a dash where there was none."""
    if not measured:
        return "–"
    taken = measured["seconds"] / 60
    return f"{taken:.1f}" if taken < 9.95 else f"{taken:.0f}"


def with_measurements(guide: str, results: dict) -> str:
    """Return the guide with the three columns of its table filled from `results`."""

    def fill(row):
        runs = results.get(row["name"], {})
        quick = runs.get("quick")
        memory = f"{quick['peak_mib'] / 1024:.1f} GiB" if quick else "–"
        return f"{row['start']} {minutes(quick)} | {minutes(runs.get('smoke'))} | {memory} |"

    row = r"^(?P<start>\| \[(?P<name>\d\d_\w+)\].*\|)[^|\n]*\|[^|\n]*\|[^|\n]*\|$"
    return re.sub(row, fill, guide, flags=re.MULTILINE)


def with_minutes(head: str, runs: dict) -> str:
    """Return a notebook's first cell with its line of minutes filled from a `quick` run."""
    if not (quick := runs.get("quick")):
        return head
    seconds = quick["seconds"]
    long = seconds > 100
    taken = f"{seconds / 60:.0f} minutes" if long else f"{5 * max(1, round(seconds / 5))} seconds"
    return MINUTES_LINE.sub(f"*Takes about {taken} on two processor cores.*", head, count=1)


def save_measurement(notebook: str, profile: str, measured: dict[str, float]) -> dict:
    """Add one run to the results, with what it ran on, and return them all."""
    from tlvit_utils.session import session_fields

    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results.setdefault(notebook, {})[profile] = {
        **measured,
        "command": f"python tools/run_notebooks.py --profile {profile}",
        **session_fields(),
    }
    write_text(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")
    return results


def publish_measurements(path: Path, results: dict) -> None:
    """Write the results into the guide and into the first cell of the notebook at `path`."""
    write_text(GUIDE, with_measurements(GUIDE.read_text("utf-8"), results))
    notebook = read_notebook(path)
    notebook.cells[0].source = with_minutes(notebook.cells[0].source, results[path.stem])
    write_notebook(notebook, path)


def main(arguments: list[str] | None = None) -> None:
    """Run, measure, and save; stop at the first notebook that fails or may not be committed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=all_notebooks())
    parser.add_argument("--profile", choices=("smoke", "quick", "full"), default="quick")
    options = parser.parse_args(arguments)
    if missing := [str(path) for path in options.notebooks if not path.is_file()]:
        parser.error(f"there is no {', '.join(missing)}.")
    os.environ["TLVIT_PROFILE"] = options.profile
    for path in options.notebooks:
        notebook = read_notebook(path)
        measured = execute(notebook)
        print(f"{path.name}: {measured['seconds']:.0f} s, {measured['peak_mib']} MiB", flush=True)
        normalise(notebook)
        if found := list(faults(notebook)):
            sys.exit(f"{path.name} was not kept: " + "; ".join(found))
        if options.profile == "quick":
            write_notebook(notebook, path)
        publish_measurements(path, save_measurement(path.stem, options.profile, measured))


if __name__ == "__main__":
    main()
