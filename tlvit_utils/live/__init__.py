"""The live page: networks that run in the reader's browser, with pictures to try them on.

`page` makes one HTML file that needs no kernel, no server and no network connection. `network.js`
computes what Keras computes, `shrink.js` shrinks a picture of the reader's own, and the other files
make what the reader sees.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib import colormaps

from tlvit_utils._validation import check_count
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.analysis.maps import (
    attention_maps,
    describe_answer,
    describe_map,
    find_token_learner,
    in_batches,
    makes_maps,
    seen_images,
)
from tlvit_utils.data.batches import check_images, check_labels
from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.figures.overlay import as_uint8, encode_png, enlarge
from tlvit_utils.figures.page import HtmlPage
from tlvit_utils.figures.plots import TOKEN_COLOURS, ink_on, to_png, token_maps_figure
from tlvit_utils.live.layers import describe_network, to_base64

TEMPLATE = Path(__file__).parent / "page.html"


class Page(HtmlPage):
    """A live page; its `data` are a title and sets of pictures with the networks that take them."""

    def __add__(self, other: "Page") -> "Page":
        """Return one page with the pictures and networks of both."""
        return replace(self, data={**self.data, "sets": self.data["sets"] + other.data["sets"]})


def page(
    models,
    images,
    labels,
    masks=None,
    epoch_maps=None,
    *,
    class_names=CIFAR10_CLASSES,
    start=None,
    title="TokenLearner, live",
) -> Page:
    """Make a page in which networks run on these pictures, and can be changed.

    Two pages can be added: `page(…) + page(…)` has the networks and the pictures of both. A page
    takes about 2.7 bytes per weight, and its pictures.

    Args:
        models: a model of `build_vit`, or a dict of names and such models. All take images of one
            size and distinguish the same classes.
        images: `(N, image_size, image_size, 3)`, 0..255, at least one. 60 pictures of 32 pixels
            take 0.25 MB, and so do 15 of 64.
        labels: `(N,)`, integers, the true classes.
        masks: `(N, image_size, image_size)`, 1 where the object is and 0 elsewhere, or None.
        epoch_maps: the first model's `analysis.EpochMaps`; its `image_indices` are those of
            `images`.
        class_names: name of each label.
        start: index of the picture that the page opens on; by default the one that the first model
            gets right most confidently.
        title: of the page.

    Raises:
        TypeError: images that are not numbers.
        ValueError: no pictures, pictures, labels, masks, names, maps or a start that do not fit, or
            a model that the page cannot run; the message says which.
    """
    models = dict(models) if isinstance(models, Mapping) else {"the network": models}
    if not models or not len(images):
        raise ValueError(
            f"There are {len(models)} models and {len(images)} images; give at least one of each."
        )
    first, model = next(iter(models.items()))
    networks = {name: describe_network(each) for name, each in models.items()}
    images = np.rint(check_images(images, model.input_shape[1])).astype("uint8")
    class_names = [str(name) for name in class_names]
    _check(models, images, masks, epoch_maps, len(class_names))
    labels = check_labels(labels, images, len(class_names))
    answers = {name: in_batches(each, images)[0] for name, each in models.items()}
    if start is None:
        of_truth = answers[first][range(len(images)), labels]
        start = (of_truth + (answers[first].argmax(axis=1) == labels)).argmax()
    start = check_count("start", start, low=0)
    if start >= len(images):
        raise ValueError(f"start is {start}, but the {len(images)} images are counted from 0.")
    one = {
        "class_names": class_names,
        "size": images.shape[1],
        "start": start,
        "pixels": to_base64(images),
        "labels": labels.tolist(),
        "masks": None if masks is None else to_base64(np.packbits(np.asarray(masks) != 0)),
        "models": [
            {
                "name": str(name),
                **networks[name],
                "parameters": each.count_params(),
                "multiply_adds": model_cost(each).macs,
                "said": answers[name].argmax(axis=1).tolist(),
                "epochs": _epochs(epoch_maps) if each is model and epoch_maps else None,
            }
            for name, each in models.items()
        ],
    }
    answer = f"{first}: {describe_answer(answers[first][start], labels[start], class_names)}."
    still, words = _still(model, images[start : start + 1], answer)
    data = {
        "title": str(title),
        "sets": [one],
        "token_colours": [(colour, ink_on(colour)) for colour in TOKEN_COLOURS],
        "heat": to_base64(colormaps["viridis"](range(256), bytes=True)[:, :3]),
    }
    return Page(TEMPLATE, data, still, words)


def _check(models, images, masks, epoch_maps, classes):
    """Raise a ValueError where what belongs together does not fit."""
    count, size = images.shape[:2]
    for name, model in models.items():
        takes, tells = model.input_shape[1], model.output_shape[-1]
        if (takes, tells) != (size, classes):
            raise ValueError(
                f"The model {name!r} takes images of {takes} pixels and distinguishes {tells} "
                f"classes, but got {size} pixels and {classes} class names; make one page of "
                "models that take the same images, and add the pages."
            )
    if masks is not None and np.shape(masks) != (count, size, size):
        raise ValueError(
            f"The masks have shape {np.shape(masks)}, but it must be {(count, size, size)}: one "
            "number per pixel."
        )
    if epoch_maps is None:
        return
    if not isinstance(epoch_maps, EpochMaps):
        raise ValueError(f"epoch_maps is {epoch_maps!r}, but it must be an analysis.EpochMaps.")
    name, model = next(iter(models.items()))
    expected, found = find_token_learner(model).maps.shape[1:], epoch_maps.maps.shape[2:]
    if found != expected:
        raise ValueError(
            f"epoch_maps has maps of shape {found} (tokens, rows, columns), but the model {name!r} "
            f"makes {expected}; give the maps of this model's training."
        )
    last = max(epoch_maps.image_indices)
    if last >= count:
        raise ValueError(
            f"epoch_maps has an image {last}, but there are only {count} images; give the first "
            f"{last + 1} of the {epoch_maps.split} images."
        )


def _still(model, image, answer) -> tuple[bytes, str]:
    """Return the picture that stands in for the page where it cannot be shown, and its words."""
    (view,) = seen_images(model, image)
    words = (
        "Live page. Open the notebook in Jupyter and trust it, or save the page, to change the "
        f"picture and the network. {answer}"
    )
    if not any(map(makes_maps, model.layers)):
        return encode_png(enlarge(as_uint8(view), 320)), words
    maps = attention_maps(model, image)[0]
    title = answer.replace("$", r"\$")  # which would begin a formula
    said = [f"token {i} {describe_map(each).split(';')[0]}" for i, each in enumerate(maps, 1)]
    words += f" Its tokens' maps, dark purple to yellow: {'; '.join(said)}."
    return to_png(token_maps_figure(view, maps, title)), words


def _epochs(epoch_maps) -> dict:
    """Return maps of every epoch with 256 steps between each one's lowest and highest value."""
    maps = epoch_maps.maps.astype("float32")
    low = maps.min(axis=(3, 4), keepdims=True)
    high = maps.max(axis=(3, 4), keepdims=True)
    levels = np.rint(255 * (maps - low) / np.maximum(high - low, 1e-12))
    return {
        "val_accuracy": [round(float(accuracy), 4) for accuracy in epoch_maps.val_accuracy],
        "pictures": [int(index) for index in epoch_maps.image_indices],
        "levels": to_base64(levels.astype("uint8")),
        "limits": to_base64(np.stack([low, high], axis=-1).astype("<f4")),
    }
