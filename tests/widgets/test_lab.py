"""Notebook 06 in JupyterLab, in Chromium or Chrome driven by Playwright, as a learner uses it.

A module of its own, so that Playwright's event loop has ended when the notebooks' tests begin.
"""

import io
import re
import time
from pathlib import Path

import ipywidgets
import nbformat
import numpy as np
import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06_attention_maps.ipynb"
MINUTE = 60_000  # milliseconds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        int(ipywidgets.__version__.split(".")[0]) < 8,
        reason="ipywidgets 7, which Colab has, draws other sliders; and Colab is no JupyterLab",
    ),
]


@pytest.fixture(scope="module")
def lab(serve_lab, tmp_path_factory):
    """The address of a copy of notebook 06 in JupyterLab."""
    folder = tmp_path_factory.mktemp("notebooks")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / NOTEBOOK.name)
    return f"{serve_lab(folder)}/{NOTEBOOK.name}?token=loopback"


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB")).astype(int)


def changed(picture, before):
    """Wait until a picture looks different, and return how it looks then."""
    for _ in range(100):
        now = pixels(picture)
        if now.shape != before.shape or np.abs(now - before).mean() > 1:
            return now
        time.sleep(0.1)
    pytest.fail("the picture did not change")


def test_notebook_06_in_jupyterlab_by_keyboard(lab, new_page):
    page = new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(MINUTE)
    page.goto(lab)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("(ipykernel) | Idle").wait_for()
    time.sleep(3)  # the first answers of a kernel come twice
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
    for _ in range(240):
        time.sleep(1)
        numbers = [re.fullmatch(r"\[(\d+)\]:", text) for text in prompts.all_inner_texts()]
        if all(numbers):
            break
    assert [int(number[1]) for number in numbers] == list(range(1, len(numbers) + 1))
    errors = page.locator(".jp-Notebook [data-mime-type='application/vnd.jupyter.error']")
    assert errors.all_inner_texts() == []

    viewer = (
        page.locator(".jp-OutputArea-output .jupyter-widgets")
        .filter(has=page.get_by_text("True class"))
        .first
    )
    seen, picture = viewer.locator("img").nth(0), viewer.locator("img").nth(1)
    viewer.scroll_into_view_if_needed()
    before, plain = pixels(picture), pixels(seen)
    number = viewer.get_by_label("Image", exact=True)
    number.focus()
    number.press("Home")
    page.keyboard.press("ArrowUp")  # the next image
    plain = changed(seen, plain)
    before = changed(picture, before)

    opacity = viewer.locator(".noUi-handle").nth(2)
    opacity.focus()
    page.keyboard.press("Home")  # the map is gone
    changed(picture, before)
    time.sleep(0.5)
    np.testing.assert_array_equal(pixels(seen), plain)
    image = viewer.locator(".noUi-handle").nth(0)
    image.focus()
    page.keyboard.press("ArrowRight")
    changed(seen, plain)
