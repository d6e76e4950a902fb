"""Pictures of whole studies: many networks, each trained from several seeds (notebook 08)."""

from operator import itemgetter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from tlvit_utils.figures.plots import FONT_SIZE, TOKEN_COLOURS, label_axes, new_figure

KINDS = {  # the kinds of network in a study: colour and marker
    "TokenLearner": (TOKEN_COLOURS[0], "o"),
    "another reduction": (TOKEN_COLOURS[5], "s"),
    "no reduction": (TOKEN_COLOURS[7], "D"),
}

RIVALS = ("average", "patch_merger", "strided", "top_k")  # of the variants of `ViTConfig`


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
    return "another reduction" if config["variant"] in RIVALS else "TokenLearner"


def _name_points(ax, points):
    """Write names above lonely points, and in a column beside the crowd of cheap ones."""
    left, right = ax.get_xlim()
    low, high = ax.get_ylim()
    ground = withStroke(linewidth=3, foreground="white")  # so that no line strikes a name out
    text = {"fontsize": FONT_SIZE - 1, "path_effects": [ground]}
    crowd = []
    for point in points:
        cost, accuracy, name, colour = point
        if cost < left + (right - left) / 4:
            crowd.append(point)
        else:
            side = "left" if cost < (left + right) / 2 else "right"  # away from the edge
            where = {"textcoords": "offset points", "ha": side, "color": colour}
            ax.annotate(name, (cost, accuracy), (0, 10), **where, **text)
    if not crowd:
        return
    crowd.sort(key=itemgetter(1))
    x = max(cost for cost, *_ in crowd) + (right - left) / 25
    spacing = (high - low) / 18  # the height of a name
    steps = spacing * np.arange(len(crowd))
    accuracies = np.array([accuracy for _, accuracy, *_ in crowd])
    heights = np.maximum.accumulate(accuracies - steps) + steps  # no two names over each other
    heights += np.mean(accuracies - heights)
    for (cost, accuracy, name, colour), height in zip(crowd, heights, strict=True):
        line = {"arrowstyle": "-", "color": colour, "alpha": 0.4, "shrinkB": 5}
        where = {"color": colour, "va": "center", "arrowprops": line}
        ax.annotate(name, (cost, accuracy), (x, height), **where, **text)
    ax.set_ylim(min(low, heights[0] - spacing), high)
