"""The first code cell of every notebook. `python tools/sync_bootstrap.py` writes it into them.

`REPOSITORY` stays empty here: the copies that are published know where they lie.
"""

import re

from nbformat import NotebookNode

TAG = "bootstrap"
METADATA = {"tags": [TAG], "jupyter": {"source_hidden": True}, "cellView": "form"}  # folded
OWNER_AND_NAME = re.compile(r"[\w.-]+/[\w.-]+")  # of a repository on GitHub
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]+)\)")

SOURCE = """\
# @title Set up: find the course's package and describe this session
import importlib.util
import os
import sys

REPOSITORY = ""  # @param {type: "string"}
if importlib.util.find_spec("tlvit_utils") is None:
    if not REPOSITORY or "google.colab" not in sys.modules:
        raise ModuleNotFoundError(
            'This kernel has no tlvit_utils. Run %pip install -e "..[course]" in a new cell (.. is '
            "the project's folder) and restart the kernel. On Colab, set REPOSITORY in this cell "
            "to the project's address on GitHub and run the cell again."
        )
    %pip install -q --no-deps git+{REPOSITORY}

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
stderr = os.dup(2)
with open(os.devnull, "w") as silence:
    os.dup2(silence.fileno(), 2)  # TensorFlow greets with log lines
try:
    from tlvit_utils.session import current_profile, describe_session, use_course_settings

    use_course_settings()  # float32, channels last
    PROFILE = current_profile()
    print(describe_session())
finally:
    os.dup2(stderr, 2)
    os.close(stderr)"""


def bootstrap_source(address: str = "") -> str:
    """Return the cell's source, with the project's address where it is known."""
    return SOURCE.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"', 1)


def link_to_repository(notebook: NotebookNode, repository: str | None) -> None:
    """Let a copy's links to the project's other files lead to its repository, in place.

    Without a repository only their text stays.
    """
    address = f"https://github.com/{repository}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            to = rf"[\1]({address}/blob/HEAD/\2)" if repository else r"\1"
            cell.source = OUTSIDE.sub(to, cell.source)
        elif repository and TAG in cell.metadata.get("tags", []):
            cell.source = bootstrap_source(address)
