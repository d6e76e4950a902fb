"""Widgets: thin shells around the functions of `predictor`, `overlay` and `html`.

They run on ipywidgets 7.7.1 (as Colab ships it) and 8, and use only `Image`, `HTML`, boxes, and
controls with `observe`, so that an error in a callback is an error, and nothing waits for a
browser. The viewer's controls can all be used from the keyboard and have a name there. That leaves
out drop-downs, from which JupyterLab takes the arrow keys, and sliders by themselves, in which a
screen reader finds no name: each stands beside a number field that has one.
"""

from collections.abc import Iterable
from functools import partial

import ipywidgets as widgets
import keras
import numpy as np
import traitlets
from matplotlib.figure import Figure

from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.analysis.maps import (
    Predictions,
    describe_map,
    find_token_learner,
    predict_with_maps,
    seen_images,
)
from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.figures.overlay import (
    COLORMAPS,
    STYLES,
    captioned,
    describe_scale,
    draw_cell,
    draw_outline,
    encode_png,
    enlarge,
    render,
    tile_square,
)
from tlvit_utils.figures.plots import token_maps_figure
from tlvit_utils.widgets.export import write_html
from tlvit_utils.widgets.html import (
    StaticView,
    bars_html,
    effects_html,
    live_html,
    paragraph,
    probability_rows,
    readers_html,
    token_names,
)
from tlvit_utils.widgets.predictor import UNKNOWN, Predictor, blocks_before
from tlvit_utils.widgets.upload import PictureUpload

ALL_TOKENS = "all"
SCALES = ("per map", "shared")
NOTHING = ""  # stands for None among buttons, whose own None means that none is pressed
NAMES = {  # of the buttons; what is pressed follows in words
    "class_filter": "Class",
    "style": "Style",
    "colormap": "Colours",
    "scale": "Scale",
    "model": "Model",
    "second_model": "Beside it",
}
WRAPPED = {"flex_flow": "row wrap", "align_items": "flex-start"}


def contact_sheet(model: keras.Model, image, title: str | None = None) -> Figure:
    """Draw the maps of all tokens over one image: the viewer's static companion.

    Args:
        model: a model with a TokenLearner.
        image: `(32, 32, 3)`, 0..255.
        title: of the figure.

    Raises:
        TypeError, ValueError: as `predict_with_maps`.
    """
    images = np.asarray(image)[None]
    _, (maps,) = predict_with_maps(model, images)
    return token_maps_figure(seen_images(model, images)[0], maps, title)


