"""Moving drawings of the mechanisms, each a page of plain JavaScript that knows a few numbers.

The last expression of a notebook's cell shows one; it needs no kernel afterwards. Beside it stand a
still picture and words. Arrays that do not fit raise a ValueError. `moving.html`, `moving.css` and
`moving.js` are what the drawings share.
"""

from itertools import product
from pathlib import Path

import numpy as np

from tlvit_utils.figures.overlay import as_uint8
from tlvit_utils.figures.page import HtmlPage
from tlvit_utils.figures.plots import (
    TOKEN_COLOURS,
    new_figure,
    patches_figure,
    to_png,
    token_colour,
)

FOLDER = Path(__file__).parent


class Drawing(HtmlPage):
    """One drawing; its template is what differs from `moving.html`, the page that all share."""

    def _source(self) -> str:
        page = (FOLDER / "moving.html").read_text(encoding="utf-8")
        page = page.replace("drawing.js", f"{self.template.stem}.js")
        return page.replace("<!-- the drawing -->\n", super()._source())


def attention(queries, keys, values) -> HtmlPage:
    """Draw queries, keys and values, each `(tokens, 2)`, as arrows in the plane to drag.

    There are 2 to 6 tokens, of which one asks at a time. The scale of the scores starts at 1/√2, as
    the vectors have width 2.
    """
    queries = _numbers("queries", queries, "(tokens, 2)", (range(2, 7), [2]))
    count = [len(queries)]
    keys = _numbers("keys", keys, "(tokens, 2)", (count, [2]))
    values = _numbers("values", values, "(tokens, 2)", (count, [2]))
    names = _labels("token ", queries)
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
        f"Attention of token 1: its query {_text(queries[0])} gives the keys the weights "
        + ", ".join(f"{weight:.2f}" for weight in weights)
        + f"; the sum of the values with these weights is {_text(output)}."
    )
    data = {"names": names, "queries": queries, "keys": keys, "values": values}
    return _page("attention", "Attention with arrows", data, figure, words)


