"""Write the bootstrap cell into the notebooks; their outputs stay.

    python tools/sync_bootstrap.py

Replaces the cell tagged `bootstrap`; where a notebook has none, puts it before the first code cell.
"""

import argparse

import nbformat

from bootstrap_cell import METADATA, SOURCE, TAG
from run_notebooks import all_notebooks, read_notebook, write_notebook


def sync(notebook: nbformat.NotebookNode) -> bool:
    """Make the bootstrap cell of `notebook` what it must be; return whether it was not."""
    cells = notebook.cells
    cell = next((cell for cell in cells if TAG in cell.metadata.get("tags", [])), None)
    if cell is None:
        first_code = [cell.cell_type for cell in cells].index("code")
        cell = nbformat.v4.new_code_cell(id=TAG)
        cells.insert(first_code, cell)
    changed = (cell.source, cell.metadata) != (SOURCE, METADATA)
    cell.source, cell.metadata = SOURCE, nbformat.from_dict(METADATA)
    return changed


def main(arguments: list[str] | None = None) -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(arguments)
    for path in all_notebooks():
        notebook = read_notebook(path)
        changed = sync(notebook)
        if changed:
            write_notebook(notebook, path)
        print(f"{path.name}: {'changed' if changed else 'unchanged'}")


if __name__ == "__main__":
    main()
