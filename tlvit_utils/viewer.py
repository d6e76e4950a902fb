"""Widgets: thin shells around the functions of `attention` and `figures`.

They run on ipywidgets 7.7.1 (as Colab ships it) and 8, and use only `Image`, `HTML`, sliders and
boxes with `observe`, so that an error in a callback is an error, and nothing waits for a browser.
"""

import io
from html import escape

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image, ImageDraw, ImageFont

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
    font = ImageFont.load_default(14)
    sheet = Image.new("RGB", (columns * (size + 4) - 4, rows * (size + 4) - 4), "white")
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        tile = Image.fromarray(picture)
        draw = ImageDraw.Draw(tile)
        box = draw.textbbox((4, 3), title, font=font)
        draw.rectangle(box, fill="black", outline="black", width=3)
        draw.text((4, 3), title, fill="white", font=font)
        sheet.paste(tile, (i % columns * (size + 4), i // columns * (size + 4)))
    return np.asarray(sheet)


class AttentionViewer(widgets.VBox):
    """Look at the maps of a model's TokenLearner over the pictures that the network saw.

    Sliders choose image, token (one, or all in a grid) and opacity; beside the picture stand the
    true class, the prediction with its five highest probabilities, the values of the darkest and
    the brightest colour, and the map in words, which is the picture's text alternative (a
    `widgets.Image` cannot hold one). All maps and predictions come from one forward pass when the
    viewer is made, so moving a slider runs no model.

    The traits `image_index`, `token` (0, 1, … or "all"), `opacity` and `shared_scale` can be set
    from code (`TraitError` where there is no such image or token); `picture` is the
    `widgets.Image` with the overlay.

    Args:
        model: a model with a TokenLearner.
        images: `(N, 32, 32, 3)`, 0..255.
        labels: `(N,)`, or None where the true classes are unknown.
        class_names: name of each label.
        size: side of the picture in pixels.

    Raises:
        TypeError, ValueError: as `attention.predict_with_maps`.
        ValueError: no images, or not one label per image or one name per class.
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
        if len(class_names) != model.output_shape[-1]:
            raise ValueError(
                f"There are {len(class_names)} class names, but the model tells "
                f"{model.output_shape[-1]} classes apart; give one name per class."
            )
        self.probabilities, self.maps = predict_with_maps(model, images)
        self.views = seen_images(model, images)
        self.labels = labels
        self.class_names = class_names
        self.size = size
        self._build()
        self.observe(self._update, ["image_index", "token", "opacity", "shared_scale"])
        self._update()

    @traitlets.validate("image_index")
    def _check_image_index(self, proposal):
        if not 0 <= proposal.value < len(self.views):
            raise traitlets.TraitError(
                f"image_index is {proposal.value}, but the {len(self.views)} images have the "
                f"indices 0 to {len(self.views) - 1}."
            )
        return proposal.value

    @traitlets.validate("token")
    def _check_token(self, proposal):
        num_tokens = self.maps.shape[1]
        if proposal.value not in (ALL_TOKENS, *range(num_tokens)):
            raise traitlets.TraitError(
                f"token is {proposal.value!r}, but it must be {ALL_TOKENS!r} or one of the "
                f"indices 0 to {num_tokens - 1}."
            )
        return proposal.value

    @traitlets.validate("opacity")
    def _check_opacity(self, proposal):
        if not 0 <= proposal.value <= 1:
            raise traitlets.TraitError(f"opacity is {proposal.value}, but it must be from 0 to 1.")
        return proposal.value

    def _build(self):
        tokens = [(str(i + 1), i) for i in range(self.maps.shape[1])]
        style = {"description_width": "90px"}
        self.controls = {
            "image_index": widgets.IntSlider(
                0, 0, len(self.views) - 1, description="Image", style=style
            ),
            "token": widgets.SelectionSlider(
                options=[(ALL_TOKENS, ALL_TOKENS), *tokens], description="Token", style=style
            ),
            "opacity": widgets.FloatSlider(
                self.opacity, min=0, max=1, step=0.05, description="Opacity", style=style
            ),
            "shared_scale": widgets.Checkbox(
                False, description="one colour scale for all tokens", style=style, indent=False
            ),
        }
        for trait, control in self.controls.items():
            traitlets.link((control, "value"), (self, trait))
        image, token, opacity, scale = self.controls.values()
        # Where there is little room, the two pictures shrink, and what else is beside moves below.
        layout = widgets.Layout(width=f"{self.size}px", max_width="47%", margin="2px 8px 2px 0")
        self.seen = widgets.Image(format="png", layout=layout)
        self.picture = widgets.Image(format="png", layout=layout)
        self.text = widgets.HTML()
        wrapped = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        self.children = [
            widgets.HBox(
                [widgets.VBox([image, token]), widgets.VBox([opacity, scale])], layout=wrapped
            ),
            widgets.HBox([self.seen, self.picture, self.text], layout=wrapped),
        ]

    def _update(self, change=None):
        if change is None or change.name == "image_index":
            view = self.views[self.image_index]
            self.seen.value = encode_png(np.round(255 * enlarge(view, self.size)).astype("uint8"))
        self.picture.value = encode_png(self.pixels())
        self.text.value = self.describe()

    def _limits(self) -> tuple[float, float] | None:
        """Return the values with the lowest and highest colour; None where each map has its own."""
        maps = self.maps[self.image_index]
        if not self.shared_scale:
            if self.token == ALL_TOKENS:
                return None
            maps = maps[self.token]
        return maps.min(), maps.max()

    def pixels(self) -> np.ndarray:
        """Return the overlay that is shown, `(size, size, 3)`, uint8."""
        view, maps = self.views[self.image_index], self.maps[self.image_index]
        limits = self._limits()
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
            f"<tr><td>{escape(self.class_names[c])}</td><td><meter aria-hidden='true' "
            f"value='{probabilities[c]:.3f}'></meter></td><td>{probabilities[c]:.0%}</td></tr>"
            for c in best
        )
        lines.append(f"<table>{rows}</table>")
        maps, limits = self.maps[self.image_index], self._limits()
        scale = "each on its own colour scale"
        if limits is not None:
            scale = f"from dark purple ({limits[0]:.3f}) to yellow ({limits[1]:.3f})"
        if self.token == ALL_TOKENS:
            lines.append(f"Tokens 1 to {len(maps)}, row by row, {scale}; choose one for its words.")
        else:
            lines.append(f"Token {self.token + 1}, {scale}: {describe_map(maps[self.token])}.")
        body = "".join(f"<div>{line}</div>" for line in lines)
        return f"<div style='max-width:260px;line-height:1.5'>{body}</div>"


class FigureSlider(widgets.VBox):
    """A slider over a few settings, with a figure and a sentence for the one that is chosen.

    `slider` is the slider, whose `value` can be set from code; `picture` and `text` show the
    figure and the sentence, which is the figure's text alternative.

    Args:
        name: what the slider sets.
        options: its settings, or pairs of a label and a setting, in order; there is room for
            labels of 16 characters.
        draw: function from a setting to `(figure, sentence)`; each is drawn once, when first
            chosen.
        value: the setting to begin with; the first by default.
    """

    def __init__(self, name, options, draw, value=None):
        super().__init__()
        self.draw = draw
        self.drawn = {}
        self.slider = widgets.SelectionSlider(
            options=options,
            description=name,
            style={"description_width": "initial"},
            layout=widgets.Layout(width="420px"),
        )
        if value is not None:
            self.slider.value = value
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="900px"))
        self.text = widgets.HTML()
        self.children = [self.slider, self.picture, self.text]
        self.slider.observe(self._update, "value")
        self._update()

    def _update(self, change=None):
        value = self.slider.value
        if value not in self.drawn:
            figure, sentence = self.draw(value)
            self.drawn[value] = to_png(figure), escape(sentence)
        self.picture.value, self.text.value = self.drawn[value]
