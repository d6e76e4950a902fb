"""Functions that draw arrays as matplotlib figures, and `show`, which displays one.

Pictures are `(height, width, 3)`, uint8 or float 0..1. Heat uses viridis or cividis, which survive
colour blindness and grey print. A token has the same number and colour in every figure: a name
that ends with "token 3" has its colour.
"""

import io
import re
import textwrap
from html import escape

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tlvit_utils.figures.overlay import as_uint8, render

# Okabe and Ito's colours with a violet in place of their yellow, which is too pale for lines on
# white; they stay apart under the common colour blindnesses. Numbers or dashes say the same.
TOKEN_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7"),
    *("#56B4E9", "#D55E00", "#6611CC", "#000000"),
)
FONT_SIZE = 11
DPI = 100


def token_colour(token: int) -> str:
    """Return the colour of the token with this index; colours repeat after eight."""
    return TOKEN_COLOURS[token % len(TOKEN_COLOURS)]


def colour_of(name: str) -> str | None:
    """Return the colour of the token that the name ends with, as in "trained, token 3"."""
    token = re.search(r"\btoken (\d+)$", name)
    return token_colour(int(token[1]) - 1) if token else None


def ink_on(colour) -> str:
    """Return black or white, whichever can be read better on a colour."""
    red, green, blue = to_rgb(colour)
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "black" if luminance > 0.18 else "white"  # there, both have the same contrast


def new_figure(width, height, rows: int = 1, columns: int = 1, title: str | None = None):
    """Return a figure of this size in inches and its axes, an array `(rows, columns)`."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=DPI)
    axes = figure.subplots(rows, columns, squeeze=False)
    if title:
        figure.suptitle(title, fontsize=FONT_SIZE + 1)
    for ax in axes.flat:
        ax.tick_params(labelsize=FONT_SIZE - 1)
    return figure, axes


def to_png(figure: Figure) -> bytes:
    """Return the figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return buffer.getvalue()


def mime_bundle(figure: Figure, caption: str) -> tuple[dict, dict]:
    """Return data and metadata that display the figure with the caption as its alternative."""
    data = {"image/png": to_png(figure), "text/plain": caption}
    return data, {"image/png": {"alt": caption}}


def show(figure: Figure, caption: str, alternative: str | None = None) -> None:
    """Display a figure in a notebook; the caption below it is its alternative text by default."""
    from IPython.display import Markdown, display

    data, metadata = mime_bundle(figure, alternative or caption)
    display(data, metadata=metadata, raw=True)
    display(Markdown(f"*{escape(caption, quote=False)}*"))  # Markdown takes HTML as it is


def label_axes(ax, x_label, y_label=None, title=None):
    """Name the axes of a chart and take away the frame's upper and right line."""
    ax.set_xlabel(x_label, fontsize=FONT_SIZE)
    ax.set_ylabel(y_label, fontsize=FONT_SIZE)
    ax.set_title(title or "", fontsize=FONT_SIZE + 1)
    ax.spines[["top", "right"]].set_visible(False)


