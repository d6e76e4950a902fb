"""Widgets: thin shells around the functions of `attention` and `figures`.

They run on ipywidgets 7.7.1 (as Colab ships it) and 8, and use only `Image`, `HTML`, sliders and
boxes with `observe`, so that an error in a callback is an error, and nothing waits for a browser.
"""

import io
from html import escape

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image, ImageDraw

from tlvit_utils.attention import describe_map, predict_with_maps, seen_images
from tlvit_utils.data import CIFAR10_CLASSES
from tlvit_utils.figures import enlarge, overlay, to_png

ALL_TOKENS = "all"


def encode_png(pixels) -> bytes:
    """Return pixels `(height, width, 3)`, uint8, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def contact_sheet(pictures, titles, columns: int = 4) -> np.ndarray:
    """Return pictures `(count, size, size, 3)`, uint8, in one, each with its title written in."""
    count, size = pictures.shape[:2]
    rows = -(-count // columns)
    sheet = Image.new("RGB", (columns * (size + 4) - 4, rows * (size + 4) - 4), "white")
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        tile = Image.fromarray(picture)
        draw = ImageDraw.Draw(tile)
        draw.rectangle(draw.textbbox((4, 3), title), fill="black", outline="black", width=3)
        draw.text((4, 3), title, fill="white")
        sheet.paste(tile, (i % columns * (size + 4), i // columns * (size + 4)))
    return np.asarray(sheet)


class AttentionViewer(widgets.VBox):
    """Look at the maps of a model's TokenLearner over the pictures that the network saw.

    Sliders choose image, token (one, or all in a grid) and opacity; beside the picture stand the
    true class, the prediction with its five highest probabilities, and the map in words. All maps
    and predictions come from one forward pass when the viewer is made, so moving a slider runs no
    model.

    The traits `image_index`, `token` (0, 1, … or "all"), `opacity` and `shared_scale` can be set
    from code; `picture` is the `widgets.Image` with the overlay.

    Args:
        model: a model with a TokenLearner.
        images: `(N, 32, 32, 3)`, 0..255.
        labels: `(N,)`, or None where the true classes are unknown.
        class_names: name of each label.
        size: side of the picture in pixels.

    Raises:
        TypeError, ValueError: as `attention.predict_with_maps`, or as many labels as images are
            missing.
    """

    image_index = traitlets.Int(0)
    token = traitlets.Union([traitlets.Int(), traitlets.Unicode()], default_value=ALL_TOKENS)
    opacity = traitlets.Float(0.6)
    shared_scale = traitlets.Bool(False)

    def __init__(self, model, images, labels=None, class_names=CIFAR10_CLASSES, size=256):
        super().__init__()
        if len(images) == 0 or (labels is not None and len(labels) != len(images)):
            raise ValueError(
                f"There are {len(images)} images and "
                f"{'no' if labels is None else len(labels)} labels; give at least one image, and "
                "one label per image or labels=None."
            )
        self.probabilities, self.maps = predict_with_maps(model, images)
        self.views = seen_images(model, images)
        self.labels = labels
        self.class_names = class_names
        self.size = size
        self._build()
        self.observe(self._update, ["image_index", "token", "opacity", "shared_scale"])
        self._update()

    def _build(self):
        num_tokens = self.maps.shape[1]
        tokens = [(str(i + 1), i) for i in range(num_tokens)]
        style = {"description_width": "90px"}
        image = widgets.IntSlider(
            0, 0, len(self.views) - 1, description="Image", style=style, continuous_update=True
        )
        token = widgets.SelectionSlider(
            options=[("all", ALL_TOKENS), *tokens], description="Token", style=style
        )
        opacity = widgets.FloatSlider(
            self.opacity, min=0, max=1, step=0.05, description="Opacity", style=style
        )
        scale = widgets.Checkbox(
            False, description="one colour scale for all tokens", style=style, indent=False
        )
        for control, trait in (
            (image, "image_index"),
            (token, "token"),
            (opacity, "opacity"),
            (scale, "shared_scale"),
        ):
            traitlets.link((control, "value"), (self, trait))
        fixed = widgets.Layout(width=f"{self.size}px", height=f"{self.size}px")
        self.seen = widgets.Image(format="png", layout=fixed)
        self.picture = widgets.Image(format="png", layout=fixed)
        self.text = widgets.HTML()
        self.children = [
            widgets.HBox([widgets.VBox([image, token]), widgets.VBox([opacity, scale])]),
            widgets.HBox([self.seen, self.picture, self.text]),
        ]

    def _update(self, change=None):
        view = self.views[self.image_index]
        self.seen.value = encode_png(np.round(255 * enlarge(view, self.size)).astype("uint8"))
        self.picture.value = encode_png(self.pixels())
        self.text.value = self.describe()

    def pixels(self) -> np.ndarray:
        """Return the overlay that is shown, `(size, size, 3)`, uint8."""
        view, maps = self.views[self.image_index], self.maps[self.image_index]
        limits = (maps.min(), maps.max()) if self.shared_scale else None
        if self.token != ALL_TOKENS:
            return overlay(view, maps[self.token], self.opacity, self.size, limits=limits)
        columns = int(np.ceil(len(maps) ** 0.5))
        tile = (self.size + 4) // columns - 4
        tiles = np.stack([overlay(view, m, self.opacity, tile, limits=limits) for m in maps])
        sheet = contact_sheet(tiles, [str(i + 1) for i in range(len(maps))], columns)
        canvas = np.full((self.size, self.size, 3), 255, "uint8")
        canvas[: sheet.shape[0], : sheet.shape[1]] = sheet
        return canvas

    def describe(self) -> str:
        """Return prediction, true class and the map in words, as HTML."""
        probabilities = self.probabilities[self.image_index]
        best = np.argsort(probabilities)[::-1][:5]
        lines = [f"<b>Prediction: {escape(self.class_names[best[0]])}</b>"]
        if self.labels is not None:
            label = int(self.labels[self.image_index])
            verdict = "right" if best[0] == label else "wrong"
            lines.append(f"True class: {escape(self.class_names[label])} ({verdict})")
        rows = "".join(
            f"<tr><td>{escape(self.class_names[c])}</td><td><meter value='{probabilities[c]:.3f}'>"
            f"</meter></td><td>{probabilities[c]:.0%}</td></tr>"
            for c in best
        )
        lines.append(f"<table>{rows}</table>")
        if self.token != ALL_TOKENS:
            words = describe_map(self.maps[self.image_index, self.token])
            lines.append(f"Token {self.token + 1}: {words}.")
        return f"<div style='max-width:260px;line-height:1.5'>{'<br>'.join(lines)}</div>"


class FigureSlider(widgets.VBox):
    """A slider over a few settings, with a figure and a sentence for the one that is chosen.

    Args:
        name: what the slider sets.
        options: its settings, in order.
        draw: function from a setting to `(figure, sentence)`; each is drawn once, when first
            chosen.
        value: the setting to begin with; the first by default.
    """

    value = traitlets.Any()

    def __init__(self, name, options, draw, value=None):
        super().__init__()
        self.draw = draw
        self.drawn = {}
        self.value = options[0] if value is None else value
        slider = widgets.SelectionSlider(
            options=options,
            value=self.value,
            description=name,
            style={"description_width": "initial"},
            layout=widgets.Layout(width="420px"),
        )
        traitlets.link((slider, "value"), (self, "value"))
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="900px"))
        self.text = widgets.HTML()
        self.children = [slider, self.picture, self.text]
        self.observe(self._update, "value")
        self._update()

    def _update(self, change=None):
        if self.value not in self.drawn:
            figure, sentence = self.draw(self.value)
            self.drawn[self.value] = to_png(figure), escape(sentence)
        self.picture.value, self.text.value = self.drawn[self.value]
