"""The whole network as a sketch with the reader's place in it; every notebook begins with it."""

from itertools import pairwise

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from tlvit_utils import figures
from tlvit_utils.figures.plots import DPI, FONT_SIZE, ink_on, token_colour

# for each place: the frames, each from one part to another, and the place in words
PLACES = {
    "start_here": ([("image", "classes")], "before the whole network"),
    "patch_encoder": ([("patches", "grid")], "at the patches, which become tokens, and positions"),
    "mlp_and_transformer_block": (
        [("blocks", "blocks"), ("few blocks", "few blocks")],
        "at the Transformer blocks, which stand before and after TokenLearner",
    ),
    "token_learner": ([("maps", "tokens")], "at TokenLearner, its maps and its tokens"),
    "vision_transformer": ([("image", "classes")], "at the whole network, put together"),
    "training": ([("loop", "loop")], "at the loop of training around the network"),
    "attention_maps": ([("maps", "maps")], "at the maps of TokenLearner"),
    "token_learner_v11_and_fuser": (
        [("maps", "tokens"), ("fuser", "fuser")],
        "at TokenLearner in another version, and at the TokenFuser, an addition that writes the "
        "tokens back onto the grid",
    ),
    "experiments": (
        [("image", "classes"), ("loop", "loop")],
        "at the whole network and its training, repeated with one seed after another",
    ),
    "better_training": (
        [("image", "patches"), ("loop", "loop")],
        "at the augmentation, at the patches or convolutions behind it and at the loop of "
        "training, which this notebook changes",
    ),
}
CAPTION = (
    "The network from left to right. An image is augmented. Patches or convolutions make a grid of "
    "N = 64 tokens of width C, and positions are added. Transformer blocks work on the 64 tokens. "
    "TokenLearner computes S = 8 maps over the grid and makes one token with each. The maps are a "
    "sketch; as in a trained network, they overlap. More blocks work on the 8 tokens. LayerNorm "
    "and the mean over the tokens lead to 10 classes. B images go through together, and in "
    "training their loss leads back to the weights. You are here: {}."
)

# the left and the right end of every part, in inches; the whole drawing is in inches
WIDTH, HEIGHT = 10, 2.6
PARTS = {
    "image": (0.24, 1.04),
    "patches": (1.32, 2.2),
    "grid": (2.48, 3.28),
    "blocks": (3.56, 4.52),
    "maps": (4.88, 5.4),
    "tokens": (5.84, 6.36),
    "few blocks": (6.66, 7.62),
    "mean": (7.88, 8.76),
    "classes": (9.16, 9.8),
}
NAMES = 2.0  # the height of the parts' names
MIDDLE = 1.45  # of the arrows between the parts
SHAPES = 0.77  # of the shapes below them
BACK = 0.47  # of the way back that TokenFuser takes
LOOP = 0.19  # of the way from the loss to the weights
TEXT = FONT_SIZE - 1.5
BLUE, HIGHLIGHT, FRAME = "#BFD7EA", "#FFF1C2", "#1A1A1A"
PALE = 0.55  # of the strength of a colour, outside the frames


def show(place: str) -> None:
    """Display `network_diagram(place)` with its caption."""
    figures.show(network_diagram(place), caption(place))


def caption(place: str) -> str:
    """Return what `network_diagram(place)` shows, in words."""
    return CAPTION.format(_look_up(place)[1])


def network_diagram(place: str) -> Figure:
    """Draw the whole network; mark one of `PLACES` by a thick frame and draw the rest paler."""
    frames, _ = _look_up(place)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    pens = {name: _Pen(ax, _is_framed(name, frames)) for name in (*PARTS, "loop")}
    _draw_image(pens["image"])
    _draw_box(pens["patches"], "patches", 0.8, "patches\nor convo-\nlutions")
    _draw_grid(pens["grid"])
    _draw_box(pens["blocks"], "blocks", 1.1, "Transformer\nblocks on\n64 tokens", stacked=True)
    _draw_maps(pens["maps"])
    _draw_tokens(pens["tokens"])
    _draw_box(
        pens["few blocks"], "few blocks", 0.62, "Transformer\nblocks on\n8 tokens", stacked=True
    )
    _draw_box(pens["mean"], "mean", 0.5, "LayerNorm,\nmean")
    _draw_classes(pens["classes"])
    for (left, (_, start)), (right, (end, _)) in pairwise(PARTS.items()):
        pen = pens[left] if pens[right].strong else pens[right]
        pen.arrow((start + 0.07, MIDDLE), (end - 0.05, MIDDLE))
    _draw_loop(pens["loop"])
    for words, (first, last) in zip(("you are here", "and here"), frames, strict=False):
        if first == "loop":
            _draw_loop_frame(ax, words)
        elif first == "fuser":
            _draw_fuser(_Pen(ax, True), words)
        else:
            _draw_frame(ax, first, last, words)
    return figure