def token_learner(grid, filters) -> HtmlPage:
    """Draw TokenLearner from the inside: norm, convolution, map, and map × grid, cell by cell.

    Args:
        grid: `(rows, columns, 3)`, 0..1, shown as colours; 2 to 6 rows and columns.
        filters: `(tokens, 3, 3, 3)`, for each of 1 to 8 tokens 3 rows, columns and channels. The
            sigmoid of this one convolution is the map; a TokenLearner has four convolutions.
    """
    few = range(2, 7)
    grid = _numbers("grid", grid, "(rows, columns, 3)", (few, few, [3]), 0, 1)
    rows, columns, _ = grid.shape
    filters = _numbers("filters", filters, "(tokens, 3, 3, 3)", (range(1, 9), [3], [3], [3]))
    normed = _norm(grid)
    padded = np.pad(normed, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    logits = np.einsum("xycij,sijc->sxy", windows, filters)  # (tokens, rows, columns)
    maps = 1 / (1 + np.exp(-logits))
    weighted, brightest = maps[0, :, :, None] * grid, maps[0].max()
    token = weighted.mean((0, 1))
    figure, axes = new_figure(10, 2.2, 1, 6)
    grey = 0.5 + logits[0] / max(2 * np.abs(logits[0]).max(), 1e-12)
    panels = {
        "grid": grid,
        "norm": (0.5 + 0.3 * normed).clip(0, 1),
        "convolution": np.repeat(grey[:, :, None], 3, 2),
        "map of token 1": np.repeat(maps[0, :, :, None] / brightest, 3, 2),
        "map × grid": weighted / brightest,
        "token 1 (mean)": token.clip(0, 1)[None, None],
    }
    for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
        ax.imshow(panel)
        ax.set(xticks=[], yticks=[], title=title)
    words = (
        f"TokenLearner from the inside: norm, a convolution and a sigmoid make a map of {rows} × "
        f"{columns} weights from a grid of {rows} × {columns} colours; map times grid is added up "
        f"cell by cell to {_text(weighted.sum((0, 1)))}; the mean, token 1, is {_text(token)}."
    )
    data = {"rows": rows, "columns": columns}
    data |= {"grid": grid.reshape(-1, 3), "normed": normed.reshape(-1, 3)}
    data |= {"logits": logits.reshape(-1, rows * columns), "maps": maps.reshape(-1, rows * columns)}
    return _page("token_learner", "TokenLearner from the inside", data, figure, words)


def block(tokens) -> HtmlPage:
    """Draw a pre-norm Transformer block: its residual path, and what attention and MLP add to it.

    Switches give either part the weights 0, or take the skip connections away. `tokens` are 1 to 6
    of width 2 to 8, `(tokens, dim)`; attention and MLP are small and fixed.
    """
    tokens = _numbers("tokens", tokens, "(tokens, dim)", (range(1, 7), range(2, 9)))

    def path(skip, attends, mlp):
        """Return the tokens at each of the block's seven stations, `(7, tokens, dim)`."""
        stations = [tokens]
        for used, part in ((attends, _attend), (mlp, _mlp)):
            before = stations[-1]
            normed = _norm(before)
            added = used * part(normed)
            stations += [normed, added, skip * before + added]
        return np.stack(stations)

    paths = {"".join(map(str, each)): path(*each) for each in product((0, 1), repeat=3)}
    first = paths["111"][:, 0]  # (7, dim)
    figure, axes = new_figure(10, 3, 1, 5)
    titles = {"the token": 0, "+ attention": 2, "=": 3, "+ MLP": 5, "leaves the block": 6}
    for ax, (title, station) in zip(axes.flat, titles.items(), strict=True):
        ax.bar(np.arange(tokens.shape[1]), first[station])
        ax.set(title=title, ylim=1.1 * np.abs(first).max() * np.array([-1, 1]), xlabel="number")
        ax.set_xticks(np.arange(tokens.shape[1]))
        ax.axhline(0, color="0.5", lw=0.8)
    words = (
        f"A pre-norm Transformer block: token 1 enters as {_text(first[0])}; attention, which "
        f"reads the normalised tokens, adds {_text(first[2])}; the MLP adds {_text(first[5])}; it "
        f"leaves as {_text(first[6])}."
    )
    return _page("block", "A Transformer block", {"paths": paths}, figure, words)


def _norm(tokens):
    """Return LayerNorm of tokens `(..., dim)`, without scale and shift."""
    centred = tokens - tokens.mean(-1, keepdims=True)
    return centred / np.sqrt(tokens.var(-1, keepdims=True) + 1e-6)


def _attend(tokens):
    """Return attention among tokens `(tokens, dim)` that are queries, keys and values at once."""
    powers = np.exp(tokens @ tokens.T / np.sqrt(tokens.shape[1]))
    return 0.6 * powers @ tokens / powers.sum(1, keepdims=True)


def _mlp(tokens):
    """Return an MLP of each of the tokens `(tokens, dim)`: two fixed layers, GELU after each."""
    draw, dim = np.random.default_rng(0).normal, tokens.shape[1]
    for weights in draw(0, 0.7, (dim, 2 * dim)), draw(0, 0.5, (2 * dim, dim)):
        x = tokens @ weights
        tokens = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return tokens


def patches(image, patch_sizes=(4, 8, 16)) -> HtmlPage:
    """Draw an image that falls apart into patches, which become a sequence of tokens.

    Args:
        image: `(size, size, 3)`, uint8 or float 0..1, at most 64 pixels a side.
        patch_sizes: sizes to choose from; each divides the image's and gives 4 to 256 patches.
    """
    image = as_uint8(np.asarray(image))
    size = len(image)
    if image.shape != (size, size, 3) or size > 64:
        raise ValueError(f"image has shape {image.shape}, but it must be (size, size, 3) up to 64.")
    sizes = [int(each) for each in patch_sizes]
    for each in sizes:
        if each < 1 or size % each or not 2 <= size // each <= 16:
            raise ValueError(
                f"Patches of {each} pixels do not cut {size} pixels into 2 to 16 parts a side; "
                "give sizes that do."
            )
    grid = size // sizes[0]
    words = (
        f"An image of {size} × {size} pixels, whole and cut into {grid} × {grid} patches of "
        f"{sizes[0]} × {sizes[0]} pixels; row by row they are a sequence of {grid**2} tokens."
    )
    data = {"size": size, "sizes": sizes, "pixels": image.ravel()}
    title = "An image becomes a sequence"
    return _page("patches", title, data, patches_figure(image, sizes[0]), words)


def same_mean(tokens) -> HtmlPage:
    """Draw 2 to 8 tokens `(tokens, 2)` in the plane, and their mean, which stays when they move."""
    tokens = _numbers("tokens", tokens, "(tokens, 2)", (range(2, 9), [2]))
    mean = tokens.mean(0)
    turned = mean + (tokens - mean) @ [[0, 1], [-1, 0]]
    figure, axes = new_figure(8, 4.5, 1, 2)
    for ax, each, title in zip(axes.flat, (tokens, turned), ("tokens", "turned"), strict=True):
        _arrows(ax, [*each, mean], [*_labels("", each), "mean"], f"{title}: mean {_text(mean)}")
    words = (
        f"{len(tokens)} tokens in the plane and their mean {_text(mean)}, which is the same when "
        "the tokens turn around it."
    )
    return _page("same_mean", "What the mean of tokens forgets", {"tokens": tokens}, figure, words)


def _numbers(name, values, shape, sizes, low=-np.inf, high=np.inf) -> np.ndarray:
    """Return an array of floats; each of its sizes is one of `sizes`, as the text `shape` says."""
    array = np.asarray(values, "float64")
    if array.ndim != len(sizes) or any(
        size not in allowed for size, allowed in zip(array.shape, sizes, strict=True)
    ):
        ends = (sorted({min(each), max(each)}) for each in sizes)
        allowed = " × ".join(" to ".join(map(str, each)) for each in ends)
        raise ValueError(f"{name} has shape {array.shape}, but it must be {shape}: {allowed}.")
    if not (np.isfinite(array) & (array >= low) & (array <= high)).all():
        limits = f" from {low} to {high}" if np.isfinite([low, high]).all() else ""
        raise ValueError(f"{name} must hold finite numbers{limits}.")
    return array


def _page(name, title, data, figure, words) -> HtmlPage:
    """Return the drawing `name` of these data."""
    data = {"title": title, "colours": TOKEN_COLOURS, **data}
    return Drawing(FOLDER / f"{name}.html", data, to_png(figure), words)


def _labels(letter, vectors) -> list[str]:
    return [f"{letter}{i + 1}" for i in range(len(vectors))]


def _text(values) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in values) + ")"


def _arrows(ax, vectors, labels, title):
    """Draw arrows from the origin, each with its label; the last is black."""
    for i, (vector, label) in enumerate(zip(vectors, labels, strict=True)):
        colour = "black" if i == len(vectors) - 1 else token_colour(i)
        ax.annotate("", vector, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
        right, up = vector[0] >= 0, vector[1] >= 0
        side = {"ha": "left" if right else "right", "va": "bottom" if up else "top"}
        ax.annotate(label, vector, (3 if right else -3, 0), textcoords="offset points", **side)
    limit = 1.3 * max(1, np.abs(vectors).max())
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
