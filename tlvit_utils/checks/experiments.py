"""Checks for what notebook 08 asks for."""

from itertools import combinations
from math import comb

import numpy as np

from tlvit_utils.analysis.comparison import student_t, welch_interval
from tlvit_utils.checks.answers import compare, distinct, exercise


def _mean_and_spread(accuracies):
    spread = accuracies.std(axis=1, ddof=1)
    return np.stack(
        [accuracies.mean(axis=1), spread, spread / np.sqrt(accuracies.shape[1])], axis=1
    )


@exercise(ours=_mean_and_spread)
def check_mean_and_spread(answer):
    """Check `mean_and_spread(accuracies)`."""

    def wrong(accuracies):
        mean, spread, error = _mean_and_spread(accuracies).T
        runs = accuracies.shape[1]

        def columns(mean, spread, error=None):
            return np.stack([mean, spread, spread / np.sqrt(runs) if error is None else error], 1)

        over_networks = columns(accuracies.mean(axis=0), accuracies.std(axis=0, ddof=1))
        return {
            "Wrong axis: the runs of one network are in one row.": over_networks,
            "Divide by one less than the runs (`ddof=1`).": columns(mean, accuracies.std(axis=1)),
            "The third column is the spread again, not the error.": columns(mean, spread, spread),
            "Divide by √runs: the error falls with its root.": columns(mean, spread, spread / runs),
            "That is the variance; the spread is its root.": columns(mean, spread**2),
            "Second column: that is the variance, not its root.": columns(mean, spread**2, error),
            "Transposed: the networks are the rows.": np.stack([mean, spread, error]),
        }

    def draw(rng):
        return (rng.uniform(0.2, 0.9, (int(rng.integers(4, 7)), int(rng.integers(7, 12)))),)

    by_hand = np.array([[30.0, 32.0, 34.0], [50.0, 50.0, 56.0]])
    compare(answer, _mean_and_spread, wrong, draw, small=(by_hand,))


@exercise(ours=welch_interval)
def check_welch_interval(answer):
    """Check `welch_interval(first, second)`."""

    def wrong(first, second):
        difference = first.mean() - second.mean()

        def interval(a, b, reach=lambda a, b: np.sqrt(a + b), students=True):
            degrees = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
            times = student_t(degrees) if students else 1
            return difference + np.array([-1, 1]) * times * reach(a, b)

        def of(part):
            return interval(part(first), part(second))

        a, b = (each.var(ddof=1) / len(each) for each in (first, second))
        return {
            "The sign is reversed: take the first mean minus the second.": -interval(a, b)[::-1],
            "That is the deviation; variances add up.": of(lambda x: x.std(ddof=1) / len(x)),
            "That is the variance of single runs, not of a mean.": of(lambda x: x.var(ddof=1)),
            "Divide by one less than the number of runs.": of(lambda x: x.var() / len(x)),
            "The root is missing: that is a variance.": interval(a, b, lambda a, b: a + b),
            "Add first, then take the root.": interval(a, b, lambda a, b: np.sqrt(a) + np.sqrt(b)),
            "That is one standard error, not `student_t` of them.": interval(a, b, students=False),
        }

    def draw(rng):
        counts = rng.choice(np.arange(3, 9), 2, replace=False)
        return tuple(rng.normal(50 + i, 1 + 3 * i, count) for i, count in enumerate(counts))

    by_hand = np.array([31.0, 39.0]), np.array([30.0, 32.0, 34.0])
    compare(answer, welch_interval, wrong, draw, small=by_hand)


def _at_least_as_good(costs, accuracies):
    """Return `(network, other)`: is the other no more expensive and no less accurate?"""
    return (costs <= costs[:, None]) & (accuracies >= accuracies[:, None])


def _on_the_front(costs, accuracies):
    as_good = _at_least_as_good(costs, accuracies)
    return ~(as_good & ~as_good.T).any(axis=1)


@exercise
def check_on_the_front(answer):
    """Check `on_the_front(costs, accuracies)`."""

    def wrong(costs, accuracies):
        as_good, front = _at_least_as_good(costs, accuracies), _on_the_front(costs, accuracies)
        ends = (costs == costs.min()) | (accuracies == accuracies.max())
        cheaper, better = costs < costs[:, None], accuracies > accuracies[:, None]
        return {
            "Wrong axis: ask who is beaten, not who beats.": ~(as_good & ~as_good.T).any(axis=0),
            "Those are the networks that are beaten; the others are wanted.": ~front,
            "Equal in one and worse in the other is beaten too.": ~(cheaper & better).any(axis=1),
            "Every network beats itself: the other must be better in one.": ~as_good.any(axis=1),
            "These are only the two ends: others in between may be on the front too.": ends,
            "You prefer a high cost; less is better.": _on_the_front(-costs, accuracies),
        }

    def draw(rng):
        count = int(rng.integers(12, 20))
        costs = rng.integers(1, 8, count).astype(float)
        return costs, (costs + rng.integers(0, 8, count)) / 20

    draw = distinct(draw, _on_the_front, wrong)
    by_hand = np.array([1.0, 2.0, 3.0, 3.0]), np.array([50.0, 60.0, 55.0, 70.0])
    compare(answer, _on_the_front, wrong, draw, small=by_hand)


def _differences(first, second):
    """Return the difference of the means for every way to split the runs into two groups."""
    runs = np.concatenate([first, second])
    chosen = np.zeros((comb(len(runs), len(first)), len(runs)), bool)
    for row, group in zip(chosen, combinations(range(len(runs)), len(first)), strict=True):
        row[list(group)] = True
    sums = (chosen * runs).sum(axis=1)
    return (runs.sum() - sums) / len(second) - sums / len(first)


def _share_as_large(first, second):
    seen = abs(second.mean() - first.mean())
    return np.mean(np.abs(_differences(first, second)) >= seen - 1e-9)


@exercise
def check_share_as_large(answer):
    """Check `share_as_large(first, second)`."""

    def wrong(first, second):
        all_ways = _differences(first, second)
        seen, sizes = second.mean() - first.mean(), np.abs(all_ways)
        one_way = (
            "You counted one direction only. Had the other network been ahead by as much, it would "
            "have been just as striking: take `abs` of both differences."
        )
        return {
            one_way: np.mean(all_ways >= seen - 1e-9),
            f"{one_way} (Yours are negative.)": np.mean(all_ways <= seen + 1e-9),
            "The observed split counts too: use `>=`.": np.mean(sizes > abs(seen) + 1e-9),
            "That is the share of *smaller* differences.": np.mean(sizes < abs(seen) - 1e-9),
            "That is a count; divide it by all ways.": np.sum(sizes >= abs(seen) - 1e-9) * 1.0,
        }

    def draw(rng):
        first, second = rng.normal(50, 3, int(rng.integers(3, 5))), rng.normal(52, 3, 5)
        return tuple(sorted((first, second), key=np.mean))

    draw = distinct(draw, _share_as_large, wrong)
    by_hand = np.array([1.0, 3.0]), np.array([5.0, 6.0])
    compare(answer, _share_as_large, wrong, draw, small=by_hand)
