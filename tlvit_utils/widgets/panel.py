"""What all widgets here have in common: controls, a picture, and words that say the same.

They run on ipywidgets 7.7.1 (Colab) and 8, and use only `Image`, `HTML`, boxes, and controls with
`observe`, so that an error in a callback is an error. Each control has a name for screen readers: a
button says what it chooses, and a slider, whose handle cannot have a name, stands beside a number
field that has one.
"""

import io
from html import escape

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image

from tlvit_utils.figures.overlay import captioned, encode_png

WRAPPED = {"flex_flow": "row wrap", "align_items": "center"}


class Panel(widgets.VBox):
    """Controls, a picture that follows them, and its words; a subclass has a method `draw`.

    Where no kernel runs, the picture with its words below it takes the widget's place.

    Attributes:
        controls: the control of each argument of `draw`, by name.
        picture: the `widgets.Image`.
        text: the `widgets.HTML` below it.
        words: the sentences in it, which are the picture's text alternative.
    """

    _ipython_display_ = None  # ipywidgets 7 displays by this; `_repr_mimebundle_` is for both

    def __init__(self, **controls):
        super().__init__()
        self.controls = controls
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.text = widgets.HTML()
        for control in controls.values():
            control.observe(self._update, "value")
        self.children = [*map(_with_slider, controls.values()), self.picture, self.text]
        self._update()

    def draw(self, **settings) -> tuple[bytes, str, str]:
        """Return the picture (PNG), its words, and what else to show (HTML), for some settings."""
        raise NotImplementedError

    def _update(self, change=None):
        settings = {name: control.value for name, control in self.controls.items()}
        self.picture.value, self.words, more = self.draw(**settings)
        self.text.value = (
            "<div role='status' aria-live='polite' style='max-width:900px;line-height:1.5'>"
            f"<p>{escape(self.words)}</p>{more}</div>"
        )

    def to_png(self) -> bytes:
        """Return the picture with its words below it."""
        picture = np.asarray(Image.open(io.BytesIO(self.picture.value)).convert("RGB"))
        return encode_png(captioned([(picture, [self.words])]))

    def _repr_mimebundle_(self, **kwargs):
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        data = {
            "application/vnd.jupyter.widget-view+json": view,
            "image/png": self.to_png(),
            "text/plain": self.words,
        }
        return data, {"image/png": {"alt": self.words}}


def choice(options, value) -> widgets.ToggleButtons:
    """Return buttons of which one is pressed, from pairs of a name and a value."""
    return widgets.ToggleButtons(
        options=options,
        value=value,
        style={"button_width": "auto"},
        layout=widgets.Layout(width="auto"),
    )


def number(name: str, value, least, most, step=1):
    """Return a named field for a number, an integer or a float as `step` is."""
    kind = widgets.BoundedIntText if isinstance(step, int) else widgets.BoundedFloatText
    style, layout = {"description_width": "initial"}, widgets.Layout(width="150px")
    return kind(value, min=least, max=most, step=step, description=name, style=style, layout=layout)


def _with_slider(control):
    """Return a number field with a slider beside it, and any other control as it is."""
    if not isinstance(control, (widgets.BoundedIntText, widgets.BoundedFloatText)):
        return control
    kind = widgets.IntSlider if isinstance(control.step, int) else widgets.FloatSlider
    slider = kind(control.value, min=control.min, max=control.max, step=control.step, readout=False)
    traitlets.link((control, "value"), (slider, "value"))
    return widgets.HBox([control, slider], layout=widgets.Layout(**WRAPPED))


def table_html(header, rows) -> str:
    """Return a table whose first column names the rows; a float from 0 to 1 is drawn as a bar."""

    def cell(value):
        if not isinstance(value, float):
            return f"<td style='text-align:right;padding-left:12px'>{escape(str(value))}</td>"
        return (
            "<td><div aria-hidden='true' style='width:80px;height:10px;border:1px solid'><div "
            f"style='width:{value:.0%};height:100%;background:currentColor'></div></div></td>"
        )

    def row(name, *values):
        name = f"<th scope='row' style='text-align:left;font-weight:normal'>{escape(name)}</th>"
        return f"<tr>{name}{''.join(map(cell, values))}</tr>"

    style = "style='text-align:right;padding-left:12px'"
    head = "".join(f"<th scope='col' {style}>{escape(title)}</th>" for title in header)
    return f"<table><tr>{head}</tr>{''.join(row(*each) for each in rows)}</table>"
