"""Pictures of whole studies: many networks, each trained from several seeds (notebook 08)."""

from operator import itemgetter

import numpy as np
from matplotlib.figure import Figure

from tlvit_utils.figures.plots import FONT_SIZE, TOKEN_COLOURS, label_axes, new_figure

KINDS = {  # the kinds of network in a study: colour and marker
    "TokenLearner": (TOKEN_COLOURS[0], "o"),
    "another reduction": (TOKEN_COLOURS[5], "s"),
    "no reduction": (TOKEN_COLOURS[7], "D"),
}


def accuracy_against_cost(rows: list[dict], title: str | None = None) -> Figure:
    """Draw the accuracy of each method of a study over its multiply-adds.

    A large mark is the mean over seeds, each small one a seed. Networks without reduction are
    joined by a line: what lies above it is more accurate than fewer blocks at the same cost. `rows`
    are those of a result file of `benchmarks/study.py`.
    """
    figure, axes = new_figure(9, 5.5, title=title)
    ax = axes[0, 0]
    points, plain = [], []
    for method in dict.fromkeys(row["method"] for row in rows):
        some = [row for row in rows if row["method"] == method]
        cost = some[0]["multiply_adds"] / 1e6
        accuracies = [100 * row["accuracy"] for row in some]
        kind = _kind(some[0]["config"])
        colour, marker = KINDS[kind]
        ax.plot(cost, np.mean(accuracies), marker, color=colour, ms=10, mfc="none", label=kind)
        ax.plot([cost] * len(some), accuracies, marker, color=colour, markersize=3)
        points.append((cost, float(np.mean(accuracies)), method, colour))
        if kind == "no reduction":
            plain.append((cost, np.mean(accuracies)))
    if plain:
        ax.plot(*zip(*sorted(plain), strict=True), ":", color="grey", zorder=0)
    label_axes(ax, "million multiply-adds per image", "accuracy in %")
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    place = {"loc": "outside lower center", "ncols": len(handles), "fontsize": FONT_SIZE - 1}
    figure.legend(handles.values(), handles.keys(), **place)
    ax.margins(0.08, 0.1)
    _name_points(ax, points)
    return figure


def _kind(config):
    if config["num_tokens"] is None:
        return "no reduction"
    return "TokenLearner" if config["variant"] in ("v1", "v1.1", "grouped") else "another reduction"


def _name_points(ax, points):
    """Write each point's name beside it, towards the middle, no two names over each other."""
    left, right = ax.get_xlim()
    line = np.ptp(ax.get_ylim()) / 18  # the height of a name
    for on_left in (True, False):
        side = sorted(
            (p for p in points if (p[0] < (left + right) / 2) == on_left), key=itemgetter(1)
        )
        if not side:
            continue
        # names stand in a column beside the outermost point of their side
        edge = max(p[0] for p in side) if on_left else min(p[0] for p in side)
        x = edge + (right - left) * (0.04 if on_left else -0.04)
        accuracies, steps = np.array([p[1] for p in side]), line * np.arange(len(side))
        heights = np.maximum.accumulate(accuracies - steps) + steps  # a line apart
        heights += np.mean(accuracies - heights)
        for (cost, accuracy, name, colour), height in zip(side, heights, strict=True):
            ax.annotate(
                name,
                (cost, accuracy),
                (x, height),
                color=colour,
                fontsize=FONT_SIZE - 1,
                ha="left" if on_left else "right",
                va="center",
                arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.4, "shrinkB": 5},
            )
