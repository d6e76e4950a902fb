import pytest

from tlvit_utils import figures
from tlvit_utils.figures import diagram
from tlvit_utils.figures.diagram import PLACES


def test_an_unknown_place_is_refused():
    with pytest.raises(ValueError, match=r"^place is 'moon', but it must be one of start_here, "):
        diagram.show("moon")


@pytest.mark.parametrize("place", PLACES)
def test_show_displays_the_picture_and_where_the_reader_is(place, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda *given: shown.append(given))
    diagram.show(place)
    ((figure, caption, alternative),) = shown
    assert PLACES[place][1] in caption
    assert PLACES[place][1] in alternative
    assert len(figures.to_png(figure)) < 60_000  # every notebook carries one
