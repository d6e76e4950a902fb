"""Moving drawings of the mechanisms, each a page of plain JavaScript that knows a few numbers.

The last expression of a notebook's cell shows one; it needs no kernel afterwards. Beside it stand a
still picture and words. `moving.js` and `moving.css` are what the drawings share.
"""

from pathlib import Path

import numpy as np

from tlvit_utils.figures.page import HtmlPage
from tlvit_utils.figures.plots import TOKEN_COLOURS, new_figure, to_png, token_colour

FOLDER = Path(__file__).parent
POOLINGS = ("mean", "sum", "weighted_mean")


def attention(queries, keys, values, names=None) -> HtmlPage:
    """Draw queries, keys and values as arrows in the plane; the reader drags them.

    One token asks at a time. The scale of the scores starts at 1/√2, as the vectors have width 2.

    Args:
        queries: `(tokens, 2)`, 2 to 6 tokens.
        keys: the same shape.
        values: the same shape.
        names: one text per token; "token 1", … by default.

    Raises:
        ValueError: other shapes, or numbers that are not finite.
    """
    queries = _numbers("queries", queries, "(tokens, 2)", (range(2, 7), [2]))
    count = [len(queries)]
    keys = _numbers("keys", keys, "(tokens, 2)", (count, [2]))
    values = _numbers("values", values, "(tokens, 2)", (count, [2]))
    names = [str(name) for name in names or _token_names(queries)]
    if len(names) != len(queries):
        raise ValueError(f"There are {len(queries)} tokens, but {len(names)} names; give one each.")
    scores = keys @ queries[0] / np.sqrt(2)
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    output = weights @ values
    figure, ((left, middle, right),) = new_figure(10, 3.6, 1, 3)
    _arrows(left, [*keys, queries[0]], [*_labels("k", keys), "q1"], "query and keys")
    middle.barh(names, weights, color=[token_colour(i) for i in range(len(keys))])
    middle.invert_yaxis()
    middle.set(xlim=(0, 1), title="weights")
    _arrows(right, [*values, output], [*_labels("v", values), "output"], "values and output")
    words = (
        f"Attention of {names[0]}: its query {_text(queries[0])} gives the keys the weights "
        + ", ".join(f"{weight:.2f}" for weight in weights)
        + f"; the sum of the values with these weights is {_text(output)}."
    )
    data = {"names": names, "queries": queries, "keys": keys, "values": values}
    return _page("attention", "Attention with arrows", data, figure, words)


def token_learner(grid, maps, pooling="mean") -> HtmlPage:
    """Draw TokenLearner from the inside: grid, norm, map, and their product added cell by cell.

    Args:
        grid: `(rows, columns, 3)`, 0..1, shown as colours; 2 to 6 rows and columns.
        maps: `(tokens, rows, columns)`, not negative, 1 to 8 tokens.
        pooling: how the drawing pools at first: "mean", "sum" or "weighted_mean", as
            `TokenLearner` does.

    Raises:
        ValueError: other shapes, numbers outside these ranges, or an unknown pooling.
    """
    few = range(2, 7)
    grid = _numbers("grid", grid, "(rows, columns, 3)", (few, few, [3]), 0, 1)
    rows, columns, _ = grid.shape
    sizes = (range(1, 9), [rows], [columns])
    maps = _numbers("maps", maps, f"(tokens, {rows}, {columns})", sizes, 0)
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is {pooling!r}, but it must be one of {', '.join(POOLINGS)}.")
    product = maps[0, :, :, None] * grid
    total = product.sum((0, 1))
    divisor = {"mean": rows * columns, "sum": 1, "weighted_mean": maps[0].sum() + 1e-4}[pooling]
    token = total / divisor
    figure, axes = new_figure(10, 3, 1, 4)
    brightest = max(maps[0].max(), 1e-12)
    panels = {
        "grid": grid,
        "map of token 1": np.repeat(maps[0, :, :, None] / brightest, 3, 2),
        "map × grid": product / brightest,
        f"token 1 ({pooling.replace('_', ' ')})": token.clip(0, 1)[None, None],
    }
    for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
        ax.imshow(panel)
        ax.set(xticks=[], yticks=[], title=title)
    words = (
        f"TokenLearner from the inside: a map of {rows} × {columns} weights, times a grid of "
        f"{rows} × {columns} colours, is added up cell by cell to {_text(total)}; the "
        f"{pooling.replace('_', ' ')}, token 1, is {_text(token)}."
    )
    cells = rows * columns
    data = {
        "rows": rows,
        "columns": columns,
        "grid": grid.reshape(cells, 3),
        "maps": maps.reshape(-1, cells),
        "pooling": pooling,
    }
    return _page("token_learner", "TokenLearner from the inside", data, figure, words)


def _numbers(name, values, shape, sizes, low=-np.inf, high=np.inf) -> np.ndarray:
    """Return an array of floats; each of its sizes is one of `sizes`, as the text `shape` says."""
    array = np.asarray(values, "float64")
    if array.ndim != len(sizes) or any(
        size not in allowed for size, allowed in zip(array.shape, sizes, strict=True)
    ):
        allowed = " × ".join(f"{min(each)} to {max(each)}" for each in sizes)
        raise ValueError(f"{name} has shape {array.shape}, but it must be {shape}: {allowed}.")
    if not (np.isfinite(array) & (array >= low) & (array <= high)).all():
        raise ValueError(f"{name} must hold finite numbers from {low} to {high}.")
    return array


def _page(name, title, data, figure, words) -> HtmlPage:
    """Return the drawing `name` of these data."""
    rounded = {
        key: value.round(6).tolist() if isinstance(value, np.ndarray) else value
        for key, value in data.items()
    }
    data = {"title": title, "colours": TOKEN_COLOURS, **rounded}
    return HtmlPage(FOLDER / f"{name}.html", data, to_png(figure), words)


def _token_names(vectors) -> list[str]:
    return [f"token {i + 1}" for i in range(len(vectors))]


def _labels(letter, vectors) -> list[str]:
    return [f"{letter}{i + 1}" for i in range(len(vectors))]


def _text(values) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in values) + ")"


def _arrows(ax, vectors, labels, title):
    """Draw arrows from the origin, each with its label; the last is black."""
    for i, (vector, label) in enumerate(zip(vectors, labels, strict=True)):
        colour = "black" if i == len(vectors) - 1 else token_colour(i)
        ax.annotate("", vector, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
        ax.text(*(1.08 * vector), label, ha="center", va="center")
    limit = 1.3 * max(1, np.abs(vectors).max())
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
