"""Engines that run the page's JavaScript: Node and a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tlvit_utils import live

FOLDER = Path(live.__file__).parent


@pytest.fixture(scope="session")
def rounded():
    """A function that gives a model random weights that float16 can hold."""

    def rounded(model, seed=0):
        rng = np.random.default_rng(seed)
        for variable in model.weights:
            if "variance" in variable.name:
                drawn = rng.uniform(0.5, 2, variable.shape)
            else:
                drawn = rng.normal(0, 0.3, variable.shape) + (variable.name == "gamma")
            variable.assign(drawn.astype("float16"))
        return model

    return rounded


@pytest.fixture(scope="session")
def source():
    """A function that returns the text of one of the page's files."""
    return lambda name: (FOLDER / name).read_text(encoding="utf-8")


NODE = """
const { script, given } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answer = new Function(`${script}\nreturn answer;`)();
Promise.resolve(answer(given)).then((out) => process.stdout.write(JSON.stringify(out)));
"""


def in_node(script, given):
    done = subprocess.run(
        ["node", "--eval", NODE],
        input=json.dumps({"script": script, "given": given}),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def in_browser(browser):
    page = browser.new_page()
    yield lambda script, given: page.evaluate(
        f"(given) => (() => {{{script}\nreturn answer;}})()(given)", given
    )
    page.close()


@pytest.fixture(scope="module")
def javascript(request):
    """A function that gives a value to the function `answer` of a script, and returns its result.

    It runs in Node, or in a browser where there is no Node.
    """
    return in_node if shutil.which("node") else request.getfixturevalue("in_browser")
