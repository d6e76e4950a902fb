"""How a TokenLearner learnt to look: its maps after every epoch of a run (notebook 05).

A widget that runs on ipywidgets 7.7.1 and 8, and draws what `analysis.EpochMaps` holds; no model
runs.
"""

import ipywidgets as widgets
import numpy as np
import traitlets

from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.figures.overlay import (
    COLORMAPS,
    as_uint8,
    captioned,
    describe_scale,
    encode_png,
    render,
    tile_square,
)
from tlvit_utils.widgets.export import write_html
from tlvit_utils.widgets.html import StaticView, live_html, paragraph, plain_text

ALL_TOKENS = "all"


def accuracy_curve(accuracy, epoch: int, width: int = 320, height: int = 150) -> str:
    """Return the curve of an accuracy over the epochs, with a cursor, as SVG.

    It takes the colour of the text around it.

    Args:
        accuracy: `(epochs,)`, 0..1.
        epoch: where the cursor stands, from 1.
        width, height: in pixels.
    """
    left, right, top, bottom = 44, width - 12, 10, height - 34
    low, high = np.floor(10 * np.min(accuracy)) / 10, np.ceil(10 * np.max(accuracy)) / 10
    x = np.linspace(left, right, len(accuracy)) if len(accuracy) > 1 else np.array([left])
    y = bottom - (np.asarray(accuracy) - low) / max(high - low, 1e-12) * (bottom - top)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    here = x[epoch - 1]
    words = f"Validation accuracy over the epochs; {accuracy[epoch - 1]:.1%} after epoch {epoch}"
    label = "<text x='{:.1f}' y='{:.1f}' text-anchor='{}'>{}</text>".format
    return (
        f"<svg role='img' aria-label='{words}' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' fill='none' stroke='currentColor'>"
        f"<path d='M{left} {top}V{bottom}H{right}'/>"
        f"<polyline points='{points}' stroke-width='2'/>"
        f"<path class='cursor' d='M{here:.1f} {top}V{bottom}' stroke-dasharray='4 3'/>"
        f"<circle cx='{here:.1f}' cy='{y[epoch - 1]:.1f}' r='5' fill='currentColor'/>"
        "<g fill='currentColor' stroke='none' font-size='12'>"
        + label(left - 6, top + 6, "end", f"{high:.0%}")
        + label(left - 6, bottom, "end", f"{low:.0%}")
        + label(left, bottom + 16, "middle", 1)
        + label(right, bottom + 16, "middle", len(accuracy))
        + label((left + right) / 2, bottom + 30, "middle", "epoch")
        + "</g></svg>"
    )


