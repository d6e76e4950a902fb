import pytest
from matplotlib.patches import FancyBboxPatch

from tlvit_utils import figures
from tlvit_utils.figures import diagram
from tlvit_utils.figures.diagram import PARTS, PLACES, network_diagram


@pytest.fixture(params=PLACES, scope="module")
def place(request):
    return request.param


def names_within(frames):
    """Return the names of the parts that lie within frames, each from one part to another."""
    order, within = list(PARTS), {"loss"} if ("loop", "loop") in frames else set()
    for first, last in frames:
        if first in PARTS:
            parts = order[order.index(first) : order.index(last) + 1]
            within |= {PARTS[part][2] for part in parts}
    return within


def test_an_unknown_place_is_refused():
    with pytest.raises(ValueError, match=r"^place is 'moon', but it must be one of start_here, "):
        diagram.show("moon")


def test_the_frames_hold_the_place_and_nothing_else(place):
    figure = network_diagram(place)
    figure.draw_without_rendering()
    (ax,) = figure.axes
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    frames = [box.get_window_extent() for box in boxes if box.get_linewidth() >= 3]
    extents = {text.get_text(): text.get_window_extent() for text in ax.texts}
    found = {
        name
        for name in ("loss", *(part[2] for part in PARTS.values()))
        if any(all(map(frame.contains, *extents[name].corners().T)) for frame in frames)
    }
    assert found == names_within(PLACES[place][0])


def test_show_displays_the_picture_and_where_the_reader_is(place, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda *given: shown.append(given))
    diagram.show(place)
    ((figure, caption, alternative),) = shown
    assert PLACES[place][1] in caption
    assert PLACES[place][1] in alternative
    assert len(figures.to_png(figure)) < 60_000  # every notebook carries one
