"""Settings of every test run, for the notebooks' kernels too, and what several tests use."""

import os
import subprocess
from pathlib import Path

import pytest

os.environ.setdefault("TLVIT_PROFILE", "smoke")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def committed(tmp_path_factory):
    """A copy of the project as git would commit it: what is staged, all of it and only that.

    The tests of files look here, so that what a learner changes in the notebooks fails none.
    """
    folder = tmp_path_factory.mktemp("committed")
    command = ["git", "checkout-index", "--all", f"--prefix={folder}/"]
    try:
        subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return folder
