"""The viewer as one HTML file that needs no kernel, no server and no network.

The page is `assets/viewer.html` with the data filled in as JSON: images as PNG, maps as bytes.
Range inputs, drop-downs and a canvas, so it works from the keyboard in any browser, in light and
dark, and wherever a file can be sent.
"""

import base64
import json
import os
from html import escape
from pathlib import Path

import numpy as np

from tlvit_utils._files import replacing
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.figures.overlay import COLORMAPS, colour_table, encode_png

TEMPLATE = Path(__file__).parents[1] / "assets" / "viewer.html"


def to_html(
    views,
    maps,
    *,
    labels=None,
    probabilities=None,
    class_names=CIFAR10_CLASSES,
    val_accuracy=None,
    title: str = "Attention maps of TokenLearner",
) -> str:
    """Return a page that shows maps over images, with controls for image, token, epoch and style.

    Args:
        views: `(images, height, width, 3)`, uint8, what the network saw: a map covers a view from
            edge to edge.
        maps: `(images, tokens, rows, columns)`, or with an axis of epochs before, which gives the
            page its epoch control. Each map is kept with 256 steps between its lowest and its
            highest value.
        labels: `(images,)`, the true classes, or None.
        probabilities: `(images, classes)`, the prediction, or None.
        class_names: name of each label.
        val_accuracy: `(epochs,)`, 0..1, shown beside the epoch, or None.
        title: of the page.

    Raises:
        TypeError: views that are not uint8.
        ValueError: no images, other axes, numbers of images or epochs that do not agree, or maps
            that are not finite.
    """
    views, maps = np.asarray(views), np.asarray(maps, "float32")
    if maps.ndim == 4:
        maps = maps[None]
    _check(views, maps, labels, probabilities, class_names, val_accuracy)
    flat = maps.reshape(-1, *maps.shape[3:])  # (maps, rows, columns)
    low, high = flat.min((1, 2)), flat.max((1, 2))
    levels = (flat - low[:, None, None]) / np.maximum(high - low, 1e-12)[:, None, None]
    data = {
        "shape": maps.shape,
        "levels": _base64(np.round(255 * levels).astype("uint8")),
        "limits": _rounded(np.stack([low, high], axis=1)),
        "words": [describe_map(each) for each in flat],
        "pictures": [_base64(encode_png(view)) for view in views],
        "colours": COLORMAPS,
        "colormaps": {
            name: _base64(np.rint(colour_table(name)).astype("uint8")) for name in COLORMAPS
        },
        "classes": list(class_names),
        "labels": None if labels is None else np.asarray(labels).tolist(),
        "probabilities": None if probabilities is None else _rounded(probabilities),
        "accuracy": None if val_accuracy is None else np.asarray(val_accuracy, "float64").tolist(),
    }
    # In a script element only "<" could end it, and JSON has "<" in strings only.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    before, after = TEMPLATE.read_text(encoding="utf-8").split("{{data}}")
    return before.replace("{{title}}", escape(title)) + text + after


def write_html(path: str | os.PathLike, views, maps, **options) -> None:
    """Write the page of `to_html` to `path`, complete or not at all."""
    page = to_html(views, maps, **options)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _check(views, maps, labels, probabilities, class_names, val_accuracy):
    if views.dtype != np.uint8:
        raise TypeError(f"The views are {views.dtype}, but they must be uint8.")
    if views.ndim != 4 or views.shape[-1] != 3 or len(views) == 0:
        raise ValueError(
            f"The views have shape {views.shape}, but it must be (images, height, width, 3), with "
            "at least one image."
        )
    if maps.ndim != 5 or maps.shape[1] != len(views):
        raise ValueError(
            f"The maps have shape {maps.shape}, but it must be ({len(views)}, tokens, rows, "
            "columns), or this after an axis of epochs."
        )
    if not np.isfinite(maps).all():
        raise ValueError("The maps hold values that are not finite.")
    classes, epochs = len(class_names), len(maps)
    for name, array, shape in (
        ("labels", labels, (len(views),)),
        ("probabilities", probabilities, (len(views), classes)),
        ("validation accuracies", val_accuracy, (epochs,)),
    ):
        if array is not None and np.shape(array) != shape:
            raise ValueError(f"The {name} have shape {np.shape(array)}, but it must be {shape}.")


def _base64(data) -> str:
    return base64.b64encode(data).decode("ascii")


def _rounded(array) -> list:
    return np.round(np.asarray(array, "float64"), 6).tolist()