class AttentionViewer(StaticView, widgets.VBox):
    """Look at the maps of TokenLearner over the pictures that the network saw, and doubt them.

    Beside the picture stand the prediction, with its five highest probabilities, and the map in
    words, which is the picture's text alternative (a `widgets.Image` cannot hold one). Each model
    runs once over all images, when it is first chosen; no control that only changes what is drawn
    runs a model. Tokens that are left out run what follows TokenLearner, for one image.

    Every control has a trait, which can be set from code; `TraitError` where there is no such
    image, token, model or cell, `ValueError` where no token can be left out, because the network
    cannot be split at TokenLearner. `picture` and `second_picture` are the `widgets.Image`s.

    Attributes:
        image_index: index of the image.
        class_filter: the label to which the image slider keeps, or None.
        token: index of the token, or "all" for a grid of all.
        opacity: weight of the map over the picture, from 0 to 1.
        style: "heat", "contours" or "spotlight"; see `overlay.render`.
        colormap: of the heat: "viridis", "cividis" or "grey".
        scale: "per map": each from its lowest to its highest value; "shared": all maps of the
            image from their lowest to their highest.
        outline: whether to draw the outline of the image's mask.
        model: name of the model.
        randomised: whether its weights are replaced by fresh initial ones.
        second_model: name of the model beside it, with its own weights, or None.
        cell: `(row, column)` of a cell of the grid, from 0, to frame and to tell who reads it, or
            None.
        removed: indices of the tokens that are left out of the (first) model's prediction.

    Args:
        models: a model with a TokenLearner, or a dict of names and such models.
        images: `(N, 32, 32, 3)`, 0..255.
        labels: `(N,)`, integers, or None where the true classes are unknown.
        masks: `(N, 32, 32)`, 1 where the object is, or None.
        class_names: name of each label.
        size: side of the picture in pixels.

    Raises:
        TypeError, ValueError: as `predict_with_maps`.
        ValueError: no models or no images; labels, masks or class names that do not fit.
    """

    image_index = traitlets.Int(0)
    class_filter = traitlets.Int(None, allow_none=True)
    token = traitlets.Union([traitlets.Int(), traitlets.Unicode()], default_value=ALL_TOKENS)
    opacity = traitlets.Float(0.6)
    style = traitlets.Enum(STYLES, STYLES[0])
    colormap = traitlets.Enum(tuple(COLORMAPS), "viridis")
    scale = traitlets.Enum(SCALES, SCALES[0])
    outline = traitlets.Bool(False)
    model = traitlets.Unicode()
    randomised = traitlets.Bool(False)
    second_model = traitlets.Unicode(None, allow_none=True)
    cell = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=None, allow_none=True)
    removed = traitlets.Any(())  # a tuple, in order; any collection can be given

    def __init__(
        self, models, images, labels=None, masks=None, *, class_names=CIFAR10_CLASSES, size=256
    ):
        super().__init__()
        self.predictor = Predictor(models, images, labels, masks, class_names)
        self.models = self.predictor.models
        self.class_names = class_names
        self.size = size
        self._plain = None  # what the plain picture depends on, as it was drawn last
        self._updating = False
        self.model = next(iter(self.models))
        self._build()
        self._update()
        self.observe(self._update, list(AttentionViewer.class_own_traits()))

    # what traits may be

    @traitlets.validate("image_index")
    def _check_image_index(self, proposal):
        count = len(self.predictor.images)
        if not 0 <= proposal.value < count:
            raise traitlets.TraitError(
                f"image_index is {proposal.value}, but the {count} images have the indices 0 to "
                f"{count - 1}."
            )
        return proposal.value

    @traitlets.validate("class_filter")
    def _check_class_filter(self, proposal):
        if proposal.value is not None and proposal.value not in dict(self._classes()).values():
            raise traitlets.TraitError(
                f"class_filter is {proposal.value}, but no image has this label."
            )
        return proposal.value

    @traitlets.validate("token")
    def _check_token(self, proposal):
        known = proposal.value in (ALL_TOKENS, *range(self.num_tokens))
        if isinstance(proposal.value, bool) or not known:
            raise traitlets.TraitError(
                f"token is {proposal.value!r}, but it must be {ALL_TOKENS!r} or one of the "
                f"indices 0 to {self.num_tokens - 1}."
            )
        return proposal.value

    @traitlets.validate("opacity")
    def _check_opacity(self, proposal):
        if not 0 <= proposal.value <= 1:
            raise traitlets.TraitError(f"opacity is {proposal.value}, but it must be from 0 to 1.")
        return proposal.value

    @traitlets.validate("outline")
    def _check_outline(self, proposal):
        if proposal.value and self.predictor.masks is None:
            raise traitlets.TraitError("There are no masks to outline; give masks=.")
        return proposal.value

    @traitlets.validate("model", "second_model")
    def _check_model(self, proposal):
        if proposal.value is None or proposal.value in self.models:
            return proposal.value
        raise traitlets.TraitError(
            f"{proposal.trait.name} is {proposal.value!r}, but it must be one of "
            f"{', '.join(map(repr, self.models))}."
        )

    @traitlets.validate("cell")
    def _check_cell(self, proposal):
        rows, columns = self.grid
        row, column = proposal.value or (0, 0)
        if not (0 <= row < rows and 0 <= column < columns):
            raise traitlets.TraitError(
                f"cell is {proposal.value}, but the grid has {rows} rows and {columns} columns, "
                "counted from 0."
            )
        return proposal.value

    @traitlets.validate("removed")
    def _check_removed(self, proposal):
        count, value = self.num_tokens, proposal.value
        given = list(value) if isinstance(value, Iterable) else [None]
        known = all(each in range(count) and not isinstance(each, bool) for each in given)
        removed = tuple(sorted(set(given))) if known else ()
        if not known or len(removed) == count:
            raise traitlets.TraitError(
                f"removed is {value!r}, but it must be a list of indices from 0 to {count - 1}, "
                "and not all of them."
            )
        if removed:
            self._ablation()
        return removed

    # what the models make of the images

    @property
    def predictions(self) -> Predictions:
        """What the (first) model makes of all images."""
        return self.predictor.look(self.model, self.randomised)

    @property
    def num_tokens(self) -> int:
        """How many tokens the (first) model learns."""
        return self.predictions.maps.shape[1]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the (first) model's maps."""
        return self.predictions.maps.shape[2:]

    @property
    def indices(self) -> np.ndarray:
        """Indices of the images that pass the class filter."""
        if self.class_filter is None:
            return np.arange(len(self.predictor.images))
        return np.flatnonzero(self.predictor.labels == self.class_filter)

    def probabilities(self) -> np.ndarray:
        """Return what the (first) model predicts from the tokens that are left, `(classes,)`."""
        if not self.removed:
            return self.predictions.probabilities[self.image_index]
        return self._ablation().without(self.removed)

    def _ablation(self):
        return self.predictor.ablation(self.model, self.randomised, self.image_index)

    def next_wrong(self) -> None:
        """Go to the next image, within the class filter, that the model gets wrong."""
        if self.predictor.labels is None:
            raise ValueError("There are no labels, so no answer is known to be wrong.")
        labels, predicted = self.predictor.labels, self.predictions.probabilities.argmax(axis=1)
        wrong = [i for i in self.indices if labels[i] not in (UNKNOWN, predicted[i])]
        if set(wrong) <= {self.image_index}:
            words = "None of these images is answered wrongly."
            if wrong:
                words = "This is the only one of these images that is answered wrongly."
            self.note.value = live_html([paragraph(words)], 400)
            return
        later = (i for i in wrong if i > self.image_index)
        self.image_index = int(next(later, wrong[0]))

    def add_image(self, image, name: str = "your own picture") -> None:
        """Add an image whose class is unknown, and go to it.

        Args:
            image: `(32, 32, 3)`, 0..255, for example from `pictures.read_picture`.
            name: to show it by.

        Raises:
            TypeError, ValueError: as `data.check_images`.
        """
        self.image_index = self.predictor.add(image, name)

    # controls

    def _build(self):
        """Make the controls, one per trait, and what they set in motion."""
        models = [(name, name) for name in self.models]
        count = len(self.predictor.images)
        self.controls = {
            "image_index": _number_field(widgets.BoundedIntText, "Image", count - 1),
            "token": _number_field(widgets.BoundedIntText, "Token (0: all)"),
            "opacity": _number_field(widgets.BoundedFloatText, "Opacity", 1, step=0.05),
            "class_filter": _buttons([("every class", NOTHING), *self._classes()]),
            "style": _buttons([(style, style) for style in STYLES]),
            "colormap": _buttons([(f"{name}: {each}", name) for name, each in COLORMAPS.items()]),
            "scale": _buttons([(scale, scale) for scale in SCALES]),
            "outline": _check_box("outline of the mask"),
            "model": _buttons(models),
            "second_model": _buttons([("none", NOTHING), *models]),
            "randomised": _check_box("random weights"),
        }
        self.sliders = {
            "image_index": widgets.IntSlider(0, 0, count - 1, readout=False),
            "token": widgets.IntSlider(0, 0, readout=False),
            "opacity": widgets.FloatSlider(0, min=0, max=1, step=0.05, readout=False),
        }
        for trait, control in (*self.controls.items(), *self.sliders.items()):
            control.observe(partial(self._set_trait, trait), "value")
        self.next_button = widgets.Button(description="Next wrong answer")
        self.next_button.on_click(lambda button: self.next_wrong())
        self.cell_controls = [
            _number_field(widgets.BoundedIntText, f"{name} (0: none)", size)
            for name, size in zip(("Row", "Column"), self.grid, strict=True)
        ]
        learners = map(find_token_learner, self.models.values())
        self.removed_controls = [
            _check_box(f"without token {token + 1}")
            for token in range(max(learner.maps.shape[1] for learner in learners))
        ]
        for control in self.cell_controls:
            control.observe(self._set_cell, "value")
        for control in self.removed_controls:
            control.observe(self._set_removed, "value")
        self._arrange()

    def _classes(self):
        """Return the name and the label of each class that occurs."""
        labels = [] if self.predictor.labels is None else np.unique(self.predictor.labels)
        return [(self.class_names[label], int(label)) for label in labels if label != UNKNOWN]

    def _arrange(self):
        """Lay the controls, the pictures and the words out."""
        layout = widgets.Layout(width=f"{self.size}px", max_width="100%", margin="2px 8px 2px 0")
        self.seen, self.picture, self.second_picture = (
            widgets.Image(format="png", layout=layout) for _ in range(3)
        )
        self.seen_text, self.text, self.second_text = (widgets.HTML() for _ in range(3))
        self.note, self.caution, self.cell_text, self.removed_text = (
            widgets.HTML() for _ in range(4)
        )
        self.upload = PictureUpload(self.class_names, self.predictor.images.shape[1])
        self.upload.observe(self._add_upload, "picture")
        controls = self.controls
        top = [widgets.HBox([controls[trait], slider]) for trait, slider in self.sliders.items()]
        drawing = [controls[trait] for trait in ("style", "scale", "colormap")]
        if self.predictor.masks is not None:
            drawing.append(controls["outline"])
        panels = {
            "drawing": [_row(drawing)],
            "models": [
                _row([controls[trait] for trait in ("model", "second_model", "randomised")])
            ],
            "one cell": [_row(self.cell_controls), self.cell_text],
            "tokens left out": [_row(self.removed_controls), self.removed_text],
            "your own picture": [self.upload],
        }
        if self.predictor.labels is not None:
            top.append(self.next_button)
            panels = {"one class": [controls["class_filter"]], **panels}
        self.panels = {
            name: widgets.VBox([widgets.HTML(f"<b>{name.capitalize()}</b>"), *children])
            for name, children in panels.items()
        }
        self.sections = {name: _check_box(name) for name in panels}
        for section in self.sections.values():
            section.observe(self._update, "value")
        seen = widgets.VBox([self.seen, self.seen_text])
        self._one = [seen, self.picture, self.text]
        self._two = [
            seen,
            widgets.VBox([self.picture, self.text]),
            widgets.VBox([self.second_picture, self.second_text]),
        ]
        self._pictures = _row([])
        self.children = [
            _row(top),
            self.note,
            self._pictures,
            self.caution,
            _row([widgets.HTML("More:"), *self.sections.values()]),
            *self.panels.values(),
        ]

    def _add_upload(self, change):
        self.add_image(change.new, self.upload.name)

    def _set_trait(self, trait, change):
        """Give a trait what its control or slider was set to."""
        if self._updating:
            return
        before, value = getattr(self, trait), change.new
        if trait == "token":
            value = value - 1 if value else ALL_TOKENS
        elif trait == "image_index":
            value = self._nearest(value)
        setattr(self, trait, None if value == NOTHING else value)
        if getattr(self, trait) == before:
            self._update()  # the control goes back

    def _nearest(self, index) -> int:
        """Return the image that passes the class filter, at `index` or next on the way there."""
        indices = self.indices
        if index > self.image_index:
            beyond = indices[indices >= index]
            return int(beyond[0] if len(beyond) else indices[-1])
        beyond = indices[indices <= index]
        return int(beyond[-1] if len(beyond) else indices[0])

    def _set_cell(self, change):
        if not self._updating:
            row, column = (control.value for control in self.cell_controls)
            # One number alone goes with the other's first; 0 in either is no cell.
            self.cell = (max(row, 1) - 1, max(column, 1) - 1) if change.new else None

    def _set_removed(self, change):
        if not self._updating:
            self.removed = [i for i, box in enumerate(self.removed_controls) if box.value]

    # one update for each change

    def _update(self, change=None):
        """Settle what follows from a change, and draw once."""
        if self._updating:
            return
        self._updating = True
        try:
            self._settle(change)
            self._show_controls()
            self._show_pictures()
            self._show_panels()
        finally:
            self._updating = False

    def _settle(self, change):
        """Give up what a change has made impossible."""
        if self.image_index not in self.indices:
            if change.name == "class_filter":
                self.image_index = int(self.indices[0])
            else:
                self.class_filter = None
        if self.token != ALL_TOKENS and self.token >= self.num_tokens:
            self.token = ALL_TOKENS
        if self.removed and self.removed[-1] >= self.num_tokens:
            self.removed = ()
        if self.cell is not None and not np.less(self.cell, self.grid).all():
            self.cell = None

    def _show_controls(self):
        """Set every control to its trait."""
        last = {"image_index": len(self.predictor.images) - 1, "token": self.num_tokens}
        for trait, control in (*self.controls.items(), *self.sliders.items()):
            value = getattr(self, trait)
            if trait in last:
                control.max = last[trait]
            if trait == "token":
                value = 0 if value == ALL_TOKENS else value + 1
            control.value = NOTHING if value is None else value
            if trait in NAMES:
                control.description = f"{NAMES[trait]}: {control.label}"
        places = self.cell or (-1, -1)
        for control, count, place in zip(self.cell_controls, self.grid, places, strict=True):
            control.max, control.value = count, place + 1
        for token, box in enumerate(self.removed_controls):
            box.value = token in self.removed
            box.layout.display = None if token < self.num_tokens else "none"
            box.disabled = not box.value and len(self.removed) == self.num_tokens - 1

    def _shown(self):
        """Return name, whether randomised, and left-out tokens of each model that is shown."""
        shown = [(self.model, self.randomised, self.removed)]
        if self.second_model is not None:
            shown.append((self.second_model, False, ()))
        return shown

    def _show_pictures(self):
        """Draw the pictures and say what is in them."""
        self.note.value = ""
        plain = self.image_index, self.model, self.cell, self.outline
        if self._plain != plain:
            self.seen.value = encode_png(self.plain_pixels())
            self.seen_text.value = live_html(map(paragraph, self._image_words()), self.size)
            self._plain = plain
        columns = [(self.picture, self.text), (self.second_picture, self.second_text)]
        for (picture, text), shown in zip(columns, self._shown(), strict=False):
            picture.value = encode_png(self._pixels(*shown))
            before, bars, after = self._words(*shown)
            parts = [*map(paragraph, before), bars_html(bars), *map(paragraph, after)]
            text.value = live_html(parts, self.size)
        self._pictures.children = self._one if self.second_model is None else self._two
        blocks = blocks_before(self.models[self.model])
        self.caution.value = live_html([paragraph(self._caution(blocks))], 800)

    def _show_panels(self):
        """Show the panels that are open, and fill them."""
        for name, section in self.sections.items():
            self.panels[name].layout.display = None if section.value else "none"
        if self.sections["one cell"].value:
            self.cell_text.value = live_html([self._cell_words()], 600)
        if self.sections["tokens left out"].value:
            self.removed_text.value = live_html([self._removed_words()], 600)

    # pictures

    def plain_pixels(self) -> np.ndarray:
        """Return what the (first) network saw, `(size, size, 3)`, uint8."""
        return self._mark(
            enlarge(self.predictions.views[self.image_index], self.size), self.predictions
        )

    def pixels(self) -> np.ndarray:
        """Return the (first) overlay that is shown, `(size, size, 3)`, uint8."""
        return self._pixels(*self._shown()[0])

    def _pixels(self, name, randomised, removed):
        seen = self.predictor.look(name, randomised)
        view, maps = seen.views[self.image_index], seen.maps[self.image_index]
        limits = self._limits(maps)
        draw = partial(render, style=self.style, colormap=self.colormap, limits=limits)
        if self.token == ALL_TOKENS:

            def draw_token(token, side):
                opacity = 0 if token in removed else self.opacity
                return self._mark(draw(view, maps[token], size=side, opacity=opacity), seen)

            titles = [f"{i + 1} out" if i in removed else f"{i + 1}" for i in range(len(maps))]
            return tile_square(draw_token, titles, self.size)
        if self.token >= len(maps):
            return self._mark(enlarge(view, self.size), seen)
        return self._mark(draw(view, maps[self.token], size=self.size, opacity=self.opacity), seen)

    def _limits(self, maps) -> tuple[float, float] | None:
        """Return the values that count as lowest and highest; None where each map has its own."""
        if self.scale == "per map":
            if self.token == ALL_TOKENS or self.token >= len(maps):
                return None
            maps = maps[self.token]
        return maps.min(), maps.max()

    def _mark(self, picture, seen):
        """Return the picture with the outline of the mask and the cell, where there are any."""
        if self.outline:
            picture = draw_outline(picture, seen.masks[self.image_index])
        if self.cell is not None and np.less(self.cell, seen.maps.shape[2:]).all():
            picture = draw_cell(picture, self.cell, seen.maps.shape[2:])
        return picture

    # words

    def _image_words(self):
        words = ["What the network sees", f"Image {self._image_name(self.image_index)}"]
        if self.predictor.labels is not None:
            label = self._label()
            words.append(f"True class: {'unknown' if label is None else self.class_names[label]}")
        return words

    def _words(self, name, randomised, removed):
        """Return what stands before the bars, the bars, and what stands after them."""
        seen = self.predictor.look(name, randomised)
        probabilities = seen.probabilities[self.image_index]
        before = []
        if len(self.models) > 1 or randomised or self.second_model is not None:
            before.append(name + (", random weights" if randomised else ""))
        predicted = self.class_names[probabilities.argmax()]
        if removed:
            probabilities = self.probabilities()
            left = self.class_names[probabilities.argmax()]
            before.append(
                f"Prediction without {token_names(removed)}: {left}{self._verdict(probabilities)}; "
                f"with all tokens: {predicted}"
            )
        else:
            before.append(f"Prediction: {predicted}{self._verdict(probabilities)}")
        return before, probability_rows(probabilities, self.class_names), self._map_words(seen)

    def _image_name(self, index) -> str:
        name = self.predictor.names.get(index)
        return f"{index}" if name is None else f"{index}, {name}"

    def _label(self) -> int | None:
        """Return the true class of the image, or None where it is unknown."""
        labels = self.predictor.labels
        known = labels is not None and labels[self.image_index] != UNKNOWN
        return int(labels[self.image_index]) if known else None

    def _verdict(self, probabilities):
        label = self._label()
        if label is None:
            return ""
        return " (right)" if probabilities.argmax() == label else " (wrong)"

    def _map_words(self, seen):
        maps = seen.maps[self.image_index]
        limits = self._limits(maps)
        if self.token == ALL_TOKENS:
            scale = "each on its own scale"
            if limits is not None:
                scale = describe_scale(self.style, self.colormap, limits)
            return [f"Tokens 1 to {len(maps)}, row by row, {scale}; choose one for its words."]
        if self.token >= len(maps):
            return [f"There is no token {self.token + 1}: this model learns {len(maps)}."]
        chosen = maps[self.token]
        scale = describe_scale(self.style, self.colormap, limits)
        words = [f"Token {self.token + 1}, {scale}: {describe_map(chosen)}."]
        if self.outline and self.predictions.masks[self.image_index].any():
            share = seen.mask_shares[self.image_index]
            inside = (chosen * share).sum() / max(chosen.sum(), 1e-12)
            words.append(
                f"{inside:.0%} of its weight lies inside the outline, which covers "
                f"{share.mean():.0%} of the picture."
            )
        return words

    def _caution(self, blocks):
        if blocks == 0:
            return "TokenLearner reads the patches themselves: no Transformer block is before it."
        return (
            f"TokenLearner reads the grid after {blocks} Transformer "
            f"{'block' if blocks == 1 else 'blocks'}, in which every cell reads all others: a cell "
            "is no longer only its patch, and a map does not tell which pixels mattered."
        )

    def _cell_words(self) -> str:
        if self.cell is None:
            return paragraph("Choose a row and a column to see which tokens read that cell.")
        return readers_html(self.predictions.maps[self.image_index], self.cell)

    def _removed_words(self) -> str:
        try:
            effects = self._ablation().effects
        except ValueError as error:  # a network that cannot be split
            return paragraph(str(error))
        if effects is None:
            return paragraph("There is only one token; without it nothing is left.")
        left = ""
        if self.removed:
            best = probability_rows(self.probabilities(), self.class_names, 3)
            left = paragraph(
                f"Without {token_names(self.removed)}: "
                + ", ".join(f"{name} {text}" for name, _, text in best)
            )
        return left + effects_html(effects, self.class_names)

    # the view as a file

    def describe(self) -> str:
        """Return in words what is shown."""
        lines = self._image_words()
        for before, bars, after in (self._words(*shown) for shown in self._shown()):
            lines += [*before, ", ".join(f"{name} {text}" for name, _, text in bars), *after]
        return "\n".join(lines)

    @property
    def words(self) -> str:
        """What `describe` returns: the text alternative of `to_png`."""
        return self.describe()

    def to_png(self) -> bytes:
        """Return what is shown, pictures with their words below them, as PNG."""
        columns = [(self.plain_pixels(), self._image_words())]
        for shown in self._shown():
            before, bars, after = self._words(*shown)
            probabilities = [f"  {text} {name}" for name, _, text in bars]
            columns.append((self._pixels(*shown), [*before, *probabilities, *after]))
        return encode_png(captioned(columns))

    def to_html(self, path, epoch_maps: EpochMaps | None = None) -> None:
        """Write the (first) model's maps as one HTML file that works without a kernel.

        Args:
            path: of the file; it is written complete or not at all.
            epoch_maps: maps of some of the viewer's images at every epoch of the model's training.
                With them the page has these images only, and a control for the epoch.

        Raises:
            ValueError: `epoch_maps` has an image that the viewer lacks.
        """
        seen, labels = self.predictions, self.predictor.labels
        shown, maps, accuracy = slice(None), seen.maps, None
        if epoch_maps is not None:
            shown, maps = epoch_maps.image_indices, epoch_maps.maps
            accuracy = epoch_maps.val_accuracy
            if max(shown) >= len(seen.views):
                raise ValueError(
                    f"epoch_maps has an image {max(shown)}, but the viewer has only "
                    f"{len(seen.views)} images; give the viewer the first {max(shown) + 1} of the "
                    f"{epoch_maps.split} images."
                )
        write_html(
            path,
            seen.views[shown],
            maps,
            labels=None if labels is None or UNKNOWN in labels[shown] else labels[shown],
            probabilities=seen.probabilities[shown],
            class_names=self.class_names,
            val_accuracy=accuracy,
        )


def _row(children):
    """Return a box whose children stand side by side, or below where there is little room."""
    return widgets.HBox(children, layout=widgets.Layout(**WRAPPED))


def _check_box(description):
    layout = widgets.Layout(width="160px")
    return widgets.Checkbox(False, description=description, indent=False, layout=layout)


def _number_field(kind, name, most=1, step=1):
    return kind(
        0,
        min=0,
        max=most,
        step=step,
        description=name,
        style={"description_width": "120px"},
        layout=widgets.Layout(width="190px"),
    )


def _buttons(options):
    """Return buttons of which one is pressed."""
    style = {"description_width": "initial", "button_width": "auto"}
    layout = widgets.Layout(
        width="max-content", max_width="calc(100% - 34px)", margin="2px 32px 2px 2px"
    )
    return widgets.ToggleButtons(options=options, style=style, layout=layout)