def _look_up(place):
    if place not in PLACES:
        raise ValueError(f"place is {place!r}, but it must be one of {', '.join(PLACES)}.")
    return PLACES[place]


def _is_framed(part, frames):
    names = [*PARTS, "loop", "fuser"]
    return any(names.index(a) <= names.index(part) <= names.index(b) for a, b in frames)


def _centre(part):
    return sum(PARTS[part]) / 2


class _Pen:
    """Draws strongly within the frames and palely outside them; text stays dark enough to read."""

    def __init__(self, ax, strong):
        self.ax = ax
        self.strong = strong

    def colour(self, colour):
        """Return the colour or, outside the frames, its mixture with white."""
        colour = np.asarray(to_rgb(colour) if isinstance(colour, str) else colour)
        return colour if self.strong else 1 - PALE * (1 - colour)

    def text(self, x, y, words, **options):
        # the grey has a contrast of 6 with white
        options = {"ha": "center", "va": "center", "fontsize": TEXT, "linespacing": 1.1} | options
        options.setdefault("color", "black" if self.strong else "#616161")
        self.ax.text(x, y, words, **options)

    def name(self, part, words):
        self.text(_centre(part), NAMES, words, va="baseline")

    def box(self, left, bottom, width, height, face, edge="black", line=1.2, rounding=0.07):
        colours = {"facecolor": self.colour(face), "edgecolor": self.colour(edge)}
        style = f"round,pad=0,rounding_size={rounding}"
        corner = left, bottom
        self.ax.add_patch(
            FancyBboxPatch(corner, width, height, boxstyle=style, linewidth=line, **colours)
        )

    def outline(self, left, bottom, side, colour, line, dash="-"):
        options = {"edgecolor": self.colour(colour), "linewidth": line, "linestyle": dash}
        self.ax.add_patch(Rectangle((left, bottom), side, side, fill=False, **options))

    def arrow(self, *corners, line=1.3, dash="-"):
        """Draw a line through the corners `(x, y)` with a head at its end."""
        options = {"color": self.colour("black"), "linewidth": line, "linestyle": dash}
        if len(corners) > 2:
            self.ax.plot(*zip(*corners[:-1], strict=True), **options)
        head = {"arrowstyle": "-|>", "mutation_scale": 10, "shrinkA": 0, "shrinkB": 0}
        self.ax.add_patch(FancyArrowPatch(*corners[-2:], **head, **options))

    def picture(self, pixels, left, bottom, side):
        """Draw square pixels `(rows, columns, 3)`, 0..1."""
        extent = (left, left + side, bottom, bottom + side)
        options = {"interpolation": "nearest", "aspect": "auto", "zorder": 1}
        self.ax.imshow(self.colour(pixels), extent=extent, **options)


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


def _draw_image(pen):
    left, bottom = PARTS["image"][0], MIDDLE - 0.4
    pen.picture(_ship(), left, bottom, 0.8)
    pen.outline(left, bottom, 0.8, "black", 1.2)
    pen.outline(left - 0.09, bottom + 0.09, 0.8, "black", 1.2, (0, (3, 2)))  # a crop of it
    pen.name("image", "image,\naugmented")
    pen.text(_centre("image"), SHAPES, "(B, 32, 32, 3)")


def _draw_grid(pen):
    """Draw 8 × 8 squares, each of the mean colour of its patch."""
    left, right = PARTS["grid"]
    step = (right - left) / 8
    means = _ship().reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))
    for row, column in np.ndindex(8, 8):
        corner = left + column * step, MIDDLE + 0.4 - (row + 1) * step
        pen.ax.add_patch(
            Rectangle(corner, 0.8 * step, 0.8 * step, color=pen.colour(means[row, column]))
        )
    pen.name("grid", "64 tokens\n+ positions")
    pen.text(_centre("grid"), SHAPES, "(B, N, C)")


def _draw_box(pen, part, height, words, stacked=False):
    left, right = PARTS[part]
    for offset in (0.06, 0.03, 0) if stacked else (0,):
        pen.box(left + offset, MIDDLE - height / 2 + offset, right - left, height, BLUE)
    pen.text(_centre(part), MIDDLE, words)
    if part == "mean":
        pen.text(PARTS["mean"][1] + 0.1, SHAPES, "(B, C)")