def _picture(ax, picture, title=None):
    """Draw a picture over the unit square, without ticks."""
    ax.imshow(as_uint8(picture), extent=(0, 1, 1, 0), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    if title is not None:
        ax.set_title(title, fontsize=FONT_SIZE)


def image_grid(images, titles=None, columns: int = 10, title: str | None = None) -> Figure:
    """Draw images `(N, height, width, 3)` in rows of `columns`, each under its title."""
    rows = -(-len(images) // columns)
    size = 9 / columns
    height = rows * (size + (0.25 if titles is not None else 0.05)) + (0.3 if title else 0)
    figure, axes = new_figure(9, height, rows, columns, title)
    for i, ax in enumerate(axes.flat):
        ax.axis("off")
        if i < len(images):
            _picture(ax, images[i], None if titles is None else titles[i])
    return figure


def patches_figure(picture, patch_size: int) -> Figure:
    """Draw a square picture whole, with the grid of its patches, and as patches set apart."""
    picture = as_uint8(picture)
    size = len(picture)
    grid = size // patch_size
    gap = max(1, patch_size // 3)
    step = patch_size + gap
    apart = np.full((grid, step, grid, step, 3), 255, "uint8")
    apart[:, :patch_size, :, :patch_size] = picture.reshape(grid, patch_size, grid, patch_size, 3)
    apart = apart.reshape(grid * step, grid * step, 3)[:-gap, :-gap]
    figure, axes = new_figure(9, 4.4, 1, 2)
    _picture(axes[0, 0], picture, f"{size} × {size} pixels, {grid} × {grid} patches")
    for line in range(1, grid):
        axes[0, 0].axhline(line / grid, color="white", linewidth=1)
        axes[0, 0].axvline(line / grid, color="white", linewidth=1)
    numbers = f"{patch_size} × {patch_size} × 3 = {3 * patch_size**2} numbers"
    _picture(axes[0, 1], apart, f"{grid**2} patches of {numbers}")
    return figure


def filters_figure(kernel, title: str | None = None) -> Figure:
    """Draw filters `(size, size, 3, count)` as small pictures, each scaled so that grey is zero."""
    filters = np.moveaxis(np.asarray(kernel), -1, 0)
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    filters = 0.5 + 0.5 * filters / np.maximum(largest, 1e-12)
    return image_grid(filters, columns=16, title=title)


def similarity_figure(vectors, grid_size: int, title: str | None = None) -> Figure:
    """Draw the cosine similarity of each cell's vector `(grid_size ** 2, dim)` to every cell's."""
    vectors = np.asarray(vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (unit @ unit.T).reshape(grid_size**2, grid_size, grid_size)
    figure, axes = new_figure(7, 6.6, grid_size, grid_size, title)
    for cell, ax in enumerate(axes.flat):
        image = ax.imshow(cosines[cell], vmin=-1, vmax=1, cmap="cividis")
        ax.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=axes, label="cosine similarity", shrink=0.8)
    return figure


def matrix_figure(matrix, row_names, column_names, title: str, limits=(0, 1), labels=("", "")):
    """Draw a small matrix as heat between two `limits`, with its numbers in the cells.

    `labels` say what the rows are, and the columns.
    """
    matrix = np.asarray(matrix)
    figure, axes = new_figure(1.6 + 0.6 * matrix.shape[1], 1.4 + 0.6 * matrix.shape[0])
    ax = axes[0, 0]
    image = ax.imshow(matrix, cmap="cividis", vmin=limits[0], vmax=limits[1])
    for (row, column), value in np.ndenumerate(matrix):
        ink = ink_on(image.to_rgba(value))
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    slope = 45 if max(len(str(name)) for name in column_names) > 4 else 0
    ax.set_xticks(range(len(column_names)), column_names, rotation=slope)
    ax.set_yticks(range(len(row_names)), row_names)
    ax.set_ylabel(labels[0], fontsize=FONT_SIZE)
    ax.set_xlabel(labels[1], fontsize=FONT_SIZE)
    ax.set_title(title, fontsize=FONT_SIZE)
    return figure


def heat_panels(picture, maps, titles, title=None, limits=None, mark=None) -> Figure:
    """Draw the picture, then each of its maps `(count, rows, columns)` over it, with a colour bar.

    `limits` are one colour scale for all maps. Without them each has its own, and its lowest and
    highest weight stand below it. `mark` is the `(row, column)` of a cell to frame in every panel.
    """
    rows = -(-(len(maps) + 1) // 5)
    figure, axes = new_figure(9, 2.05 * rows + 0.5, rows, 5, title)
    for ax in axes.flat:
        ax.axis("off")
    _picture(axes.flat[0], picture, "what the network sees")
    for i, (ax, each) in enumerate(zip(axes.flat[1:], maps, strict=False)):
        _picture(ax, render(picture, each, limits=limits), titles[i])
        if colour := colour_of(titles[i]):
            ax.title.set(color=ink_on(colour), bbox={"facecolor": colour, "lw": 0, "pad": 2})
        if limits is None:
            ax.text(0.5, 1.04, _range(each), ha="center", va="top", fontsize=FONT_SIZE - 2)
    if mark is not None:
        height, width = 1 / np.array(maps.shape[1:])
        corner = mark[1] * width, mark[0] * height
        for ax in axes.flat[: len(maps) + 1]:
            for colour, line in (("white", 4), ("black", 2)):
                ax.add_patch(Rectangle(corner, width, height, fill=False, color=colour, lw=line))
    colours = ScalarMappable(Normalize(*(limits or (0, 1))), "viridis")
    scale = figure.colorbar(colours, ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.02)
    if limits is None:
        scale.set_ticks([0, 1], labels=["each panel's lowest", "highest"])
    scale.ax.tick_params(labelsize=FONT_SIZE - 1)
    return figure


def _range(weights) -> str:
    """Return "lowest to highest", with a negligible lowest written as 0.00."""
    low, high = weights.min(), weights.max()
    lowest = "0.00" if low < min(0.005, high / 10) else f"{low:.2g}"
    return f"{lowest} to {high:.2g}"


def token_maps_figure(picture, maps, title=None, limits=None) -> Figure:
    """Draw the maps `(num_tokens, rows, columns)` of all tokens over the picture."""
    titles = [f"token {i + 1}" for i in range(len(maps))]
    return heat_panels(picture, maps, titles, title, limits=limits)


def bars_figure(
    values: dict[str, float], label: str, value_format=".1f", title=None, behind=None
) -> Figure:
    """Draw named numbers as horizontal bars, over pale ones of the same names in `behind`."""
    figure, axes = new_figure(8, 0.8 + 0.38 * len(values))
    ax = axes[0, 0]
    colours = [colour_of(name) or TOKEN_COLOURS[0] for name in values]
    bars = ax.barh(list(values), list(values.values()), color=colours)
    ax.bar_label(bars, [f"{v:{value_format}}" for v in values.values()], padding=4)
    for name, value in (behind or {}).items():
        ax.barh(name, value, color="0.9", zorder=0)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    label_axes(ax, label, title=title)
    return figure


def lines_figure(x, lines: dict[str, np.ndarray], x_label: str, y_label: str, title=None):
    """Draw named lines over `x`, each with its own dash."""
    figure, axes = new_figure(7, 3.4)
    ax = axes[0, 0]
    for i, (name, y) in enumerate(lines.items()):
        colour = colour_of(name) or token_colour(i)
        ax.plot(x, y, ("-", "--", ":", "-.")[i % 4], color=colour, label=name, lw=2)
    ax.axhline(0, color="0.7", lw=0.8)
    ax.legend(fontsize=FONT_SIZE - 1)
    label_axes(ax, x_label, y_label, title)
    return figure


def walk_figure(rows: list[dict], reaches, title: str | None = None) -> Figure:
    """Draw what each network of a series gains over the one before, and what it costs.

    Each of `rows` has `change` (its name), `val_accuracy` (a share) and `multiply_adds`; `reaches`
    are half the widths of the gains' intervals, one fewer than rows.
    """
    figure, axes = new_figure(10, 0.9 + 0.42 * len(rows), 1, 2, title)
    names = [textwrap.fill(f"{i}  {row['change']}", 42) for i, row in enumerate(rows)]
    places = np.arange(len(rows))
    gains = 100 * np.diff([row["val_accuracy"] for row in rows])
    costs = [row["multiply_adds"] / 1e6 for row in rows]
    gain, cost = axes[0]
    gain.axvline(0, color="0.6", lw=1)
    style = {"fmt": "o", "color": "black", "capsize": 3}
    gain.errorbar(gains, places[1:], xerr=100 * np.asarray(reaches), **style)
    for value, place in zip(gains, places[1:], strict=True):
        gain.annotate(f"{value:+.1f}", (value, place), (0, 5), textcoords="offset points")
    gain.set_yticks(places, names)
    bars = cost.barh(places, costs, color=TOKEN_COLOURS[1])
    cost.bar_label(bars, [f"{value:.1f}" for value in costs], padding=4)
    cost.margins(x=0.2)
    cost.set_yticks([])
    for ax, label in ((gain, "gain over the line above, points"), (cost, "million multiply-adds")):
        ax.set_ylim(len(rows) - 0.4, -0.6)
        label_axes(ax, label)
    return figure


def curves_figure(
    histories: dict[str, dict[str, list]], title: str | None = None, epochs: int | None = None
) -> Figure:
    """Draw loss and accuracy of runs, `{name: history}`, on an axis as long as `epochs`.

    Training is dashed with hollow markers, validation solid. A history is what `training.train`
    returns, or a `LiveCurves.history`.
    """
    figure, axes = new_figure(9, 4.0, 1, 2, title)
    panels = (("loss", "loss", 1), ("accuracy", "accuracy, %", 100))
    for ax, (quantity, label, factor) in zip(axes.flat, panels, strict=True):
        for i, (name, history) in enumerate(histories.items()):
            train = factor * np.array(history.get(quantity, []))
            valid = factor * np.array(history.get(f"val_{quantity}", []))
            at = history.get("at", range(1, len(train) + 1))[: len(train)]  # within the epochs
            style = {"marker": "osD^v"[i % 5], "color": token_colour(i)}
            ax.plot(at, train, "--", mfc="white", label=f"{name}, train", **style)
            ax.plot(range(1, len(valid) + 1), valid, "-", label=f"{name}, valid.", **style)
        if epochs is not None:
            ax.set_xlim(0, 1.02 * epochs)
        label_axes(ax, "epoch", label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    place = {"loc": "outside lower left", "ncols": len(histories), "fontsize": FONT_SIZE - 2}
    figure.legend(handles, labels, **place)
    return figure
