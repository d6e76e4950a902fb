import numpy as np
import pytest

from tlvit_utils.analysis import diversity, localisation

# Two images of 2×2 cells, the object in the upper left of the one and the lower right of the other.
SHARES = np.array([[[1, 0.5], [0.4, 0]], [[0, 0], [0, 0.8]]])


def test_localisation_by_hand():
    """Token 0 looks at the object, token 1 at the upper left, token 2 everywhere."""
    maps = np.array(
        [
            [[[3, 1], [0, 0]], [[2, 0], [0, 0]], [[1, 1], [1, 1]]],
            [[[0, 0], [1, 3]], [[2, 0], [0, 0]], [[1, 1], [1, 1]]],
        ]
    )
    scores = localisation(maps, SHARES)
    # Half of a cell is enough for a hit: two of four cells in the first image, one in the second.
    np.testing.assert_allclose(scores["own"].hits, [1, 0.5, (0.5 + 0.25) / 2])
    np.testing.assert_allclose(scores["own"].mass, [(3.5 / 4 + 2.4 / 4) / 2, 0.5, 0.3375])
    # The sums of the maps are [[6, 2], [1, 1]] and [[3, 1], [2, 4]]: both means hit.
    assert scores["own"].mean_map_hit == 1
    other = scores["other"]  # of two images there is only one other
    np.testing.assert_allclose(other.hits, [0, 0.5, (0.25 + 0.5) / 2])
    assert other.mean_map_hit == 0
    np.testing.assert_allclose(scores["chance"].hits, np.full(3, 0.375))
    np.testing.assert_allclose(scores["chance"].mass, np.full(3, 0.3375))
    assert scores["chance"].mean_map_hit == 0.375


def test_flat_maps_score_what_chance_scores():
    shares = np.random.default_rng(0).random((20, 4, 4))
    scores = localisation(np.full((20, 3, 4, 4), 0.1), shares)
    np.testing.assert_allclose(scores["own"].hits, scores["chance"].hits)
    np.testing.assert_allclose(scores["own"].mass, scores["chance"].mass)
    assert scores["own"].mean_map_hit == pytest.approx(scores["chance"].mean_map_hit)


def test_a_bias_for_a_place_shows_against_other_images_masks():
    """A map that is the same in every image scores the same against all images' masks."""
    rng = np.random.default_rng(0)
    shares = np.zeros((12, 4, 4))
    shares[:, 1:3, 1:3] = rng.random((12, 2, 2))  # the objects are in the middle
    fixed = np.broadcast_to(rng.random((2, 4, 4)), (12, 2, 4, 4))
    scores = localisation(fixed, shares)
    np.testing.assert_allclose(scores["own"].hits, scores["other"].hits)
    objects = localisation(shares[:, None], shares)
    assert objects["own"].hits[0] > objects["other"].hits[0] + 0.05


@pytest.mark.parametrize(
    "maps, shares, message",
    [
        (np.ones((2, 1, 2, 2)), SHARES[:1], r"shares \(1, 2, 2\)"),
        (np.ones((1, 1, 2, 2)), SHARES[:1], "at least two images"),
        (np.ones((2, 2, 2)), SHARES, r"maps have shape \(2, 2, 2\)"),
        (np.ones((2, 0, 2, 2)), SHARES, r"maps have shape \(2, 0, 2, 2\)"),
        (-np.ones((2, 1, 2, 2)), SHARES, "negative or not finite"),
        (np.full((2, 1, 2, 2), np.nan), SHARES, "negative or not finite"),
        (np.zeros((2, 1, 2, 2)), SHARES, "0 everywhere"),
    ],
)
def test_maps_that_cannot_be_scored_are_refused(maps, shares, message):
    with pytest.raises(ValueError, match=message):
        localisation(maps, shares)


@pytest.mark.parametrize(
    "maps, expected",
    [
        ([[1, 0, 0, 0], [0, 0, 2, 0]], 1),
        ([[1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]], 0),
        ([[1, 0, 0, 0], [3, 0, 0, 0], [0, 1, 1, 0]], 2 / 3),
        ([[3, 4, 0, 0], [3, 0, 4, 0]], 1 - 9 / 25),
        ([[3e-25, 4e-25, 0, 0], [3, 0, 4, 0]], 1 - 9 / 25),
    ],
)
def test_diversity_by_hand(maps, expected):
    maps = np.reshape(maps, (1, -1, 2, 2)).astype("float32")
    assert diversity(np.concatenate([maps, maps])) == pytest.approx(expected, abs=1e-6)


def test_diversity_needs_two_tokens():
    with pytest.raises(ValueError, match="only one token"):
        diversity(np.ones((2, 1, 2, 2)))
