"""Text that a caller gives is text wherever it is shown: it never becomes an element of a page."""

import pytest
from in_lab import run_all, save, write_notebook
from nbconvert import HTMLExporter

FOREIGN = "<img src=x onerror=hacked=1>"
CODE = (
    f"FOREIGN = {FOREIGN!r}"
    + """
from dataclasses import replace

import keras
import numpy as np

from tlvit_utils import ViTConfig, build_vit, figures, live
from tlvit_utils.analysis import model_cost
from tlvit_utils.checks.answers import CheckError
from tlvit_utils.data import load_shapes10
from tlvit_utils.data.datasets import show_banner
from tlvit_utils.training.progress import ProgressLine
from tlvit_utils.widgets import AttentionExplorer, AttentionViewer

config = ViTConfig.modern(3).replace(
    convolutions=(), patch_size=8, projection_dim=16, key_dim=4, mlp_units=(16,)
)
model = build_vit(config)
data = load_shapes10(sizes=(32, 16, 16))
data = replace(data, name=FOREIGN, class_names=tuple(f"{FOREIGN}{i}" for i in range(10)))
images, labels = data.test.take(4)
ProgressLine(FOREIGN, 32, 16).write(FOREIGN)
show_banner(FOREIGN)
figures.show(figures.bars_figure({FOREIGN: 1.0}, FOREIGN), FOREIGN)
scores = np.full((2, 16, 16), 1 / 16)
display(
    AttentionViewer(model, images, labels, data.class_names),
    AttentionExplorer(images[0], {FOREIGN: scores}),
    live.page({FOREIGN: model}, images, labels, class_names=data.class_names, title=FOREIGN),
)
model.layers[3].name = FOREIGN  # TensorFlow computes nothing under this name
display(model_cost(model))
raise CheckError(FOREIGN, {FOREIGN: FOREIGN})
"""
)


def is_only_text(page):
    """Check that no frame has the element or has run its script, and that the text is there."""
    assert page.get_by_text(FOREIGN).count()
    for frame in page.frames:
        assert frame.evaluate("typeof hacked") == "undefined"
        assert frame.locator("img[src=x]").count() == 0


@pytest.mark.slow
def test_foreign_text_is_never_markup(serve_lab, browser, tmp_path):
    path = tmp_path / "foreign.ipynb"
    write_notebook(path, [CODE], ["the end"])
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(300_000)
    page.goto(f"{serve_lab(tmp_path)}/{path.name}?token=loopback")
    run_all(page)
    page.get_by_text("Your answer is not right yet").wait_for()
    page.locator(".widget-toggle-buttons button").nth(2).wait_for()
    frame = page.frame_locator("iframe.tlvit-live")
    frame.locator(".verdict").get_by_text("%").first.wait_for()
    is_only_text(page)
    saved = save(page, path, seconds=30)
    exported = tmp_path / "foreign.html"
    saved.metadata.pop("widgets", None)  # whose code would come from a server
    exported.write_text(HTMLExporter().from_notebook_node(saved)[0], "utf-8")
    export = browser.new_page()
    export.goto(exported.as_uri())
    is_only_text(export)
