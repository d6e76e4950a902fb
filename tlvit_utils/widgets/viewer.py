"""A small viewer of attention maps, for any Keras model with a TokenLearner."""

import ipywidgets as widgets
import numpy as np

from tlvit_utils._validation import check_number
from tlvit_utils.analysis.maps import (
    describe_answer,
    describe_map,
    predict_with_maps,
    seen_images,
)
from tlvit_utils.data.batches import check_labels
from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.figures.overlay import as_uint8, encode_png, enlarge, render, tile_square
from tlvit_utils.widgets.panel import Panel, choice

ALL_TOKENS = "all"
SIZE, GAP = 320, 12  # the side of each of the two pictures and what lies between, in pixels


class AttentionViewer(Panel):
    """Look at TokenLearner's maps over the pictures that the network saw.

    The model runs once. The controls are `image_index`, `token` (an index, or "all" for a grid of
    all) and `opacity` (0..1); each can be set from code too: `viewer.controls["token"].value = 2`.

    Args:
        model: any Keras model with one TokenLearner.
        images: `(N, size, size, 3)`, 0..255.
        labels: `(N,)`, integers, or None where the true classes are unknown.
        class_names: name of each class.
    """

    def __init__(self, model, images, labels=None, class_names=CIFAR10_CLASSES):
        if len(images) == 0:
            raise ValueError("There are no images; give at least one.")
        self.probabilities, self.maps = predict_with_maps(model, images)
        classes = self.probabilities.shape[-1]
        if len(class_names) != classes:
            raise ValueError(
                f"There are {len(class_names)} class names, but the model distinguishes "
                f"{classes} classes; give one name per class."
            )
        if labels is not None:
            labels = check_labels(labels, images, classes)
        self.views = as_uint8(seen_images(model, images))
        self.labels, self.class_names = labels, class_names
        tokens = [(f"token {i + 1}", i) for i in range(self.maps.shape[1])]
        super().__init__(
            image_index=widgets.BoundedIntText(0, max=len(images) - 1, description="Image"),
            token=choice([("all tokens", ALL_TOKENS), *tokens], ALL_TOKENS),
            opacity=widgets.BoundedFloatText(0.6, max=1, step=0.05, description="Opacity"),
        )

    def draw(self, image_index, token, opacity):
        check_number("opacity", opacity)
        if token is None:
            raise ValueError('token is None; choose a token\'s index, or "all".')
        view, maps = self.views[image_index], self.maps[image_index]

        def overlay(token, size):
            return render(view, maps[token], opacity=opacity, size=size)

        if token == ALL_TOKENS:
            titles = [str(i + 1) for i in range(len(maps))]
            picture = tile_square(overlay, titles, SIZE)
            words = f"tokens 1 to {len(maps)}, row by row, each on its own scale"
        else:
            picture = overlay(token, SIZE)
            low, high = maps[token].min(), maps[token].max()
            words = f"token {token + 1}, {low:.3f} to {high:.3f}: {describe_map(maps[token])}"
        left = np.pad(enlarge(view, SIZE), ((0, 0), (0, GAP), (0, 0)), constant_values=255)
        probabilities = self.probabilities[image_index]
        label = None if self.labels is None else self.labels[image_index]
        best = np.argsort(-probabilities)[:5]
        lines = [
            f"Image {image_index}: {describe_answer(probabilities, label, self.class_names)}.",
            f"Left, what the network sees; right, from dark purple to yellow, {words}.",
            ", ".join(f"{self.class_names[i]} {probabilities[i]:.0%}" for i in best) + ".",
        ]
        return encode_png(np.hstack([left, picture])), "\n".join(lines), ""
