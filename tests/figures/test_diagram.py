import pytest
from matplotlib.text import Annotation

from tlvit_utils import figures
from tlvit_utils.figures import diagram
from tlvit_utils.figures.diagram import PARTS, PLACES, network_diagram


def test_an_unknown_place_is_refused():
    with pytest.raises(ValueError, match=r"^place is 'moon', but it must be one of start_here, "):
        diagram.show("moon")


def test_arrows_from_below_end_at_weights_and_the_fusers_before_token_learner():
    (ax,) = network_diagram("token_learner_v11_and_fuser").axes
    arrows = [text for text in ax.texts if isinstance(text, Annotation)]
    ends = [arrow.xy[0] for arrow in arrows if arrow.xy[1] > arrow.xyann[1]]
    parts = [name for x in ends for name, (left, right, *_) in PARTS.items() if left < x < right]
    assert sorted(parts) == ["blocks", "few blocks", "maps", "patches"]
    assert sum(PARTS["blocks"][1] < x < PARTS["maps"][0] for x in ends) == 1
    assert len(ends) == 5


@pytest.mark.parametrize("place", PLACES)
def test_show_displays_the_picture_and_where_the_reader_is(place, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show", lambda *given: shown.append(given))
    diagram.show(place)
    ((figure, caption, alternative),) = shown
    assert PLACES[place][1] in caption
    assert PLACES[place][1] in alternative
    assert len(figures.to_png(figure)) < 60_000  # every notebook carries one
