import pytest
from matplotlib.patches import FancyBboxPatch

from tlvit_utils import figures
from tlvit_utils.figures import diagram
from tlvit_utils.figures.diagram import PLACES, network_diagram

IMAGE = ["image, augmented"]
PATCHES = ["patches or convo- lutions", "64 tokens + positions"]
BLOCKS = ["Transformer blocks on 64 tokens"]
TOKEN_LEARNER = ["8 maps", "8 tokens", "TokenLearner"]
FEW_BLOCKS = ["Transformer blocks on 8 tokens"]
END = ["LayerNorm, mean", "10 classes"]
NETWORK = IMAGE + PATCHES + BLOCKS + TOKEN_LEARNER + FEW_BLOCKS + END
LOOP = ["optimiser: new weights", "loss"]
FRAMED = {
    "start_here": NETWORK,
    "patch_encoder": PATCHES,
    "mlp_and_transformer_block": BLOCKS + FEW_BLOCKS,
    "token_learner": TOKEN_LEARNER,
    "vision_transformer": NETWORK,
    "training": LOOP,
    "attention_maps": ["8 maps"],
    "token_learner_v11_and_fuser": TOKEN_LEARNER,
    "experiments": NETWORK + LOOP,
    "better_training": IMAGE + PATCHES[:1] + LOOP,
}


@pytest.fixture(params=FRAMED, scope="module")
def place(request):
    return request.param


def frames(ax):
    """Return the extents of the thick frames."""
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    return [box.get_window_extent() for box in boxes if box.get_linewidth() >= 3]


def test_there_is_a_place_for_each_notebook():
    assert set(PLACES) == set(FRAMED)


def test_an_unknown_place_is_refused():
    with pytest.raises(ValueError, match=r"^place is 'moon', but it must be one of start_here, "):
        diagram.show("moon")


def test_the_frames_hold_the_place_and_nothing_else(place):
    figure = network_diagram(place)
    figure.draw_without_rendering()
    (ax,) = figure.axes
    extents = {text.get_text().replace("\n", " "): text.get_window_extent() for text in ax.texts}
    found = {
        words
        for words, extent in extents.items()
        if words in NETWORK + LOOP
        and any(all(frame.contains(*corner) for corner in extent.corners()) for frame in frames(ax))
    }
    assert found == set(FRAMED[place])
    fuser = "and here: TokenFuser, back to 64" in extents
    assert fuser == (place == "token_learner_v11_and_fuser")


def test_show_displays_the_picture_and_where_the_reader_is(place, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda *given: shown.append(given))
    diagram.show(place)
    ((figure, caption, alternative),) = shown
    assert PLACES[place][1] in caption
    assert PLACES[place][1] in alternative
    assert len(figures.to_png(figure)) < 60_000  # every notebook carries one
