import pytest

from tlvit_utils import figures
from tlvit_utils.figures import diagram
from tlvit_utils.figures.diagram import MIDDLE, PARTS, PLACES

THICK = 3  # the line of a frame around where the reader is


def test_an_unknown_place_is_refused():
    with pytest.raises(ValueError, match=r"^place is 'moon', but it must be one of start_here, "):
        diagram.show("moon")


def framed_parts(figure):
    """Return which parts of the network each thick frame encloses; that of the loop, none."""
    boxes = [patch.get_bbox() for patch in figure.axes[0].patches if patch.get_linewidth() == THICK]
    return [
        [
            part
            for part, (left, right, *_) in PARTS.items()
            if box.x0 < left and right < box.x1 and box.y0 < MIDDLE < box.y1
        ]
        for box in boxes
    ]


@pytest.mark.parametrize("place", PLACES)
def test_show_displays_the_picture_with_frames_where_the_reader_is(place, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda *given: shown.append(given))
    diagram.show(place)
    ((figure, *_),) = shown
    parts = list(PARTS)
    assert framed_parts(figure) == [
        parts[parts.index(first) : parts.index(last) + 1] if first in PARTS else []
        for first, last in PLACES[place][0]
        if first != "fuser"  # its way is an arrow
    ]
    assert len(figures.to_png(figure)) < 60_000  # every notebook carries one
