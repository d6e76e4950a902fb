import numpy as np
import pytest

from tlvit_utils.analysis.comparison import (
    compare_methods,
    pack_bits,
    paired_difference,
    student_t,
    unpack_bits,
    welch_interval,
)


@pytest.mark.parametrize(
    ("degrees", "share", "expected"),  # from a printed table
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (4, 0.95, 2.776), (30, 0.95, 2.042), (4, 0.99, 4.604)],
)
def test_students_t(degrees, share, expected):
    assert student_t(degrees, share) == pytest.approx(expected, abs=1e-3)


def test_one_seed_by_hand():
    """Differences 1, 0, 0, -1, 1, 1, 0, 0: mean 0.25, variance 3.5 / 7 = 0.5."""
    right = [1, 1, 0, 0, 1, 1, 0, 1]
    other = [0, 1, 0, 1, 0, 0, 0, 1]
    difference = paired_difference(right, other)
    assert difference.mean == 0.25
    reach = student_t(7) * np.sqrt(0.5 / 8)
    assert (difference.low, difference.high) == pytest.approx((0.25 - reach, 0.25 + reach))
    assert difference.per_seed.tolist() == [0.25]


@pytest.mark.parametrize(("seed_spread", "at_most"), [(0.0, 1.0), (0.1, 0.97)])
def test_the_interval_holds_at_least_as_often_as_it_says(seed_spread, at_most):
    """In 95 of 100 studies, and not in many more where the seeds differ more than the images.

    The true difference of the two networks is 0.1.
    """
    rng = np.random.default_rng(0)
    held = []
    for _ in range(2_000):
        image = rng.uniform(0.3, 0.6, 1_000)
        shift = rng.normal(0, seed_spread, (3, 1))
        right = rng.random((3, 1_000)) < image + 0.1 + shift
        other = rng.random((3, 1_000)) < image
        difference = paired_difference(right, other)
        held.append(difference.low <= 0.1 <= difference.high)
    assert 0.94 <= np.mean(held) <= at_most


def test_the_images_error_never_narrows_the_interval_of_the_seeds():
    """Two seeds' leads of 5 and 7 points: at least Student's interval of these two numbers."""
    images = 1_000
    right = np.stack([np.arange(images) < count for count in (550, 570)])
    other = np.stack([np.arange(images) >= images - 500] * 2)
    difference = paired_difference(right, other)
    assert difference.mean == pytest.approx(0.06)
    assert (difference.high - difference.low) / 2 > student_t(1) * 0.01


def test_a_network_compared_with_itself():
    right = np.eye(3, 10)
    difference = paired_difference(right, right)
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)
    assert str(difference) == "+0.0 [+0.0, +0.0] points"


@pytest.mark.parametrize("shapes", [((3, 10), (2, 10)), ((10,), (9,)), ((1,), (1,))])
def test_answers_that_do_not_belong_together_are_refused(shapes):
    with pytest.raises(ValueError, match="answers have shapes"):
        paired_difference(*map(np.ones, shapes))


def test_methods_of_a_study_are_compared_over_the_seeds_that_both_have():
    def row(method, seed, right):
        return {"method": method, "seed": seed, "right": pack_bits(right)}

    rows = [
        row("v1 sum", 0, [1, 1, 1, 1]),
        row("v1 sum", 2, [1, 1, 1, 0]),
        row("v1 mean", 2, [1, 0, 0, 0]),
    ]
    assert compare_methods(rows, "v1 sum", "v1 mean", 4).per_seed.tolist() == [0.5]
    assert compare_methods(rows, "v1 sum", "top K", 4) is None


def test_welch_by_hand():
    """Means 7 and 2, variances of the means 32 / 2 and 1 / 3. One training has no variance."""
    low, high = welch_interval([3, 11], [1, 2, 3])
    variance = 32 / 2 + 1 / 3
    reach = student_t(variance**2 / (16**2 / 1 + (1 / 3) ** 2 / 2)) * np.sqrt(variance)
    assert (low, high) == pytest.approx((5 - reach, 5 + reach))
    with pytest.raises(ValueError, match="1 and 2 runs"):
        welch_interval([1], [3, 11])
    with pytest.raises(ValueError, match="not finite"):
        welch_interval([1, np.nan], [3, 11])


@pytest.mark.parametrize("count", [1, 8, 10_000, 10_001])
def test_answers_survive_packing(count):
    right = np.random.default_rng(0).random(count) < 0.5
    text = pack_bits(right)
    assert len(text) < count / 6 + 5
    np.testing.assert_array_equal(unpack_bits(text, count), right)
    with pytest.raises(ValueError, match="fewer than"):
        unpack_bits(text, count + 8)
