"""In JupyterLab: the live page run, saved, opened again, not trusted and typed in; a widget; and
text that a caller gives, which is text wherever it is shown and never becomes an element."""

from contextlib import suppress

import ipywidgets
import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

PATIENCE = 180_000  # milliseconds; a busy machine needs a minute to import TensorFlow
FOREIGN = "<img src=x onerror=hacked=1>"
CODE = (
    f"FOREIGN = {FOREIGN!r}"
    + """
import numpy as np
from tlvit_utils import ViTConfig, build_vit, live

config = ViTConfig.modern(3).replace(
    convolutions=(), patch_size=8, projection_dim=16, key_dim=4, mlp_units=(16,)
)
images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype="uint8")
network = build_vit(config)
names = [f"{FOREIGN}{i}" for i in range(10)]
live.page({FOREIGN: network}, images, np.arange(6), class_names=names, title=FOREIGN)
"""
)
WIDGET = """
from tlvit_utils.widgets import AttentionViewer

AttentionViewer(network, images, class_names=names)
"""
OTHERS = """
from tlvit_utils import figures
from tlvit_utils.analysis import model_cost
from tlvit_utils.checks.answers import CheckError
from tlvit_utils.data.datasets import show_banner
from tlvit_utils.training.progress import ProgressLine
from tlvit_utils.widgets import AttentionExplorer

ProgressLine(FOREIGN, 32, 16).write(FOREIGN)
show_banner(FOREIGN)
figures.show(figures.bars_figure({FOREIGN: 1.0}, FOREIGN), FOREIGN)
display(AttentionExplorer(images[0], {FOREIGN: np.full((2, 16, 16), 1 / 16)}))
network.layers[3].name = FOREIGN  # TensorFlow computes nothing under this name
display(model_cost(network))
raise CheckError(FOREIGN, {FOREIGN: FOREIGN})
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    path = tmp_path_factory.mktemp("notebooks") / "live.ipynb"
    cells = [nbformat.v4.new_code_cell(each.strip()) for each in (CODE, WIDGET, OTHERS)]
    cells += [nbformat.v4.new_markdown_cell(f"words {i}") for i in range(3)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def run_all(page):
    """Run all cells of the notebook that the page has opened."""
    page.get_by_text("(ipykernel) | Idle").wait_for()
    page.wait_for_timeout(3000)  # the first answers of a kernel come twice
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def save(page, path, seconds):
    """Save the notebook by keyboard, and return its file, with outputs."""
    page.locator(".jp-MarkdownCell").last.click()
    page.keyboard.press("Control+s")
    for _ in range(2 * seconds):
        page.wait_for_timeout(500)
        with suppress(ValueError):  # JupyterLab is just writing it
            saved = nbformat.read(path, as_version=4)
            if saved.cells[0].outputs:
                return saved
    pytest.fail("the notebook was not saved with its outputs")


def is_only_text(page):
    """Check that no frame has the element or has run its script, and that the text is there."""
    assert page.get_by_text(FOREIGN).count()
    for frame in page.frames:
        assert frame.evaluate("typeof hacked") == "undefined"
        assert frame.locator("img[src=x]").count() == 0


def works(page):
    """Check that the page in the notebook answers, and return it."""
    frame = page.frame_locator("iframe.tlvit-live")
    frame.locator(".verdict").get_by_text("%").first.wait_for()
    frame.locator("#thumbs input").nth(2).check()
    frame.get_by_role("img", name="picture 3").first.wait_for()
    return frame


def turn_by_keyboard(page):
    """Change the picture and the token of the viewer with keys alone."""
    words = page.locator(".jp-OutputArea [role=status]").first
    words.get_by_text("Image 0: ").wait_for()
    page.get_by_label("Image", exact=True).focus()
    page.keyboard.press("ArrowUp")
    words.get_by_text("Image 1: ").wait_for()
    assert "tokens 1 to 3" in words.inner_text()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "token 2":
            break
    page.keyboard.press("Space")
    words.get_by_text("token 2, ").wait_for()


@pytest.mark.slow
@pytest.mark.skipif(
    ipywidgets.__version__.startswith("7"), reason="JupyterLab 4 needs ipywidgets 8"
)
def test_the_page_lives_in_a_notebook_that_is_run_saved_and_opened_again(
    serve_lab, notebook, browser, new_page
):
    lab = serve_lab(notebook.parent)

    def open_notebook(name):
        page = new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{lab}/{name}?token=loopback")
        return page

    page = open_notebook(notebook.name)
    run_all(page)
    frame = works(page)

    page.get_by_text("Your answer is not right yet").wait_for()  # the last cell's error

    cells = page.locator(".jp-Notebook .jp-Cell")
    assert cells.count() == 6
    frame.locator("#thumbs input").nth(2).focus()
    for key in ("d", "d", "x", "a", "b", "Shift+D"):  # would delete and add cells in JupyterLab
        page.keyboard.press(key)
    assert cells.count() == 6
    frame.get_by_label("Look").focus()
    page.keyboard.press("ArrowRight")
    frame.locator("[value=picture]:checked").wait_for()

    turn_by_keyboard(page)
    assert cells.count() == 6
    is_only_text(page)

    saved = save(page, notebook, seconds=60)
    assert "tlvit-live" in saved.cells[0].outputs[0].data["text/html"]
    assert "widgets" not in saved.metadata
    page.close()

    path = notebook.with_name("exported.html")
    path.write_text(HTMLExporter().from_notebook_node(saved)[0], "utf-8")
    exported = browser.new_page(offline=True)  # MathJax is missing, which is an error
    exported.goto(path.as_uri(), wait_until="domcontentloaded")
    is_only_text(exported)
    works(exported)
    exported.close()

    again = open_notebook(notebook.name)
    works(again)
    again.close()

    saved.cells[-1].source = "sent by somebody else"
    nbformat.write(saved, notebook.with_name("foreign.ipynb"))
    foreign = open_notebook("foreign.ipynb")
    still = foreign.locator(".jp-OutputArea img").first
    still.wait_for()
    assert "right" in still.get_attribute("alt") or "wrong" in still.get_attribute("alt")
    expect(still).to_have_js_property("complete", True)
    assert still.evaluate("(image) => image.naturalWidth") > 400
    assert foreign.locator("iframe.tlvit-live").count() == 0
