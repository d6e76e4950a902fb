"""Small widgets in which a learner turns one or two knobs (notebooks 01 to 04).

Each explorer is a thin shell: pure functions compute and draw, with NumPy and Pillow, and the shell
shows what they return. Runs on ipywidgets 7.7.1 (as Colab ships it) and 8. Where no widget can be
shown, a picture with the words below it takes its place.
"""

import io
import time
import tracemalloc
from functools import lru_cache

import ipywidgets as widgets
import keras
import numpy as np
import traitlets
from PIL import Image, ImageDraw

from tlvit_utils.analysis.cost import LayerCost, ModelCost, model_cost, work_of
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.blocks import TransformerBlock
from tlvit_utils.figures.overlay import (
    as_uint8,
    captioned,
    draw_cell,
    encode_png,
    enlarge,
    label_font,
    render,
    tile,
)
from tlvit_utils.vit import VARIANTS, ViTConfig, build_vit
from tlvit_utils.widgets.html import StaticView, bars_html, live_html, paragraph

WIDTH = 900  # of the words, in pixels, and of the widest pictures


class Explorer(StaticView, widgets.VBox):
    """Sliders, a picture, and words that say the same: what all explorers have in common.

    A subclass has a trait for each setting, and a method `draw`. A setting can be moved from the
    keyboard or set from code; `TraitError` where there is no such choice. `picture` is the
    `widgets.Image`, `text` the `widgets.HTML` below it, `words` the sentence in it, which is the
    picture's text alternative.

    Args:
        sliders: for each trait, the name on its slider, the pairs of a label and a value in order,
            and the value to begin with.
    """

    def __init__(self, sliders):
        super().__init__(layout=widgets.Layout(align_items="flex-start"))
        self.choices = {trait: [value for _, value in each[1]] for trait, each in sliders.items()}
        self.controls = {
            trait: widgets.SelectionSlider(
                options=options,
                value=value,
                description=name,
                style={"description_width": "initial"},
                layout=widgets.Layout(width="340px"),
            )
            for trait, (name, options, value) in sliders.items()
        }
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.text = widgets.HTML()
        row = widgets.Layout(flex_flow="row wrap")
        self.children = [
            widgets.HBox(list(self.controls.values()), layout=row),
            self.picture,
            self.text,
        ]
        self._draw = lru_cache(maxsize=64)(self.draw)
        for trait, control in self.controls.items():
            traitlets.link((control, "value"), (self, trait))
        self.observe(self._update, list(self.controls))
        self._update()

    def draw(self, *settings) -> tuple[bytes, str, str]:
        """Return the picture (PNG), the words and what else to show (HTML) for some settings.

        They come in the order of the sliders.
        """
        raise NotImplementedError

    def _check_choice(self, proposal):
        """Refuse what no slider offers; subclasses register this for their traits."""
        trait, value = proposal.trait.name, proposal.value
        if value not in self.choices[trait]:
            raise traitlets.TraitError(
                f"{trait} is {value!r}, but it must be one of "
                f"{', '.join(map(repr, self.choices[trait]))}."
            )
        return value

    def _update(self, change=None):
        settings = (getattr(self, trait) for trait in self.controls)
        self.picture.value, self.words, table = self._draw(*settings)
        self.text.value = live_html([paragraph(self.words), table], WIDTH)

    def to_png(self) -> bytes:
        """Return the picture with the words below it."""
        picture = np.asarray(Image.open(io.BytesIO(self.picture.value)).convert("RGB"))
        return encode_png(captioned([(picture, [self.words])]))


def numbered(count: int) -> list[tuple[str, int]]:
    """Return choices that are counted from 1 for people, and from 0 for the code."""
    return [(str(i + 1), i) for i in range(count)]


def count_tokens(count: int) -> str:
    """Return "1 token", "2 tokens"."""
    return f"{count:,} token{'s' * (count != 1)}"


def side_by_side(pictures, gap: int = 16) -> np.ndarray:
    """Return pictures of one height, uint8, beside each other, white between them."""
    white = np.full((len(pictures[0]), gap, 3), 255, "uint8")
    pieces = [piece for picture in pictures for piece in (picture, white)]
    return np.concatenate(pieces[:-1], axis=1)


# 01: patches


