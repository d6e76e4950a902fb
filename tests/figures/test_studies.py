from dataclasses import asdict

import pytest

from tlvit_utils import ViTConfig
from tlvit_utils.figures.studies import accuracy_against_cost

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
            "config": asdict(config),
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