class EpochScrubber(StaticView, widgets.VBox):
    """A slider, with play, over the maps after each epoch of a run, beside the accuracy curve.

    The traits can be set from code: `epoch` (from 1), `image_index`, `token` (0, 1, … or "all") and
    `shared_scale` (one scale for all epochs, so that a map that grows is seen to grow; otherwise
    each map has its own). `picture` is the `widgets.Image`.

    Args:
        epoch_maps: from `analysis.load_epoch_maps`.
        views: `(images, height, width, 3)`, uint8, or float with values 0..1: what the network saw
            of each of its images, from `seen_images`.
        size: side of the picture in pixels.

    Raises:
        ValueError: not one view per image.
    """

    epoch = traitlets.Int(1)
    image_index = traitlets.Int(0)
    token = traitlets.Union([traitlets.Int(), traitlets.Unicode()], default_value=ALL_TOKENS)
    shared_scale = traitlets.Bool(True)

    def __init__(self, epoch_maps: EpochMaps, views, size: int = 320):
        super().__init__()
        if len(views) != len(epoch_maps.image_indices):
            raise ValueError(
                f"There are {len(views)} views, but the maps are of "
                f"{len(epoch_maps.image_indices)} images; give one view per image."
            )
        self.epoch_maps = epoch_maps
        self.maps = epoch_maps.maps.astype("float32")
        self.views = views
        self.size = size
        self.epoch = len(self.maps)
        self._build()
        self.observe(self._show, ["epoch", "image_index", "token", "shared_scale"])
        self._show()

    @traitlets.validate("epoch", "image_index")
    def _check_index(self, proposal):
        name = proposal.trait.name
        first, last = (1, len(self.maps)) if name == "epoch" else (0, len(self.views) - 1)
        if not first <= proposal.value <= last:
            raise traitlets.TraitError(
                f"{name} is {proposal.value}, but it must be from {first} to {last}."
            )
        return proposal.value

    @traitlets.validate("token")
    def _check_token(self, proposal):
        num_tokens = self.maps.shape[2]
        known = proposal.value in (ALL_TOKENS, *range(num_tokens))
        if isinstance(proposal.value, bool) or not known:
            raise traitlets.TraitError(
                f"token is {proposal.value!r}, but it must be {ALL_TOKENS!r} or one of the "
                f"indices 0 to {num_tokens - 1}."
            )
        return proposal.value

    def _build(self):
        epochs, images, num_tokens = self.maps.shape[:3]
        tokens = [(str(i + 1), i) for i in range(num_tokens)]
        style = {"description_width": "60px"}
        self.controls = {
            "epoch": widgets.IntSlider(
                self.epoch, min=1, max=epochs, description="Epoch", style=style
            ),
            "image_index": widgets.IntSlider(0, 0, images - 1, description="Image", style=style),
            "token": widgets.SelectionSlider(
                options=[(ALL_TOKENS, ALL_TOKENS), *tokens], description="Token", style=style
            ),
            "shared_scale": widgets.Checkbox(
                True, description="one scale for all epochs", indent=False
            ),
        }
        for trait, control in self.controls.items():
            traitlets.link((control, "value"), (self, trait))
        # The buttons of `Play` have no names for a screen reader, so it works behind one that has.
        self.player = widgets.Play(
            value=self.epoch, min=1, max=epochs, interval=700, layout={"display": "none"}
        )
        traitlets.link((self.player, "value"), (self, "epoch"))
        self.play = widgets.ToggleButton(description="Play", icon="play", layout={"width": "90px"})
        playing = "playing" if self.player.has_trait("playing") else "_playing"  # 8, or 7
        traitlets.link((self.play, "value"), (self.player, playing))
        self.play.observe(self._show_play, "value")
        self.picture = widgets.Image(
            format="png", layout=widgets.Layout(width=f"{self.size}px", margin="2px 16px 2px 0")
        )
        self.text = widgets.HTML()
        wrapped = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        epoch, image, token, scale = self.controls.values()
        self.children = [
            widgets.HBox([epoch, self.play, self.player], layout=wrapped),
            widgets.HBox([widgets.VBox([image, token]), scale], layout=wrapped),
            widgets.HBox([self.picture, self.text], layout=wrapped),
        ]

    def _show_play(self, change):
        self.play.description, self.play.icon = ("Stop", "stop") if change.new else ("Play", "play")
        self._show()

    def _show(self, change=None):
        self.picture.value = encode_png(self.pixels())
        self.text.value = self.describe()

    def _limits(self) -> tuple[float, float] | None:
        """Return the values at the ends of the scale; None where each map has its own."""
        if not self.shared_scale:
            return None
        maps = self.maps[:, self.image_index]
        if self.token != ALL_TOKENS:
            maps = maps[:, self.token]
        return float(maps.min()), float(maps.max())

    def pixels(self) -> np.ndarray:
        """Return the picture, `(size, size, 3)`, uint8: one map, or a tile for each token."""
        view, maps = self.views[self.image_index], self.maps[self.epoch - 1, self.image_index]
        limits = self._limits()
        if self.token != ALL_TOKENS:
            return render(view, maps[self.token], limits=limits, size=self.size)
        return tile_square(
            lambda token, side: render(view, maps[token], limits=limits, size=side),
            [str(token + 1) for token in range(len(maps))],
            self.size,
        )

    @property
    def words(self) -> str:
        """What `describe` says, as plain text."""
        return plain_text(self.describe())

    def to_png(self) -> bytes:
        """Return the picture with the words below it, as PNG."""
        return encode_png(captioned([(self.pixels(), self.words.splitlines())]))

    def describe(self) -> str:
        """Return the accuracy's curve and the map in words, as HTML."""
        accuracy = self.epoch_maps.val_accuracy
        maps = self.maps[self.epoch - 1, self.image_index]
        if self.token == ALL_TOKENS:
            words = f"Tokens 1 to {len(maps)}, row by row; choose one for its map in words."
        else:
            words = f"Token {self.token + 1}: {describe_map(maps[self.token])}."
        limits = self._limits()
        scale = f"{COLORMAPS['viridis']}, each map on its own scale"
        if limits is not None:
            scale = describe_scale("heat", "viridis", limits)
        epoch = (
            f"After epoch {self.epoch} of {len(accuracy)}: validation accuracy "
            f"{accuracy[self.epoch - 1]:.1%}."
        )
        lines = map(paragraph, (epoch, words, f"The colours go from {scale}."))
        parts = [accuracy_curve(accuracy, self.epoch), *lines]
        return live_html(parts, 460, live=not self.play.value)  # not read out at every step

    def to_html(self, path) -> None:
        """Write the maps of all epochs as one HTML file that works without a kernel.

        Args:
            path: of the file; it is written complete or not at all.
        """
        write_html(path, as_uint8(self.views), self.maps, val_accuracy=self.epoch_maps.val_accuracy)