def draw_grid(picture, patch_size: int, size: int = 384) -> np.ndarray:
    """Return a square picture enlarged, with the grid of its patches in white and black lines.

    Args:
        picture: `(side, side, 3)`, uint8, or float with values 0..1.
        patch_size: a divisor of the side.
        size: side of the result in pixels.
    """
    result = enlarge(as_uint8(picture), size).copy()
    count = len(picture) // patch_size
    for line in range(1, count):
        place = round(line * size / count)
        result[place], result[:, place] = 255, 255
        result[place - 1], result[:, place - 1] = 0, 0
    return result


def set_apart(picture, patch_size: int, size: int = 384) -> np.ndarray:
    """Return a square picture as patches with white between them; arguments as `draw_grid`."""
    count = len(picture) // patch_size
    cell, within = np.divmod(np.arange(size) * count, size)
    inside = 5 * within >= size  # a fifth of each cell is gap
    source = cell * patch_size + np.maximum(5 * within - size, 0) * patch_size // (4 * size)
    result = as_uint8(picture)[source][:, source]
    result[~inside], result[:, ~inside] = 255, 255
    return result


def block_macs(block: TransformerBlock, num_tokens: int) -> int:
    """Return the multiply-adds of a (built) block on so many tokens, for one image."""
    return work_of(block, (None, num_tokens, block.mlp.hidden_units[-1])).macs


