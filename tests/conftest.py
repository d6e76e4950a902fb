"""Fixtures that several test files share: a tiny model, pictures made by code, a browser."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack

import keras
import matplotlib
import numpy as np
import pytest

from notebook_text import markdown
from run_notebooks import read_notebook
from tlvit_utils import TokenLearner, ViTConfig, build_vit
from tlvit_utils.data.datasets import load_shapes10

matplotlib.use("agg")  # here and not in the environment, which notebook kernels would inherit


@pytest.fixture(autouse=True)
def same_precision():
    """Undo what a command sets for its own training."""
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="session")
def randomise():
    """A function that gives every weight, biases and scales too, a value that shows."""

    def randomise(model_or_layer):
        rng = np.random.default_rng(0)
        for variable in model_or_layer.trainable_variables:
            variable.assign(rng.normal(0, 0.3, variable.shape))
        return model_or_layer

    return randomise


@pytest.fixture(scope="session")
def tiny_config():
    """The modern geometry with 8×8 patches and two narrow blocks; no dropout."""
    return ViTConfig.modern(num_tokens=3).replace(
        standardize=False,
        convolutions=(),
        patch_size=8,
        projection_dim=16,
        num_layers=2,
        num_heads=2,
        key_dim=8,
        mlp_units=(24, 16),
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_config, randomise):
    """A model of `tiny_config` with random weights. Tests must not change them."""
    return randomise(build_vit(tiny_config))


@pytest.fixture(scope="session")
def readme_model():
    """The network of the README: without a cropping layer, and with a head for 4 tokens alone."""
    images = keras.Input((32, 32, 3))
    grid = keras.layers.Conv2D(64, 4, strides=4)(images / 255)
    tokens, _ = TokenLearner(4, pooling="weighted_mean")(grid, return_attention_maps=True)
    outputs = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(tokens))
    return keras.Model(images, outputs)


@pytest.fixture(scope="session")
def images():
    """Five pictures of noise."""
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="session")
def shapes():
    """shapes10 with 256 / 64 / 64 images."""
    return load_shapes10(sizes=(256, 64, 64))


@pytest.fixture
def seeded():
    """Make what Keras draws at random the same in every run of a test."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def notebooks(committed):
    """The notebooks, the glossary too, by their names. Tests must not change them."""
    return {path.stem: read_notebook(path) for path in (committed / "notebooks").glob("*.ipynb")}


@pytest.fixture(scope="session")
def pages(committed, notebooks):
    """The text of the notebooks, the README and the pages in docs/, by path."""
    texts = {f"notebooks/{name}.ipynb": markdown(each) for name, each in notebooks.items()}
    for path in (committed / "README.md", *(committed / "docs").glob("*.md")):
        texts[path.relative_to(committed).as_posix()] = path.read_text("utf-8")
    return texts


LAB_SETTINGS = {  # all cells in the page, and no questions
    "notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="module")
def serve_lab(tmp_path_factory):
    """A function that starts a JupyterLab on the loopback interface for a folder of notebooks.

    It returns the address, which a notebook's name and `?token=loopback` follow.
    """
    with ExitStack() as servers:

        def serve_lab(notebooks):
            folder = tmp_path_factory.mktemp("lab")
            settings = folder / "CONFIG" / "lab" / "user-settings" / "@jupyterlab"
            for name, values in LAB_SETTINGS.items():
                path = settings / f"{name}.jupyterlab-settings"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(values))
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            options = {
                "ServerApp.ip": "127.0.0.1",
                "ServerApp.port": port,
                "ServerApp.port_retries": 0,
                "ServerApp.root_dir": notebooks,
                "IdentityProvider.token": "loopback",
            }
            environment = {**os.environ, "TLVIT_PROFILE": "smoke"}
            for name in ("CONFIG", "DATA", "RUNTIME"):
                environment[f"JUPYTER_{name}_DIR"] = str(folder / name)
            command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
            command += [f"--{name}={value}" for name, value in options.items()]
            log = servers.enter_context(open(folder / "log", "w"))
            server = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
            servers.callback(_stop, server)
            _wait_for(f"http://127.0.0.1:{port}/api", server, folder / "log")
            return f"http://127.0.0.1:{port}/doc/tree"

        yield serve_lab


def _stop(server):
    """End a server and what it has started, whether or not it listens to a request."""
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address, server, log):
    """Wait until the server answers; fail with its log when it does not."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.5)
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text()}")


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    """Chromium or Chrome without a window; where there is neither, it skips, and fails in CI."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed, so no browser can be driven"
    )
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(
                executable_path=path, channel=None if path else "chrome"
            )
        except playwright.Error as error:
            if path:
                raise
            stop = pytest.fail if os.environ.get("CI") else pytest.skip
            stop(f"neither Chromium nor Chrome is here: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def new_page(browser):
    """A function that opens a page; at the end none may have written an error."""
    contexts, problems = [], []

    def note(message):
        if message.type == "error":
            problems.append(f"{message.text} {message.location.get('url', '')}")

    def new_page(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", note)
        return page

    yield new_page
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture(scope="session")
def axe():
    """What looks for barriers in a page."""
    package = pytest.importorskip("axe_playwright_python.sync_playwright")
    return package.Axe()
