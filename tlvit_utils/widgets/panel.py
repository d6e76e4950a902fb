"""What all widgets here have in common: controls, a picture, and words that say the same.

They run on ipywidgets 7.7.1 (Colab) and 8, and use only `Image`, `HTML`, boxes, and controls with
`observe`, so that an error in a callback is raised. Each control has a name for screen readers. The
handle of a slider cannot have one, so choices are buttons and numbers are fields.
"""

import io
from html import escape

import ipywidgets as widgets
import numpy as np
from PIL import Image

from tlvit_utils.figures.overlay import captioned, encode_png


class Panel(widgets.VBox):
    """Controls, a picture that follows them, and its words; a subclass has a method `draw`.

    Where no kernel runs, the picture with its words below it takes the widget's place.

    Attributes:
        controls: the control of each argument of `draw`, by name.
        picture: the `widgets.Image`.
        text: the `widgets.HTML` below it.
        words: the lines in it, which are the picture's text alternative.
    """

    _ipython_display_ = None  # ipywidgets 7 displays by this; `_repr_mimebundle_` is for both

    def __init__(self, **controls):
        super().__init__()
        self.controls = controls
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.text = widgets.HTML()
        for control in controls.values():
            control.observe(self._update, "value")
        self.children = [*controls.values(), self.picture, self.text]
        self._update()

    def draw(self, **settings) -> tuple[bytes, str, str]:
        """Return the picture (PNG), its words, and what else to show (HTML), for some settings."""
        raise NotImplementedError

    def _update(self, change=None):
        settings = {name: control.value for name, control in self.controls.items()}
        try:
            self.picture.value, self.words, more = self.draw(**settings)
        except Exception:
            if change:
                change.owner.value = change.old
            raise
        self.text.value = (
            "<div role='status' style='max-width:900px;line-height:1.5'>"
            f"<p style='white-space:pre-line'>{escape(self.words)}</p>{more}</div>"
        )

    def _repr_mimebundle_(self, **kwargs):
        picture = np.asarray(Image.open(io.BytesIO(self.picture.value)).convert("RGB"))
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        data = {
            "application/vnd.jupyter.widget-view+json": view,
            "image/png": encode_png(captioned(picture, self.words)),
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
