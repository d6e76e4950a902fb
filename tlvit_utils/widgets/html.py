"""The numbers and words beside a picture, as HTML that takes its colours from the page.

Nothing is told by colour alone: every bar has its number in writing.
"""

import re
from html import escape, unescape

import numpy as np

from tlvit_utils.analysis.interventions import TokenEffects


class StaticView:
    """What a widget shows where no kernel runs: its picture, and its words in place of that.

    A widget that inherits this before ipywidgets' class has `to_png()` and `words`.
    """

    _ipython_display_ = None  # ipywidgets 7 displays by this; `_repr_mimebundle_` is for both

    def _repr_mimebundle_(self, **kwargs):
        """Return the widget, with a picture for where it cannot be shown, and its words."""
        words = self.words
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        data = {
            "application/vnd.jupyter.widget-view+json": view,
            "image/png": self.to_png(),
            "text/plain": words,
        }
        return data, {"image/png": {"alt": words}}


def plain_text(html: str) -> str:
    """Return what HTML made here says, without curves: a line for each part or row."""
    html = re.sub("<svg.*?</svg>", "", re.sub(r"\s+", " ", html))
    html = re.sub("<tr.*?</tr>", lambda row: re.sub("</[^>]*>", " ", row[0]) + "</p>", html)
    plain = (unescape(re.sub("<[^>]*>", " ", line)) for line in re.split("</(?:div|p)>", html))
    return "\n".join(filter(None, (" ".join(line.split()) for line in plain)))


def bars_html(rows, header=None) -> str:
    """Return a table of names, bars and numbers.

    Args:
        rows: `(name, share, text, …)`: the bar's length from 0 to 1, or None for none, and what
            is written in the cells behind it.
        header: a title for each column but the bars'.
    """
    right = "style='text-align:right;padding-left:10px'"
    left = "style='text-align:left;font-weight:normal;padding-right:8px'"
    lines = []
    if header:
        first, *others = map(escape, header)
        titles = "".join(f"<th scope='col' {right}>{other}</th>" for other in others)
        lines.append(f"<th scope='col' style='text-align:left'>{first}</th><td></td>{titles}")
    for name, share, *texts in rows:
        bar = (
            ""
            if share is None
            else (
                "<div aria-hidden='true' style='width:80px;height:10px;border:1px solid'>"
                f"<div style='width:{share:.0%};height:100%;background:currentColor'></div></div>"
            )
        )
        cells = "".join(f"<td {right}>{escape(text)}</td>" for text in texts)
        lines.append(f"<th scope='row' {left}>{escape(name)}</th><td>{bar}</td>{cells}")
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table style='border-spacing:0;line-height:1.5'>{body}</table>"


def paragraph(text: str) -> str:
    """Return a text as one HTML paragraph."""
    return f"<div>{escape(text)}</div>"


def live_html(parts, width: int, live: bool = True) -> str:
    """Return pieces of HTML as one region that a screen reader reads out when it changes.

    Args:
        parts: the pieces.
        width: at most, in pixels.
        live: False for a region of the same look that is not read out.
    """
    role = "role='status' aria-live='polite' " if live else ""
    return f"<div {role}style='max-width:{width}px;line-height:1.5'>{''.join(parts)}</div>"


def probability_rows(probabilities, class_names, count: int = 5) -> list[tuple]:
    """Return the rows of `bars_html` for the highest of the probabilities `(classes,)`."""
    best = np.argsort(probabilities)[::-1][:count]
    return [(class_names[c], probabilities[c], f"{probabilities[c]:.0%}") for c in best]


def weight_on_cell(maps, row: int, column: int) -> np.ndarray:
    """Return the share of each map's weight that lies on one cell.

    Args:
        maps: `(num_tokens, rows, columns)`, at least 0.

    Returns:
        `(num_tokens,)`, 0..1.
    """
    return maps[:, row, column] / np.maximum(maps.sum(axis=(1, 2)), 1e-12)


def readers_html(maps, cell: tuple[int, int]) -> str:
    """Return which tokens read a cell, strongest first.

    Args:
        maps: `(num_tokens, rows, columns)`, at least 0.
        cell: row and column, from 0.
    """
    row, column = cell
    shares = weight_on_cell(maps, row, column)
    uniform = 1 / maps[0].size
    order = np.argsort(-shares, kind="stable")
    most, least = (f"token {i + 1} ({shares[i]:.1%} of its weight)" for i in order[[0, -1]])
    words = (
        f"The cell in row {row + 1}, column {column + 1} is read most by {most} and least by "
        f"{least}; a uniform map has {uniform:.1%} on every cell. Choose a token to see where else "
        "it looks."
    )
    largest = max(shares.max(), 1e-12)
    rows = [
        (f"token {i + 1}", shares[i] / largest, f"{shares[i]:.1%}", f"{shares[i] / uniform:.1f} ×")
        for i in order
    ]
    return paragraph(words) + bars_html(
        rows, ("Read by", "share of its weight", "of a uniform map's")
    )


def effects_html(effects: TokenEffects, class_names) -> str:
    """Return what leaving out each token changes, largest first, beside the attention's ranks."""
    name = class_names[effects.label]
    words = (
        f"With all tokens the probability of {name} is {effects.probability:.1%}. Each row leaves "
        "one token out and runs the rest of the network again. Above, several can be left out at "
        "once."
    )
    sizes = np.abs(effects.effects)
    rows = [
        (
            f"token {i + 1}",
            sizes[i] / max(sizes.max(), 1e-12),
            f"{effects.probabilities[i, effects.label]:.1%}",
            _signed(-100 * effects.effects[i]),
            f"{effects.effect_ranks[i]}",
            f"{effects.mass_ranks[i]}",
            f"{effects.mass[i]:.1%}",
        )
        for i in np.argsort(effects.effect_ranks, kind="stable")
    ]
    header = (
        "Without",
        f"probability of {name}",
        "change, points",
        "rank by change",
        "rank by attention",
        "share of all attention",
    )
    return paragraph(words) + bars_html(rows, header)


def _signed(number) -> str:
    """Return a number with its sign and one digit; 0.0 has no sign."""
    text = f"{number:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def token_names(tokens) -> str:
    """Return "token 2", "tokens 2 and 5", "tokens 2, 5 and 6" for indices 1; 1, 4; 1, 4, 5."""
    *others, last = (str(token + 1) for token in tokens)
    return f"tokens {', '.join(others)} and {last}" if others else f"token {last}"
