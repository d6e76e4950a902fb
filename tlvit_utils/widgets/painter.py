"""Be the TokenLearner: paint a map in place of a learned one and see what the network then says.

A widget that runs on ipywidgets 7.7.1 and 8. Only the network's tail runs at a stroke: the grid
and the learned maps are computed once per image.
"""

from functools import cache, partial

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image, ImageDraw

from tlvit_utils.analysis.interventions import NetworkParts, shuffle_cells
from tlvit_utils.analysis.maps import describe_map, seen_images
from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.figures.overlay import (
    as_uint8,
    captioned,
    draw_cell,
    encode_png,
    label_font,
    render,
)
from tlvit_utils.widgets.html import StaticView, bars_html, live_html, paragraph, plain_text

ALL_TOKENS = "all"
HELP = (
    "Click on a cell to change its weight from 0 to 0.5, to 1 and back; or choose what the pen "
    "does and move it by row and column."
)
RANDOM_MAPS = 20
PENS = {"up": None, "paints 1": 1.0, "paints ½": 0.5, "erases": 0.0}  # and the weight of each
PRESETS = ("learned", "uniform", "random", "centre", "edge", "empty")


class TokenPainter(StaticView, widgets.VBox):
    """Paint the map of one token, or of all, and watch the prediction.

    With the mouse, a click on a cell of the picture takes its weight from 0 to ½, to 1 and back.
    With the keyboard, two sliders move a cursor, and the pen paints where it stands and goes. A
    painted map is scaled to the sum of the learned one that it replaces, so that only its shape
    counts. Beside the picture stands the probability of the true class (the predicted one, where no
    labels are given) with the painted, the learned, a uniform and random maps; the random ones hold
    the learned map's values in random order.

    The traits can be set from code: `image_index`; `token` (0, 1, … or "all"); `painted`, an array
    `(rows, columns)` with values 0..1 that is read-only; `row` and `column`, the cursor's, from 0;
    `pen`, one of `PENS`. `picture` is the `widgets.Image`; `probabilities` holds the prediction,
    `(maps, classes)`, for each kind of map.

    Args:
        model: a model with a TokenLearner.
        images: `(N, 32, 32, 3)`, 0..255.
        labels: `(N,)`, or None where the true classes are unknown.
        class_names: name of each label.
        size: side of the picture in pixels.
        seed: seed of the random maps.

    Raises:
        TypeError, ValueError: as `NetworkParts` and `data.check_images`.
        ValueError: no images, or not one label per image or one name per class.
    """

    image_index = traitlets.Int(0)
    token = traitlets.Union([traitlets.Int(), traitlets.Unicode()], default_value=ALL_TOKENS)
    painted = traitlets.Any()
    row = traitlets.Int(0)
    column = traitlets.Int(0)
    pen = traitlets.Enum(tuple(PENS), default_value="up")

    def __init__(
        self, model, images, labels=None, class_names=CIFAR10_CLASSES, size: int = 320, seed=0
    ):
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
        self.images = images
        self.labels = labels
        self.class_names = class_names
        self.size = size
        self.seed = seed
        self.views = as_uint8(seen_images(model, images))
        self._parts = NetworkParts(model)
        self._read_image()
        self.painted = self.preset("centre")
        self._build()
        self.observe(self._update, ["image_index", "token", "painted", "row", "column", "pen"])
        self._predict_all()
        self._show()

    # what may be set

    @traitlets.validate("image_index", "row", "column")
    def _check_index(self, proposal):
        name = proposal.trait.name
        rows, columns = self.grid_shape
        count = {"row": rows, "column": columns}.get(name, len(self.images))
        if not 0 <= proposal.value < count:
            raise traitlets.TraitError(
                f"{name} is {proposal.value}, but it must be from 0 to {count - 1}."
            )
        return proposal.value

    @traitlets.validate("token")
    def _check_token(self, proposal):
        known = proposal.value in (ALL_TOKENS, *range(len(self._learned)))
        if isinstance(proposal.value, bool) or not known:
            raise traitlets.TraitError(
                f"token is {proposal.value!r}, but it must be {ALL_TOKENS!r} or one of the "
                f"indices 0 to {len(self._learned) - 1}."
            )
        return proposal.value

    @traitlets.validate("painted")
    def _check_painted(self, proposal):
        painted = np.array(proposal.value, dtype="float64")
        if painted.shape != self.grid_shape or not ((painted >= 0) & (painted <= 1)).all():
            raise traitlets.TraitError(
                f"The painted map must have shape {self.grid_shape} and values from 0 to 1."
            )
        painted.setflags(write=False)
        return painted

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        return self._learned.shape[1:]

    # the controls

    def _build(self):
        rows, columns = self.grid_shape
        style = {"description_width": "90px"}
        self.controls = {
            "image_index": widgets.IntSlider(
                0, 0, len(self.images) - 1, description="Image", style=style
            ),
            "token": widgets.SelectionSlider(
                options=[(ALL_TOKENS, ALL_TOKENS), *_counted(len(self._learned))],
                description="Token",
                style=style,
            ),
            "row": widgets.SelectionSlider(options=_counted(rows), description="Row", style=style),
            "column": widgets.SelectionSlider(
                options=_counted(columns), description="Column", style=style
            ),
            # no slider, which would paint with the pens that it passes; and no drop-down, on which
            # JupyterLab takes the arrow keys for the notebook
            "pen": widgets.ToggleButtons(
                options=list(PENS), description="Pen", style={**style, "button_width": "80px"}
            ),
        }
        for trait, control in self.controls.items():
            traitlets.link((control, "value"), (self, trait))
        self.presets = {name: widgets.Button(description=name) for name in PRESETS}
        for name, button in self.presets.items():
            button.layout.width = "80px"
            button.on_click(partial(self._choose, name))
        layout = widgets.Layout(
            width=f"{self.size}px", height=f"{self.size}px", margin="0", flex="0 0 auto"
        )
        self.picture = widgets.Image(format="png", layout=layout)
        self.text = widgets.HTML()
        # The buttons lie on the picture, one on each cell. The sliders do the same, so that Tab
        # need not stop at every cell, where ipywidgets (from 8 on) can be told so.
        shared = {
            "layout": widgets.Layout(
                width="auto", height="auto", margin="0", border="1px solid rgba(128,128,128,0.6)"
            ),
            "style": widgets.ButtonStyle(button_color="transparent"),
        }
        if "tabbable" in widgets.Button.class_traits():
            shared["tabbable"] = False
        self.cells = {}
        for cell in np.ndindex(rows, columns):
            tip = f"row {cell[0] + 1}, column {cell[1] + 1}"
            self.cells[cell] = widgets.Button(tooltip=tip, **shared)
            self.cells[cell].on_click(partial(self._click, cell))
        cells = widgets.GridBox(
            list(self.cells.values()),
            layout=widgets.Layout(
                width=layout.width,
                height=layout.height,
                margin=f"-{self.size}px 0 0 0",
                grid_template_columns=f"repeat({columns}, 1fr)",
                grid_template_rows=f"repeat({rows}, 1fr)",
                grid_gap="0",
            ),
        )
        wrapped = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        beside = widgets.Layout(margin="0 0 0 16px")
        image, token, row, column, pen = self.controls.values()
        self.children = [
            widgets.HTML(paragraph(HELP)),
            widgets.HBox(
                [widgets.VBox([image, token]), widgets.VBox([row, column, pen])], layout=wrapped
            ),
            widgets.HBox([widgets.Label("Start from"), *self.presets.values()], layout=wrapped),
            widgets.HBox(
                [widgets.VBox([self.picture, cells]), widgets.VBox([self.text], layout=beside)],
                layout=wrapped,
            ),
        ]

    def _choose(self, name, button=None):
        self.painted = self.preset(name)

    def _click(self, cell, button=None):
        with self.hold_trait_notifications():  # the pen must not paint half-way
            self.row, self.column = cell
        weight = self.painted[cell]
        step = 0.5 if weight < 0.25 else 1.0 if weight < 0.75 else 0.0
        self.paint(cell, step if PENS[self.pen] is None else PENS[self.pen])

    def _update(self, change):
        if change.name == "image_index":
            self._read_image()
        if change.name in ("image_index", "token"):
            self._predict_all()
        elif change.name == "painted":
            self.probabilities["painted"] = self._predict_painted()
        elif PENS[self.pen] is not None:
            self.paint((self.row, self.column), PENS[self.pen])
        self._show()

    # the maps and what follows from them

    def paint(self, cell: tuple[int, int], weight: float) -> None:
        """Give one cell of the painted map a weight from 0 to 1."""
        if self.painted[cell] != weight:
            painted = self.painted.copy()
            painted[cell] = weight
            self.painted = painted

    def preset(self, name: str) -> np.ndarray:
        """Return one of the maps to start from, `(rows, columns)`, 0..1.

        Args:
            name: "learned" (the chosen token's map, or the mean of all tokens' maps), "uniform",
                "random" (the first of the random maps, likewise), "centre", "edge" or "empty".

        Raises:
            ValueError: another name.
        """
        if name in ("learned", "random"):
            maps = self._learned if name == "learned" else self._random_maps()[0]
            mean = maps[self._chosen()].mean(axis=0)
            return mean / max(mean.max(), 1e-12)
        rows, columns = self.grid_shape
        empty, whole = np.zeros((rows, columns)), np.ones((rows, columns))
        centre = empty.copy()
        centre[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4] = 1
        edge = whole.copy()
        edge[1:-1, 1:-1] = 0
        drawn = {"uniform": whole, "centre": centre, "edge": edge, "empty": empty}
        if name not in drawn:
            raise ValueError(
                f"name is {name!r}, but it must be one of {', '.join(map(repr, PRESETS))}."
            )
        return drawn[name]

    def _chosen(self):
        return slice(None) if self.token == ALL_TOKENS else slice(self.token, self.token + 1)

    def _read_image(self):
        self._grid = self._parts.grid(self.images[self.image_index : self.image_index + 1])
        (self._learned,) = self._parts.maps(self._grid)

    def _random_maps(self):
        """Return the learned maps with their cells in random orders, `(draws, tokens, …)`."""
        rng = np.random.default_rng(self.seed)
        return shuffle_cells(np.stack([self._learned] * RANDOM_MAPS), rng)

    def _predict(self, maps):
        """Return the prediction with these in place of the chosen learned maps.

        Args:
            maps: `(draws, tokens or 1, rows, columns)`.

        Returns:
            `(draws, classes)`.
        """
        all_maps = np.stack([self._learned] * len(maps))
        all_maps[:, self._chosen()] = np.broadcast_to(maps, all_maps.shape)[:, self._chosen()]
        grids = np.repeat(self._grid, len(maps), axis=0)
        return self._parts.predict(self._parts.tokens(grids, all_maps))

    def _predict_painted(self):
        """Return the prediction with the painted map, `(1, classes)`; None if that is empty."""
        if not self.painted.any():
            return None
        sums = self._learned.sum((1, 2), keepdims=True)
        return self._predict((self.painted / self.painted.sum() * sums)[None])

    def _predict_all(self):
        uniform = np.broadcast_to(self._learned.mean((1, 2), keepdims=True), self._learned.shape)
        self.probabilities = {
            "painted": self._predict_painted(),
            "learned": self._predict(self._learned[None]),
            "uniform": self._predict(uniform[None]),
            "random": self._predict(self._random_maps()),
        }

    @property
    def label(self) -> int:
        """The class that is watched: the true one, or the predicted one where it is unknown."""
        if self.labels is not None:
            return int(self.labels[self.image_index])
        return int(self.probabilities["learned"][0].argmax())

    @property
    def scores(self) -> dict[str, float]:
        """Probability of the watched class for each map; mean for the random ones.

        A painted map that is empty is left out: nothing follows from it.
        """
        return {
            name: float(probabilities[:, self.label].mean())
            for name, probabilities in self.probabilities.items()
            if probabilities is not None
        }

    # what is shown

    def _show(self):
        self.picture.value = encode_png(self.pixels())
        self.text.value = self.describe()

    def pixels(self) -> np.ndarray:
        """Return the picture, `(size, size, 3)`, uint8: lit where it is painted, with weights."""
        view = self.views[self.image_index]
        lit = render(view, self.painted, style="spotlight", limits=(0, 1), size=self.size)
        rows, columns = self.grid_shape
        picture = Image.fromarray(draw_cell(lit, (self.row, self.column), self.grid_shape))
        for (row, column), weight in np.ndenumerate(self.painted):
            if weight >= 0.05:
                label = _label("1" if weight >= 0.95 else f"{weight:.1f}")
                left = round((column + 0.5) * self.size / columns - label.width / 2)
                top = round((row + 0.5) * self.size / rows - label.height / 2)
                picture.paste(label, (left, top), label)
        return np.asarray(picture)

    @property
    def words(self) -> str:
        """What `describe` says, as plain text."""
        return plain_text(self.describe())

    def to_png(self) -> bytes:
        """Return the picture with the words below it, as PNG."""
        return encode_png(captioned([(self.pixels(), self.words.splitlines())]))

    def describe(self) -> str:
        """Return the scores and the painted map in words, as HTML."""
        watched = self.class_names[self.label]
        kind = "predicted" if self.labels is None else "true"
        reads = "Every token reads" if self.token == ALL_TOKENS else f"Token {self.token + 1} reads"
        others = "" if self.token == ALL_TOKENS else ", the others their own"
        lines = [f"{reads} the painted map{others}. The {kind} class is {watched}."]
        rows = []
        for name, score in self.scores.items():
            classes = np.bincount(self.probabilities[name].argmax(axis=1))
            predicted = self.class_names[classes.argmax()]
            if name == "random":
                name = "random (mean)"
                predicted += f" ({classes.max()} of {RANDOM_MAPS})"
            rows.append((name, score, f"{score:.1%}", predicted))
        table = bars_html(rows, ("Map", f"probability of {watched}", "prediction"))
        lines += [self._verdict(), self._painted_words()]
        before, *after = map(paragraph, lines)
        return live_html([before, table, *after], 460)

    def _verdict(self):
        scores = self.scores
        if "painted" not in scores:
            return "Nothing is painted yet."
        beaten = [n for n, score in scores.items() if scores["painted"] > score]
        missed = [n for n in scores if n not in (*beaten, "painted")]
        words = [
            f"{verb} the {f' {join} the '.join(names)} map"
            for verb, join, names in (("beats", "and", beaten), ("does not beat", "or", missed))
            if names
        ]
        return f"Your map {', but '.join(words)}."

    def _painted_words(self):
        words = (
            f"The cursor is at row {self.row + 1}, column {self.column + 1}, of weight "
            f"{self.painted[self.row, self.column]:.2g}."
        )
        if self.painted.any():
            words = f"The painted map is {describe_map(self.painted)}. {words}"
        return words


def _counted(count):
    """Return options that count from 1 for indices that count from 0."""
    return [(str(i + 1), i) for i in range(count)]


@cache
def _label(text):
    """Return white letters with a black edge on nothing, as a Pillow image."""
    font = label_font(14)
    left, top, right, bottom = font.getbbox(text, stroke_width=2)
    label = Image.new("RGBA", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(label).text(
        (-left, -top), text, font=font, fill="white", stroke_width=2, stroke_fill="black"
    )
    return label
