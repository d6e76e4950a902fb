"""Widgets in which a learner turns a few knobs (notebooks 02 and 04)."""

from functools import cache

import numpy as np

from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.analysis.maps import describe_map
from tlvit_utils.figures.plots import bars_figure, heat_panels, to_png
from tlvit_utils.vit import build_vit
from tlvit_utils.widgets.panel import Panel, choice


def count_tokens(count: int) -> str:
    """Return "1 token", "2 tokens"."""
    return "1 token" if count == 1 else f"{count:,} tokens"


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
        self.side = round(next(iter(self.scores.values())).shape[1] ** 0.5)
        names = list(self.scores)
        # not the names themselves: ipywidgets 7 takes a button's text for HTML
        blocks = [(f"block {i}", name) for i, name in enumerate(names)]
        super().__init__(
            block=choice(blocks, names[0]),
            row=choice([(f"row {i}", i) for i in range(self.side)], row),
            column=choice([(f"column {i}", i) for i in range(self.side)], column),
        )

    def draw(self, block, row, column):
        maps = self.scores[block][:, row * self.side + column].reshape(-1, self.side, self.side)
        heads = [f"head {i + 1}" for i in range(len(maps))]
        lines = [
            f"{block}: what the framed patch in row {row}, column {column} reads; each "
            "head from dark purple, its lowest weight, to yellow, its highest."
        ]
        for head, each in zip(heads, maps, strict=True):
            shares = f"{each.max():.1%} at most, {each[row, column]:.1%} on itself"
            lines.append(f"{head}: {shares}; {describe_map(each)}.")
        picture = to_png(heat_panels(self.image, maps, heads, mark=(row, column)))
        return picture, "\n".join(lines), ""


NO_BLOCK = "no block"
COUNTS = (1, 2, 4, 8, 16, 32, 64)


class PlacementExplorer(Panel):
    """Choose where TokenLearner comes and how many tokens it makes: the ledger follows.

    Args:
        config: a `ViTConfig`, with the place and the number of tokens to begin with.
    """

    def __init__(self, config):
        self.config = config
        self.cost = cache(lambda **changes: model_cost(build_vit(self.config.replace(**changes))))
        places = [(f"after block {i}", i) for i in range(config.num_layers)]
        own, after = config.num_tokens, config.token_learner_after
        counts = sorted({n for n in COUNTS if n <= config.num_patches} | ({own} - {None}))
        super().__init__(
            after=choice([("nowhere", NO_BLOCK), *places], after if own else NO_BLOCK),
            num_tokens=choice([(count_tokens(n), n) for n in counts], own or counts[0]),
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
        here, alone = (
            {row.name.replace("_", " "): row.macs / 1e6 for row in each.layers if row.macs}
            for each in (cost, without)
        )
        label = "million multiply-adds per image (pale: without TokenLearner)"
        figure = bars_figure(here, label, ".2f", behind=alone)
        return to_png(figure), words, cost._repr_html_()