class PatchExplorer(Explorer):
    """Choose a patch size: the grid over a picture, the patches apart, tokens and cost.

    Args:
        picture: `(side, side, 3)`, uint8, or float with values 0..1.
        patch_sizes: divisors of the side.
        patch_size: the one to begin with, to which the others are compared.
        config: whose Transformer blocks are counted; only their widths matter.
    """

    patch_size = traitlets.Any()

    def __init__(self, picture, patch_sizes=(2, 3, 4, 6, 8, 12, 16), patch_size=6, config=None):
        for each in patch_sizes:
            if len(picture) % each:
                raise ValueError(
                    f"patch_sizes holds {each}, which does not divide the {len(picture)}-pixel "
                    "picture; leave it out."
                )
        self.image = picture
        self.first = patch_size
        self.block = _block(config or ViTConfig.published())
        options = [(f"{each} × {each}", each) for each in patch_sizes]
        super().__init__({"patch_size": ("Patch size, pixels", options, patch_size)})

    _check = traitlets.validate("patch_size")(Explorer._check_choice)

    def draw(self, size):
        count = len(self.image) // size
        macs = block_macs(self.block, count**2)
        words = (
            f"Patches of {size} × {size} pixels: {count} × {count} = {count_tokens(count**2)}, "
            f"each of {3 * size**2:,} numbers. A block compares {count**4:,} pairs of tokens and "
            f"takes {macs / 1e6:,.1f} million multiply-adds."
        )
        first = (len(self.image) // self.first) ** 2
        rows = [
            ("tokens", f"{count**2:,}", count**2 / first),
            ("numbers in each patch", f"{3 * size**2:,}", (size / self.first) ** 2),
            ("pairs that a block compares", f"{count**4:,}", count**4 / first**2),
            ("multiply-adds of a block", f"{macs:,}", macs / block_macs(self.block, first)),
        ]
        header = ("", "here", f"times that of {self.first} × {self.first}")
        table = bars_html(
            [(name, None, here, f"{ratio:.3g}") for name, here, ratio in rows], header
        )
        pictures = [draw_grid(self.image, size), set_apart(self.image, size)]
        return encode_png(side_by_side(pictures)), words, table


def _block(config: ViTConfig) -> TransformerBlock:
    """Return one Transformer block of this network, built."""
    block = TransformerBlock(
        config.num_heads,
        config.key_dim,
        config.mlp_units,
        config.dropout_rate,
        config.activate_last,
    )
    block.build((None, 1, config.projection_dim))
    return block


# 02: where a patch looks

ALL_HEADS = "all"


def asked_maps(scores, row: int, column: int) -> np.ndarray:
    """Return the attention weights of one patch as maps, `(heads, rows, columns)`.

    Args:
        scores: `(heads, tokens, tokens)` of a square grid of tokens.
        row, column: the patch that asks.
    """
    heads, tokens, _ = scores.shape
    side = round(tokens**0.5)
    return scores[:, row * side + column].reshape(heads, side, side)


def draw_heads(picture, maps, cell, size: int = 172) -> np.ndarray:
    """Return what one patch reads, head by head, over the picture; the patch is framed.

    Args:
        picture: `(side, side, 3)`, what the network saw.
        maps: `(heads, rows, columns)`, from `asked_maps`.
        cell: row and column of the patch that asks.
        size: side of each head's picture in pixels.

    Returns:
        The picture alone and one picture per head, five to a row, uint8.
    """
    panels = [enlarge(as_uint8(picture), size), *(render(picture, m, size=size) for m in maps)]
    framed = [draw_cell(panel, cell, maps.shape[1:]) for panel in panels]
    titles = ["asks", *(f"head {i + 1}" for i in range(len(maps)))]
    return tile(framed, titles, columns=min(5, len(framed)))


class AttentionExplorer(Explorer):
    """Choose a patch, a block and a head: which patches does it read?

    Args:
        picture: `(side, side, 3)`, what the network saw, uint8, or float with values 0..1.
        scores: for each block's name its attention weights `(heads, tokens, tokens)`; the tokens
            are a square grid, row by row.
        row, column: the patch to begin with.
    """

    block, head, row, column = (traitlets.Any() for _ in range(4))

    def __init__(self, picture, scores, row=0, column=0):
        self.image = picture
        self.scores = {name: np.asarray(each) for name, each in scores.items()}
        heads, tokens, _ = next(iter(self.scores.values())).shape
        side = round(tokens**0.5)
        super().__init__(
            {
                "row": ("Row of the patch", numbered(side), row),
                "column": ("Column", numbered(side), column),
                "block": ("Block", [(name, name) for name in scores], next(iter(scores))),
                "head": ("Head", [(ALL_HEADS, ALL_HEADS), *numbered(heads)], ALL_HEADS),
            }
        )

    _check = traitlets.validate("block", "head", "row", "column")(Explorer._check_choice)

    def draw(self, row, column, block, head):
        maps = asked_maps(self.scores[block], row, column)
        place, table = (row, column), _heads_html(maps, (row, column))
        words = f"{block}: what the framed patch in row {row + 1}, column {column + 1} reads"
        if head == ALL_HEADS:
            words += "; each head from dark purple, its lowest weight, to yellow, its highest."
            return encode_png(draw_heads(self.image, maps, place)), words, table
        each = maps[head]
        pictures = [enlarge(as_uint8(self.image), 344), render(self.image, each, size=344)]
        framed = [draw_cell(picture, place, each.shape) for picture in pictures]
        words += (
            f" by head {head + 1}, from dark purple ({each.min():.3f}) to yellow "
            f"({each.max():.3f}): {describe_map(each)}."
        )
        return encode_png(side_by_side(framed)), words, table


def _heads_html(maps, place) -> str:
    """Return what a patch reads, a row per head, as HTML."""
    rows = []
    for i, each in enumerate(maps):
        row, column = np.unravel_index(each.argmax(), each.shape)
        half = int((np.cumsum(np.sort(each, axis=None)[::-1]) < 0.5 * each.sum()).sum()) + 1
        texts = (f"{each.max():.1%}", f"row {row + 1}, column {column + 1}", f"{each[place]:.1%}")
        rows.append((f"head {i + 1}", each.max(), *texts, f"{half} of {each.size}"))
    header = ("", "highest weight", "on the patch in", "on itself", "patches with half the weight")
    return bars_html(rows, header)


# 03: pooling


def draw_product(maps, grid, tokens, unit: int = 5) -> np.ndarray:
    """Return the matrix product `maps · cells = tokens`, every number a square of grey.

    Args:
        maps: `(num_tokens, cells)`; `grid`: `(cells, dim)`; `tokens`: `(num_tokens, dim)`.
        unit: side of each square in pixels.

    Returns:
        The three matrices to scale with their shapes, each from its lowest number, black, to its
        highest, white; uint8.
    """
    font, gap, top = label_font(14), 40, 28
    matrices = {"maps": maps, "cells": grid, "tokens": tokens}
    height = unit * max(len(matrix) for matrix in matrices.values())
    width = unit * sum(matrix.shape[1] for matrix in matrices.values()) + 2 * gap
    canvas = Image.new("RGB", (width, top + height), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for (name, matrix), sign in zip(matrices.items(), ("·", "=", ""), strict=True):
        rows, columns = matrix.shape
        level = (matrix - matrix.min()) / max(matrix.max() - matrix.min(), 1e-12)
        grey = np.kron(np.rint(255 * level), np.ones((unit, unit))).astype("uint8")
        canvas.paste(Image.fromarray(grey), (left, top))
        draw.text((left, 4), f"{name} {rows} x {columns}", fill="black", font=font)
        left += unit * columns + gap
        draw.text((left - gap / 2, top), sign, fill="black", font=label_font(24), anchor="ma")
    return np.asarray(canvas)


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


class PoolingExplorer(Explorer):
    """Choose the number of tokens: the same pooling computed in several ways, and what each takes.

    Args:
        ways: for each name a function from a grid `(batch, height, width, dim)` and maps `(batch,
            num_tokens, height, width)` to tokens `(batch, num_tokens, dim)`; the first is the one
            to which the others are compared.
        grid: what is pooled.
        counts: numbers of tokens.
        num_tokens: the one to begin with.
    """

    num_tokens = traitlets.Any()

    def __init__(self, ways, grid, counts=(1, 2, 4, 8, 16, 32), num_tokens=8):
        self.ways = ways
        self.grid = np.asarray(grid)
        options = [(str(count), count) for count in counts]
        super().__init__({"num_tokens": ("Tokens", options, num_tokens)})

    _check = traitlets.validate("num_tokens")(Explorer._check_choice)

    def draw(self, count):
        batch, height, width, dim = self.grid.shape
        cells = height * width
        maps = np.random.default_rng(0).uniform(size=(batch, count, height, width))
        results = {name: measure(way, self.grid, maps) for name, way in self.ways.items()}
        tokens = next(iter(results.values()))[0]
        words = (
            f"{count_tokens(count)}: for each image, maps of {count} × {cells} times cells of "
            f"{cells} × {dim} make tokens of {count} × {dim}, with {count * cells * dim:,} "
            "multiply-adds, however it is written."
        )
        grid = self.grid[0].reshape(cells, dim)
        picture = draw_product(maps[0].reshape(count, cells), grid, tokens[0], unit=2)
        return encode_png(picture), words, ways_html(results)


def ways_html(results) -> str:
    """Return how several ways of computing one thing compare, as HTML.

    Args:
        results: for each name what `measure` returns; the first has the right numbers.
    """
    (first, (right, first_seconds, _)), *_ = results.items()
    slowest = max(seconds for _, seconds, _ in results.values())
    rows = []
    for name, (result, seconds, peak) in results.items():
        same = result.shape == right.shape and np.allclose(result, right, rtol=1e-4, atol=1e-6)
        times, memory = f"{first_seconds / seconds:,.1f}", f"{peak / 2**10:,.0f} KiB"
        milliseconds, verdict = f"{1e3 * seconds:.2f} ms", "yes" if same else "NO"
        rows.append((name, seconds / slowest, milliseconds, times, memory, verdict))
    header = ("", "time here", f"times as fast as {first}", "memory", "same numbers")
    return bars_html(rows, header)


# 04: where TokenLearner stands

NO_BLOCK = "no block"


def cost_with_token_learner(model: keras.Model, cost: ModelCost, config: ViTConfig) -> ModelCost:
    """Return what a network costs with a TokenLearner in it, without building that network.

    The layers before it stay as they are; those after it keep their weights, and their work is
    counted anew for fewer tokens.

    Args:
        model: `build_vit(config.replace(num_tokens=None))`.
        cost: its `model_cost`.
        config: with the number of tokens, the variant and the place.

    Returns:
        The same as `model_cost(build_vit(config))`, in milliseconds.
    """
    grid = (None, config.num_patches, config.projection_dim)
    tokens = (None, config.num_tokens, config.projection_dim)
    rows, passed = [], False
    for row in cost.layers:
        layer = model.get_layer(row.name)
        if passed and layer.input.shape == grid:
            output = tokens[1:] if row.output_shape == grid[1:] else row.output_shape
            row = _layer_cost(layer, tokens, output, row.params)
        rows.append(row)
        if row.name == f"block_{config.token_learner_after}":
            passed = True
            layer = VARIANTS[config.variant](config)
            layer.build(grid)
            rows.append(_layer_cost(layer, grid, tokens[1:], layer.count_params()))
    return ModelCost(tuple(rows))


def _layer_cost(layer, shape, output_shape, params: int) -> LayerCost:
    work = work_of(layer, shape)
    return LayerCost(layer.name, output_shape, params, work.macs, work.published_macs)


def ledger_html(cost: ModelCost, without: ModelCost) -> str:
    """Return a network's layers with their shapes, parameters and multiply-adds, as HTML.

    Args:
        cost: of the network.
        without: of the network without TokenLearner, to which the total is compared.
    """
    largest = max(row.macs for row in cost.layers)
    rows = [
        (
            row.name,
            row.macs / largest,
            " × ".join(map(str, row.output_shape)),
            f"{row.params:,}",
            f"{row.macs:,}",
            f"{row.macs / cost.macs:.1%}",
        )
        for row in cost.layers
        if row.params
    ]
    for name, each in (("all layers", cost), ("without TokenLearner", without)):
        share = f"{each.macs / cost.macs:.1%}"
        rows.append((name, None, "", f"{each.params:,}", f"{each.macs:,}", share))
    return bars_html(rows, ("Layer", "output", "parameters", "multiply-adds", "of all"))


def draw_network(cost: ModelCost, height: int = 150) -> np.ndarray:
    """Return a network's layers on tokens as boxes in a row, uint8.

    A box is the higher, the more tokens leave the layer (as the square root), and below it stand
    their number and the layer's multiply-adds. TokenLearner has a firm frame.
    """
    rows = [row for row in cost.layers if row.macs and len(row.output_shape) > 1]
    tokens = [int(np.prod(row.output_shape[:-1])) for row in rows]
    font, left, step = label_font(14), 120, 124
    canvas = Image.new("RGB", (left + step * len(rows), height + 60), "white")
    draw = ImageDraw.Draw(canvas)
    middle = height / 2
    for i, (row, count) in enumerate(zip(rows, tokens, strict=True)):
        x, half = left + i * step, middle * max((count / max(tokens)) ** 0.5, 0.2) - 4
        learner = row.name == "token_learner"
        box = (x + 8, middle - half, x + step - 8, middle + half)
        fill = "#E69F00" if learner else "#DCE9F2"
        draw.rectangle(box, fill=fill, outline="black", width=4 if learner else 1)
        if i:
            draw.line((x - 8, middle, x + 8, middle), fill="black", width=2)
        name = {"patch_projection": "patches", "token_learner": "TokenLearner"}.get(row.name)
        centre = x + step / 2
        for text, y in (
            (name or row.name.replace("_", " "), middle),
            (f"{count:,}", height + 14),
            (f"{row.macs / 1e6:,.2f} M", height + 40),
        ):
            draw.text((centre, y), text, fill="black", font=font, anchor="mm")
    draw.text((8, height + 14), "tokens", fill="black", font=font, anchor="lm")
    draw.text((8, height + 40), "multiply-adds", fill="black", font=font, anchor="lm")
    return np.asarray(canvas)


class PlacementExplorer(Explorer):
    """Choose where TokenLearner stands and how many tokens it makes: the ledger follows.

    Args:
        config: the network, with the place and the number of tokens to begin with.
        counts: numbers of tokens.
    """

    after, num_tokens = traitlets.Any(), traitlets.Any()

    def __init__(self, config=None, counts=(1, 2, 4, 8, 16, 32, 64)):
        self.config = config or ViTConfig.published()
        self.model = build_vit(self.config.replace(num_tokens=None))
        self.without = model_cost(self.model)
        places = [(f"block {i}", i) for i in range(self.config.num_layers)]
        super().__init__(
            {
                "after": (
                    "TokenLearner after",
                    [(NO_BLOCK, NO_BLOCK), *places],
                    self.config.token_learner_after,
                ),
                "num_tokens": (
                    "Tokens",
                    [(str(count), count) for count in counts],
                    self.config.num_tokens,
                ),
            }
        )

    _check = traitlets.validate("after", "num_tokens")(Explorer._check_choice)

    def cost(self, after, num_tokens) -> ModelCost:
        """Return what the network costs with these settings."""
        if after == NO_BLOCK:
            return self.without
        config = self.config.replace(token_learner_after=after, num_tokens=num_tokens)
        return cost_with_token_learner(self.model, self.without, config)

    def draw(self, after, num_tokens):
        cost = self.cost(after, num_tokens)
        work = f"{cost.macs / 1e6:,.2f} million multiply-adds per image"
        if after == NO_BLOCK:
            words = f"Without TokenLearner: {work}; {cost.params:,} parameters."
        else:
            saved = 1 - cost.macs / self.without.macs
            words = (
                f"TokenLearner with {count_tokens(num_tokens)} after block {after}: {work}, "
                f"{abs(saved):.1%} {'fewer' if saved > 0 else 'more'} than without it; "
                f"{cost.params:,} parameters, {cost.params - self.without.params:,} more."
            )
        return encode_png(draw_network(cost)), words, ledger_html(cost, self.without)
