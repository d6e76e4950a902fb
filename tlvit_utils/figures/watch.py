"""A training as it goes on: its curves, and the maps of a few pictures after its last epoch."""

import numpy as np
from matplotlib.figure import Figure

from tlvit_utils.figures.overlay import render
from tlvit_utils.figures.plots import FONT_SIZE, label_axes, new_figure, token_colour

SIDE = 192  # of a picture with its map, in pixels


def watch_figure(
    *,
    epochs: int,
    history: dict[str, list[float]],
    found: dict[int, float],
    chance: float,
    guess: float,
    pictures,
    maps,
    masks,
    titles: list[str],
    title: str | None = None,
) -> Figure:
    """Draw loss, accuracy and how often the maps find the object; below, pictures with their maps.

    Args:
        epochs: of the whole training.
        history: what `train` returns, so far.
        found: by epoch (0 is before the first), the share of pictures whose mean map is highest on
            the object; a random cell reaches `chance`.
        guess: the share of right answers that guessing reaches.
        pictures, masks: `(N, height, width, 3)` and `(N, height, width)`, as the network saw them.
        maps: `(N, rows, columns)`, the mean map of each picture.
    """
    columns = len(pictures)
    figure, axes = new_figure(9, 5.6, 2, columns, title)
    for ax in axes[0]:
        ax.remove()
    grid = axes[0, 0].get_gridspec()[0, :].subgridspec(1, 3)
    loss, accuracy, on_object = (figure.add_subplot(cell) for cell in grid)
    for ax, name, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for key, dash, label in ((name, "--", "training"), (f"val_{name}", "-", "validation")):
            values = factor * np.array(history.get(key, []))
            ax.plot(1 + np.arange(len(values)), values, dash, marker="o", ms=4, label=label)
    shares = 100 * np.array([*found.values()])
    on_object.plot(found.keys(), shares, "-o", ms=4, color=token_colour(2), clip_on=False)
    for ax, share in ((accuracy, guess), (on_object, chance)):
        ax.axhline(100 * share, ls=":", color="0.4", label="chance")
        ax.set_ylim(0, 103)
    labels = "loss", "accuracy, %", "mean map on the object, %"
    for ax, label in zip((loss, accuracy, on_object), labels, strict=True):
        label_axes(ax, "epoch", title=label)
        ax.set_xlim(0, epochs + 0.3)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
    if history:
        loss.legend(fontsize=FONT_SIZE - 2)
    else:
        loss.set_yticks([])
    on_object.legend(fontsize=FONT_SIZE - 2, loc="center right")
    for ax, picture, each, mask, text in zip(axes[1], pictures, maps, masks, titles, strict=True):
        end = len(mask) - 0.5
        ax.imshow(render(picture, each, size=SIDE), extent=(-0.5, end, end, -0.5))
        for colour, width in (("white", 3), ("black", 1.2)):
            ax.contour(mask, [0.5], colors=colour, linewidths=width)
        ax.set_title(text, fontsize=FONT_SIZE)
        ax.axis("off")
    return figure
