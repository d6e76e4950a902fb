"""The first code cell of every notebook. `python tools/sync_bootstrap.py` writes it into them.

The project's address stands here and nowhere else.
"""

TAG = "bootstrap"

SOURCE = """\
# Finds the package, or says how to get it. The same cell begins every notebook.
import importlib.util
import os
import sys

REPOSITORY = "https://github.com/tlvit/tokenlearner-vit"
if importlib.util.find_spec("tlvit_utils") is None:
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError(
            'This kernel has no tlvit_utils. Run %pip install -e "..[course]" in a new cell (.. is '
            "the project's folder), then restart the kernel."
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
