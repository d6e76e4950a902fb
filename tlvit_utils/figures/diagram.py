"""The whole network as a sketch with the reader's place in it; every notebook begins with it."""

from itertools import pairwise

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from tlvit_utils import figures
from tlvit_utils.figures.plots import DPI, FONT_SIZE, ink_on, token_colour

# for each place: the frames, each from one part to another, and the place in words
PLACES = {
    "start_here": ([("image", "classes")], "outside, looking at the whole network"),
    "patch_encoder": ([("patches", "grid")], "where patches become tokens and get positions"),
    "mlp_and_transformer_block": (
        [("blocks", "blocks"), ("few blocks", "few blocks")],
        "at the Transformer blocks, which stand before and after TokenLearner",
    ),
    "token_learner": ([("maps", "tokens")], "at TokenLearner, its maps and its tokens"),
    "vision_transformer": ([("image", "classes")], "at the whole network, put together"),
    "training": ([("loop", "loop")], "at the training loop around the network"),
    "attention_maps": ([("maps", "maps")], "at the maps of TokenLearner"),
    "token_learner_v11_and_fuser": (
        [("maps", "tokens"), ("fuser", "fuser")],
        "at another version of TokenLearner, and at TokenFuser, which writes the tokens back onto "
        "the grid",
    ),
    "experiments": (
        [("image", "classes"), ("loop", "loop")],
        "at the whole network and its training, repeated with one seed after another",
    ),
    "better_training": (
        [("image", "patches"), ("loop", "loop")],
        "at the augmentation, the patches or convolutions after it and the training loop, which "
        "this notebook changes",
    ),
}
ALTERNATIVE = (
    "The network from left to right. An image is augmented. Patches or convolutions make a grid of "
    "N = 64 tokens of width C, and positions are added. Transformer blocks work on the 64 tokens. "
    "TokenLearner computes S = 8 maps over the grid and makes one token with each. More blocks "
    "work on the 8 tokens. LayerNorm and the mean over the tokens lead to 10 classes. B images go "
    "through together, and in training their loss leads back to the weights. You are here: {}."
)

# of each part: left and right end, name, shape; the whole drawing is in inches
WIDTH, HEIGHT = 10, 2.6
PARTS = {
    "image": (0.24, 1.04, "image,\naugmented", "(B, 48, 48, 3)"),
    "patches": (1.32, 2.2, "patches\nor convo-\nlutions", ""),
    "grid": (2.48, 3.28, "64 tokens\n+ positions", "(B, N, C)"),
    "blocks": (3.56, 4.52, "Transformer\nblocks on\n64 tokens", ""),
    "maps": (4.88, 5.4, "8 maps", "(B, S, 8, 8)"),
    "tokens": (5.84, 6.36, "8 tokens", "(B, S, C)"),
    "few blocks": (6.66, 7.62, "Transformer\nblocks on\n8 tokens", ""),
    "mean": (7.88, 8.76, "LayerNorm,\nmean", "(B, C)"),
    "classes": (9.16, 9.8, "10 classes", "(B, 10)"),
}
BOXES = {"patches": 0.8, "blocks": 1.1, "few blocks": 1.1, "mean": 0.5}  # their heights
NAMES, MIDDLE, SHAPES = 2.0, 1.45, 0.77  # heights of names, of arrows, of shapes
BACK, LOOP = 0.47, 0.19  # of TokenFuser's way back, and of the loss's way to the weights
TEXT = {"fontsize": FONT_SIZE - 1.5, "ha": "center", "linespacing": 1.1}
BLUE, HIGHLIGHT, FRAME = "#BFD7EA", "#FFF1C2", "#1A1A1A"


def show(place: str) -> None:
    """Display `network_diagram(place)` and where in it the reader is."""
    figure, (_, where) = network_diagram(place), PLACES[place]
    caption = f"You are here: {where}. The maps are a sketch."
    figures.show(figure, caption, ALTERNATIVE.format(where))


def network_diagram(place: str) -> Figure:
    """Draw the whole network, with a thick frame around one of `PLACES`."""
    if place not in PLACES:
        raise ValueError(f"place is {place!r}, but it must be one of {', '.join(PLACES)}.")
    frames, _ = PLACES[place]
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    for part, (left, right, name, shape) in PARTS.items():
        if part in BOXES:
            _box(ax, left, MIDDLE - BOXES[part] / 2, right, MIDDLE + BOXES[part] / 2, BLUE)
            ax.text(_centre(part), MIDDLE, name, va="center", **TEXT)
        else:
            ax.text(_centre(part), NAMES, name, va="baseline", **TEXT)
        if place != "start_here":  # where no letter has been explained
            ax.text(_centre(part), SHAPES, shape, va="center", **TEXT)
    ax.text(5.62, NAMES + 0.2, "TokenLearner", va="baseline", weight="bold", **TEXT)
    ship = _ship()
    _picture(ax, ship, PARTS["image"][0], MIDDLE - 0.4, 0.8, "black")
    means = ship.reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))  # each patch's
    _picture(ax, means, PARTS["grid"][0], MIDDLE - 0.4, 0.8, "black")
    _draw_maps_and_tokens(ax)
    shares = np.array([0.1, 0.05, 0.12, 0.08, 0.05, 0.1, 0.05, 0.14, 1, 0.2])
    ax.barh(MIDDLE + 0.37 - 0.08 * np.arange(10), 0.64 * shares, 0.055, 9.16, color="#555555")
    for (_, start, *_), (end, *_) in pairwise(PARTS.values()):
        _arrow(ax, (start + 0.07, MIDDLE), (end - 0.05, MIDDLE))
    ax.text(5.6, MIDDLE + 0.1, "× grid", **TEXT)
    loss, weights = _centre("classes"), _centre("patches")
    _arrow(ax, (loss, SHAPES - 0.13), (loss, LOOP), (weights, LOOP), (weights, MIDDLE - 0.45))
    other_weights = (_centre("blocks"), 0.85), (_centre("maps"), 0.6), (7.4, 0.85)
    for x, top in other_weights:
        _arrow(ax, (x, LOOP), (x, top))
    ground = HIGHLIGHT if ("loop", "loop") in frames else "white"
    for words, x in (("loss", 8.9), ("optimiser: new weights", 2.9)):
        ax.text(x, LOOP, words, va="center", backgroundcolor=ground, **TEXT)
    for words, (first, last) in zip(("you are here", "and here"), frames, strict=False):
        _mark(ax, first, last, words)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    return figure