def _places_of_tokens(part):
    """Yield token, left and bottom of its square, and the square's side: two columns of four."""
    left, right = PARTS[part]
    step = (right - left) / 2
    for token in range(8):
        row, column = divmod(token, 2)
        yield token, left + column * step, MIDDLE + (1 - row) * step, 0.86 * step


def _draw_maps(pen):
    rows, columns = np.mgrid[:8, :8]
    spreads = (6, 9, 5, 14, 7, 4, 20, 8)  # all lie on the ship: nothing asks the tokens to differ
    for token, left, bottom, side in _places_of_tokens("maps"):
        row, column = 3.4 + 0.8 * np.cos(2 * token), 3.2 + 0.8 * np.sin(2 * token)
        spread = spreads[token]
        heat = colormaps["viridis"](np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / spread))
        pen.picture(heat[..., :3], left, bottom, side)
        pen.outline(left, bottom, side, token_colour(token), 2)
    pen.name("maps", "8 maps")
    pen.text(_centre("maps"), SHAPES, "(B, S, 8, 8)")


def _draw_tokens(pen):
    for token, left, bottom, side in _places_of_tokens("tokens"):
        pen.box(left, bottom, side, side, token_colour(token), line=0, rounding=0.03)
        number = ink_on(token_colour(token)) if pen.strong else "black"
        pen.text(left + side / 2, bottom + side / 2 - 0.01, token + 1, color=number)
    pen.name("tokens", "8 tokens")
    pen.text(_centre("tokens"), SHAPES, "(B, S, C)")
    middle = (PARTS["maps"][0] + PARTS["tokens"][1]) / 2
    pen.text(middle, NAMES + 0.2, "TokenLearner", va="baseline", weight="bold")


def _draw_classes(pen):
    left, right = PARTS["classes"]
    for i, share in enumerate((0.1, 0.05, 0.12, 0.08, 0.05, 0.1, 0.05, 0.14, 1, 0.2)):
        bottom = MIDDLE + 0.4 - 0.08 * (i + 1)
        pen.box(left, bottom, share * (right - left), 0.055, "#555555", line=0, rounding=0)
    pen.name("classes", "10 classes")
    pen.text(_centre("classes"), SHAPES, "(B, 10)")


def _draw_loop(pen):
    """Draw the way from the classes' loss back to every part that has weights."""
    start, end = _centre("classes"), _centre("patches")
    pen.ax.plot([start, start, end], [SHAPES - 0.13, LOOP, LOOP], color=pen.colour("black"), lw=1.3)
    for part in ("patches", "grid", "blocks", "maps", "few blocks", "mean"):
        pen.arrow((_centre(part), LOOP), (_centre(part), LOOP + 0.22))
    background = {"facecolor": HIGHLIGHT if pen.strong else "white", "edgecolor": "none", "pad": 2}
    pen.text((start + _centre("mean")) / 2, LOOP, "loss", bbox=background)
    between = (_centre("maps") + _centre("few blocks")) / 2
    pen.text(between, LOOP, "optimiser: new weights", bbox=background)


def _draw_fuser(pen, words):
    start, end = _centre("few blocks"), PARTS["grid"][0] + 0.12
    corners = (start, MIDDLE - 0.33), (start, BACK), (end, BACK), (end, SHAPES - 0.1)
    pen.arrow(*corners, line=2.2, dash="--")
    _tab(pen.ax, 4.2, BACK, f"{words}: TokenFuser, back to 64")


def _draw_frame(ax, first, last, words):
    """Draw a thick frame around the parts from `first` to `last`, with the words on it."""
    left, right, bottom, top = PARTS[first][0] - 0.14, PARTS[last][1] + 0.15, 0.63, 2.37
    tab = (left + right) / 2, top + 0.1
    if first == last == "maps":  # the name above belongs to the tokens, too
        top, tab = 2.13, (tab[0], bottom - 0.1)
    ax.add_patch(_frame(left, bottom, right, top))
    _tab(ax, *tab, words)


def _draw_loop_frame(ax, words):
    ax.add_patch(_frame(0.1, 0.03, WIDTH - 0.1, 0.36))
    _tab(ax, 0.85, LOOP, words)


def _frame(left, bottom, right, top):
    style = {"boxstyle": "round,pad=0,rounding_size=0.08", "linewidth": 3, "zorder": 0.5}
    style |= {"facecolor": HIGHLIGHT, "edgecolor": FRAME}
    return FancyBboxPatch((left, bottom), right - left, top - bottom, **style)


def _tab(ax, x, y, words):
    box = {"boxstyle": "round,pad=0.25", "facecolor": FRAME, "edgecolor": "none"}
    ax.text(
        x, y, words, color="white", weight="bold", fontsize=TEXT, ha="center", va="center", bbox=box
    )
