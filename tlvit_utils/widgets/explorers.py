"""Widgets in which a learner turns a few knobs (notebooks 02 to 04)."""

import time
import tracemalloc
from functools import cache

import numpy as np

from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.figures.overlay import captioned, encode_png
from tlvit_utils.figures.plots import bars_figure, head_attention_figure, to_png
from tlvit_utils.vit import ViTConfig, build_vit
from tlvit_utils.widgets.panel import Panel, choice, table_html


def count_tokens(count: int) -> str:
    """Return "1 token", "2 tokens"."""
    return f"{count:,} token{'s' * (count != 1)}"


class AttentionExplorer(Panel):
    """Choose a patch and a block: which patches does it read, in each head?

    Args:
        picture: `(side, side, 3)`, what the network saw, uint8, or float with values 0..1.
        scores: for each block's name its attention weights `(heads, tokens, tokens)`; the tokens
            are a square grid, row by row.
        row, column: the patch to begin with, from 0.
    """

    def __init__(self, picture, scores, row=0, column=0):
        self.image = picture
        self.scores = {name: np.asarray(each) for name, each in scores.items()}
        side = round(next(iter(self.scores.values())).shape[1] ** 0.5)
        names = list(self.scores)
        super().__init__(
            block=choice([(name, name) for name in names], names[0]),
            row=choice([(f"row {i + 1}", i) for i in range(side)], row),
            column=choice([(f"column {i + 1}", i) for i in range(side)], column),
        )

    def draw(self, block, row, column):
        scores = self.scores[block]
        side = round(scores.shape[1] ** 0.5)
        maps = scores[:, row * side + column].reshape(-1, side, side)
        words = (
            f"{block}: what the framed patch in row {row + 1}, column {column + 1} reads; each "
            "head from dark purple, its lowest weight, to yellow, its highest."
        )
        rows = [
            (f"head {i + 1}", f"{each.max():.1%}", f"{each[row, column]:.1%}", describe_map(each))
            for i, each in enumerate(maps)
        ]
        table = table_html(("", "highest weight", "on itself", "where"), rows)
        return to_png(head_attention_figure(self.image, scores, row, column)), words, table


def measure(function, *arguments, repeats: int = 3) -> tuple[np.ndarray, float, int]:
    """Return a function's result, its seconds (the best of a few) and its peak memory in bytes.

    The memory is what Python and NumPy allocate while it runs, its result included.
    """
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    try:
        function(*arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return result, min(seconds), peak


def draw_product(unit: int = 3, **matrices) -> np.ndarray:
    """Return named matrices to one scale, every number a square of grey, with their shapes."""
    columns = []
    for name, matrix in matrices.items():
        level = (matrix - matrix.min()) / max(matrix.max() - matrix.min(), 1e-12)
        grey = np.kron(np.rint(255 * level), np.ones((unit, unit))).astype("uint8")
        columns.append((np.stack([grey] * 3, axis=-1), [name, "{} x {}".format(*matrix.shape)]))
    return captioned(columns, margin=24)


class PoolingExplorer(Panel):
    """Choose the number of tokens: the same pooling computed in several ways, and what each takes.

    Args:
        ways: for each name a function from a grid `(batch, height, width, dim)` and maps `(batch,
            num_tokens, height, width)` to tokens `(batch, num_tokens, dim)`; the first is the one
            to which the others are compared.
        grid: what is pooled.
        counts: numbers of tokens.
        num_tokens: the one to begin with.
    """

    def __init__(self, ways, grid, counts=(1, 2, 4, 8, 16, 32), num_tokens=8):
        self.ways, self.grid = ways, np.asarray(grid)
        options = [(count_tokens(count), count) for count in counts]
        super().__init__(num_tokens=choice(options, num_tokens))

    def draw(self, num_tokens):
        batch, height, width, dim = self.grid.shape
        cells = height * width
        maps = np.random.default_rng(0).uniform(size=(batch, num_tokens, height, width))
        results = {name: measure(way, self.grid, maps) for name, way in self.ways.items()}
        words = (
            f"{count_tokens(num_tokens)}: for each image, maps of {num_tokens} × {cells} times "
            f"cells of {cells} × {dim} make tokens of {num_tokens} × {dim}, with "
            f"{num_tokens * cells * dim:,} multiply-adds, however it is written."
        )
        picture = draw_product(
            maps=maps[0].reshape(num_tokens, cells),
            cells=self.grid[0].reshape(cells, dim),
            tokens=next(iter(results.values()))[0][0],
        )
        return encode_png(picture), words, ways_html(results)


def ways_html(results) -> str:
    """Return a table of several ways to compute one thing, from what `measure` returns of each.

    The first has the right numbers.
    """
    (first, (right, first_seconds, _)), *_ = results.items()
    rows = []
    for name, (result, seconds, peak) in results.items():
        same = result.shape == right.shape and np.allclose(result, right, rtol=1e-4, atol=1e-6)
        times, memory = f"{first_seconds / seconds:,.1f}", f"{peak / 2**10:,.0f} KiB"
        rows.append((name, f"{1e3 * seconds:.2f} ms", times, memory, "yes" if same else "NO"))
    header = ("", "time here", f"times as fast as {first}", "memory", "same numbers")
    return table_html(header, rows)


NO_BLOCK = "no block"


class PlacementExplorer(Panel):
    """Choose where TokenLearner stands and how many tokens it makes: the ledger follows.

    Args:
        config: the network, with the place and the number of tokens to begin with.
        counts: numbers of tokens.
    """

    def __init__(self, config=None, counts=(1, 2, 4, 8, 16, 32, 64)):
        self.config = config or ViTConfig.published()
        self.cost = cache(lambda **changes: model_cost(build_vit(self.config.replace(**changes))))
        places = [(f"after block {i}", i) for i in range(self.config.num_layers)]
        super().__init__(
            after=choice([("nowhere", NO_BLOCK), *places], self.config.token_learner_after),
            num_tokens=choice([(count_tokens(n), n) for n in counts], self.config.num_tokens),
        )

    def draw(self, after, num_tokens):
        without = cost = self.cost(num_tokens=None)
        if after != NO_BLOCK:
            cost = self.cost(num_tokens=num_tokens, token_learner_after=after)
        work = f"{cost.macs / 1e6:,.2f} million multiply-adds per image"
        if after == NO_BLOCK:
            words = f"Without TokenLearner: {work}; {cost.params:,} parameters."
        else:
            saved = 1 - cost.macs / without.macs
            words = (
                f"TokenLearner with {count_tokens(num_tokens)} after block {after}: {work}, "
                f"{abs(saved):.1%} {'fewer' if saved > 0 else 'more'} than without it; "
                f"{cost.params:,} parameters, {cost.params - without.params:,} more."
            )
        layers = {row.name.replace("_", " "): row.macs / 1e6 for row in cost.layers if row.macs}
        figure = bars_figure(layers, "million multiply-adds per image", ".2f")
        return to_png(figure), words, cost._repr_html_()
