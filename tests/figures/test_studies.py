import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlvit_utils import ViTConfig
from tlvit_utils.figures.studies import accuracy_against_cost, spread

SCENES = ViTConfig.scenes()
CONFIGS = {
    "v1": SCENES,
    "average": SCENES.replace(variant="average"),
    "none": SCENES.replace(num_tokens=None),
    "one block": SCENES.replace(num_tokens=None, num_layers=1),
}
COSTS = {"v1": 30, "average": 28, "none": 77, "one block": 23}


@pytest.fixture
def figure():
    rows = [
        {
            "method": method,
            "multiply_adds": 1e6 * COSTS[method],
            "accuracy": 0.5 + 0.01 * seed + COSTS[method] / 1000,
            "config": config.to_dict(),
        }
        for method, config in CONFIGS.items()
        for seed in range(3)
    ]
    return accuracy_against_cost(rows, "a study")


def test_every_mean_and_every_seed_is_drawn_at_its_cost(figure):
    points = [line.get_xydata().round(3).tolist() for line in figure.axes[0].lines]
    for cost in COSTS.values():
        mean = 51 + cost / 10
        assert [[cost, mean]] in points
        assert [[cost, mean - 1], [cost, mean], [cost, mean + 1]] in points
    assert [[23, 53.3], [77, 58.7]] in points  # the line of the networks without reduction


def test_every_method_is_named_and_every_kind_has_its_mark(figure):
    ax = figure.axes[0]
    assert {text.get_text() for text in ax.texts} == COSTS.keys()
    (legend,) = figure.legends  # below, where it covers no point
    kinds = [text.get_text() for text in legend.get_texts()]
    assert kinds == ["TokenLearner", "another reduction", "no reduction"]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(overlaps)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12))
def test_spread_heights_keep_their_order_and_their_distance(heights):
    result = spread(heights, 1.0)
    order = np.argsort(heights, kind="stable")
    assert (np.diff(result[order]) > 0.999).all()
    assert np.mean(result) == pytest.approx(np.mean(heights))


def test_heights_that_are_far_apart_stay():
    np.testing.assert_array_equal(spread([5.0, 1.0, 3.0], 1.0), [5, 1, 3])
    np.testing.assert_allclose(spread([1.0, 1.2, 9.0], 1.0), [0.6, 1.6, 9])
