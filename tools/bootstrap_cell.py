"""The first code cell of every notebook. `python tools/sync_bootstrap.py` writes it into them.

`REPOSITORY` stays empty here: the copies that are published know where they lie.
"""

import re

TAG = "bootstrap"

SOURCE = """\
# Finds the package, or says how to get it. The same cell begins every notebook.
import importlib.util
import os
import sys

REPOSITORY = ""  # on Colab: the project's address on GitHub
if importlib.util.find_spec("tlvit_utils") is None:
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError(
            'This kernel has no tlvit_utils. Run %pip install -e "..[course]" in a new cell (.. is '
            "the project's folder), then restart the kernel."
        )
    if not REPOSITORY:
        raise ModuleNotFoundError(
            "Set REPOSITORY in this cell to the project's address on GitHub, such as "
            '"https://github.com/NAME/PROJECT", and run the cell again.'
        )
    %pip install -q --no-deps git+{REPOSITORY}

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
stderr, silence = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(silence, 2)  # TensorFlow greets with log lines, and looks for GPUs with more
try:
    from tlvit_utils.session import current_profile, describe_session

    session = describe_session()
finally:
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(silence)

PROFILE = current_profile()
print(session)"""


def bootstrap_source(address: str = "") -> str:
    """Return the cell's source, with the project's address where it is known."""
    return re.sub('^REPOSITORY = ""', f'REPOSITORY = "{address}"', SOURCE, flags=re.MULTILINE)
