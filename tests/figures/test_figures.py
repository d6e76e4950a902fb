import numpy as np
import pytest
from IPython.display import Markdown
from matplotlib.container import ErrorbarContainer

from tlvit_utils import figures
from tlvit_utils.figures.overlay import as_uint8, render
from tlvit_utils.figures.plots import patches_figure

PICTURE = np.random.default_rng(0).random((32, 32, 3))
ROWS = [
    {"change": "published", "val_accuracy": 0.3, "multiply_adds": 80e6},
    {"change": "other heads", "val_accuracy": 0.4, "multiply_adds": 31e6},
]
MAPS = np.random.default_rng(1).random((3, 8, 8))
RNG = np.random.default_rng(2)


def panels(figure):
    """Return the figure's axes that hold a picture."""
    return [ax for ax in figure.axes if ax.images]


def shown(ax):
    """Return the array that a panel shows."""
    return np.asarray(ax.images[0].get_array())


def test_the_caption_is_the_text_alternative(monkeypatch):
    displayed = []
    monkeypatch.setattr(
        "IPython.display.display", lambda shown, **options: displayed.append((shown, options))
    )
    figure = figures.bars_figure({"a": 1.0}, "M")
    figures.show(figure, "One bar.")
    (data, options), (below, _) = displayed
    assert options == {"metadata": {"image/png": {"alt": "One bar."}}, "raw": True}
    assert data["text/plain"] == "One bar."
    assert data["image/png"] == figures.to_png(figure)
    assert isinstance(below, Markdown) and below.data == "*One bar.*"


@pytest.mark.parametrize(
    "draw",
    [
        lambda picture: figures.image_grid([picture]),
        lambda picture: patches_figure(picture, 8),
        lambda picture: figures.token_maps_figure(picture, MAPS),
    ],
    ids=["images", "patches", "maps"],
)
def test_a_uint8_picture_looks_like_the_same_picture_as_float(draw):
    one, other = (panels(draw(picture)) for picture in (as_uint8(PICTURE), as_uint8(PICTURE) / 255))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(shown(a), shown(b))
        assert shown(a).std() > 1  # and it is no white square


def test_zero_is_grey_in_every_filter():
    kernel = RNG.normal(size=(4, 4, 3, 6)) * 10.0 ** np.arange(6)
    kernel[..., 5] = 0
    kernel[0, 0] = 0
    figure = figures.filters_figure(kernel, title="filters")
    assert len(panels(figure)) == 6
    for ax in panels(figure):
        np.testing.assert_array_equal(shown(ax)[0, 0], 128)
    np.testing.assert_array_equal(shown(panels(figure)[5]), 128)


def test_similarity_shows_cosines():
    vectors = RNG.normal(size=(9, 4)) * np.arange(1, 10)[:, None]
    figure = figures.similarity_figure(vectors, 3, "positions")
    assert len(panels(figure)) == 9
    expected = vectors[4] @ vectors[7] / np.linalg.norm(vectors[4]) / np.linalg.norm(vectors[7])
    assert shown(panels(figure)[4])[2, 1] == pytest.approx(expected)
    assert shown(panels(figure)[4])[1, 1] == pytest.approx(1)


@pytest.mark.parametrize("limits", [(0, 1), (-1, 1)])
def test_matrix_numbers_are_in_their_cells_and_readable(limits):
    matrix = np.linspace(*limits, 21)[:20].reshape(5, 4)  # with the middle
    figure = figures.matrix_figure(matrix, "abcde", "wxyz", "a matrix", limits, ("row", "column"))
    (ax,) = figure.axes
    assert len(ax.texts) == 20
    image = ax.images[0]
    for text in ax.texts:
        column, row = text.get_position()
        assert text.get_text() == f"{matrix[row, column]:.2f}"
        dark = sum(image.cmap(image.norm(matrix[row, column]))[:3]) < 1.4
        assert text.get_color() == ("white" if dark else "black")


def test_token_maps_lie_over_the_picture():
    figure = figures.token_maps_figure(PICTURE, MAPS)
    np.testing.assert_array_equal(shown(panels(figure)[0]), as_uint8(PICTURE))
    for ax, each in zip(panels(figure)[1:], MAPS, strict=True):
        np.testing.assert_array_equal(shown(ax), render(PICTURE, each))


def test_curves_of_two_runs():
    with_val = {"accuracy": [0.3, 0.4], "val_accuracy": [0.35, 0.45]}
    goes_on = {"at": [0.5, 1.0, 1.5], "accuracy": [0.1, 0.2, 0.3], "val_accuracy": [0.2]}
    _, accuracy = figures.curves_figure({"one": with_val, "two": goes_on}, epochs=4).axes
    _, one_valid, two_train, two_valid = accuracy.lines
    np.testing.assert_allclose(one_valid.get_xydata(), [[1, 35], [2, 45]])
    np.testing.assert_array_equal(two_train.get_xdata(), goes_on["at"])
    np.testing.assert_array_equal(two_valid.get_xdata(), [1])
    looks = {(line.get_linestyle(), line.get_marker()) for line in accuracy.lines}
    assert len(looks) == 4  # each is known without its colour


def test_the_walk_shows_accuracy_with_its_error_and_cost_in_order():
    gain, cost = figures.walk_figure(ROWS, [0.02]).axes
    assert [bar.get_width() for bar in cost.patches] == [80, 31]
    (errors,) = (each for each in gain.containers if isinstance(each, ErrorbarContainer))
    (segment,) = errors.lines[2][0].get_segments()
    assert np.allclose(segment[:, 0], [8, 12])  # points, to both sides