def _centre(part):
    return sum(PARTS[part][:2]) / 2


def _box(ax, left, bottom, right, top, colour, line=1.2, edge="black", zorder=0.5):
    style = {"boxstyle": "round,pad=0,rounding_size=0.07", "linewidth": line, "zorder": zorder}
    corner, size = (left, bottom), (right - left, top - bottom)
    ax.add_patch(FancyBboxPatch(corner, *size, facecolor=colour, edgecolor=edge, **style))


def _picture(ax, pixels, left, bottom, side, edge, line=1.2):
    """Draw square pixels `(rows, columns, 3)`, 0..1, with an edge."""
    extent = (left, left + side, bottom, bottom + side)
    ax.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto", zorder=1)
    ax.add_patch(Rectangle((left, bottom), side, side, fill=False, edgecolor=edge, linewidth=line))


def _arrow(ax, *corners, line=1.3, dash="-"):
    """Draw a line through the corners `(x, y)` with a head at its end."""
    ax.plot(*zip(*corners[:-1], strict=True), color="black", linewidth=line, linestyle=dash)
    head = {"arrowstyle": "-|>", "linewidth": line, "linestyle": dash, "color": "black"}
    ax.annotate("", corners[-1], corners[-2], arrowprops=head | {"shrinkA": 0, "shrinkB": 0})


def _ship():
    """Return a little picture `(32, 32, 3)`, 0..1: a ship on the sea."""
    rows, columns = np.mgrid[:32, :32] + 0.5
    pixels = np.empty((32, 32, 3))
    pixels[:] = np.array(to_rgb("#8EC5EC")) + 0.006 * rows[..., None]  # lighter at the horizon
    for colour, where in (
        ("#F6C445", (rows - 6) ** 2 + (columns - 26) ** 2 < 9),  # the sun
        ("#2B6C99", rows > 22),  # the sea
        ("#9C3D22", (rows > 19) & (rows < 25) & (abs(columns - 14) < 31 - rows - 0.5)),
        ("#5B4636", (abs(columns - 14) < 1) & (rows > 4) & (rows < 20)),  # the mast
        ("#FFFFFF", (columns > 15) & (rows > 5) & (rows < 18) & (columns - 15 < rows - 5)),
        ("#F1E3D3", (columns < 13) & (rows > 8) & (rows < 18) & (13 - columns < 0.8 * (rows - 8))),
    ):
        pixels[where] = to_rgb(colour)
    return np.clip(pixels, 0, 1)


def _draw_maps_and_tokens(ax):
    """Draw maps that all lie on the ship, for nothing asks tokens to differ, and the tokens."""
    rows, columns = np.mgrid[:8, :8]
    for token, spread in enumerate((6, 9, 5, 14, 7, 4, 20, 8)):
        row, column = 3.4 + 0.8 * np.cos(2 * token), 3.2 + 0.8 * np.sin(2 * token)
        heat = colormaps["viridis"](np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / spread))
        right, bottom = 0.26 * (token % 2), MIDDLE + 0.26 * (1 - token // 2)
        colour = token_colour(token)
        _picture(ax, heat[..., :3], PARTS["maps"][0] + right, bottom, 0.22, colour, line=2)
        left = PARTS["tokens"][0] + right
        _box(ax, left, bottom, left + 0.22, bottom + 0.22, colour, line=0)
        ax.text(left + 0.11, bottom + 0.1, token + 1, va="center", color=ink_on(colour), **TEXT)


def _mark(ax, first, last, words):
    """Draw a thick frame around the parts from `first` to `last`, with the words on it."""
    left, bottom, right, top = 0.1, 0.03, WIDTH - 0.1, 0.36  # the loop
    tab = 0.85, LOOP
    if first == "fuser":
        start, end = _centre("few blocks"), PARTS["blocks"][1] + 0.11  # the grid before the maps
        corners = (start, MIDDLE - 0.6), (start, BACK), (end, BACK), (end, MIDDLE - 0.03)
        _arrow(ax, *corners, line=2.2, dash="--")
        tab, words = (6.18, BACK), f"{words}: TokenFuser"
    else:
        if first != "loop":
            bottom, top = 0.63, 2.13 if first == last == "maps" else 2.37
            left, right = PARTS[first][0] - 0.14, PARTS[last][1] + 0.15
            tab = (left + right) / 2, top + 0.1
            if top < 2.2:  # below, beside the optimiser's arrow
                tab = right + 0.25, bottom - 0.1
        _box(ax, left, bottom, right, top, HIGHLIGHT, line=3, edge=FRAME, zorder=0.4)
    dark = {"boxstyle": "round,pad=0.25", "facecolor": FRAME, "edgecolor": "none"}
    ax.text(*tab, words, color="white", weight="bold", va="center", bbox=dark, **TEXT)
