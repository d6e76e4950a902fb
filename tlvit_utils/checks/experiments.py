"""Checks for the exercises of notebook 08."""

from itertools import combinations
from math import comb

import numpy as np

from tlvit_utils.checks.comparison import compare, exercise


def _mean_and_spread(accuracies):
    spread = accuracies.std(axis=1, ddof=1)
    return np.stack(
        [accuracies.mean(axis=1), spread, spread / np.sqrt(accuracies.shape[1])], axis=1
    )


@exercise
def check_mean_and_spread(answer):
    """Check `mean_and_spread(accuracies)` (notebook 08)."""

    def wrong(accuracies):
        mean, spread, error = _mean_and_spread(accuracies).T
        runs = accuracies.shape[1]
        biased = accuracies.std(axis=1)

        def columns(*each):
            return np.stack(each, axis=1)

        return {
            "The spread is divided by the number of runs. Divide by one less (`ddof=1`): the runs "
            "lie nearer to their own mean than to the true one.": columns(
                mean, biased, biased / np.sqrt(runs)
            ),
            "The third column is the spread again; the error of the mean is smaller, by √runs.": (
                columns(mean, spread, spread)
            ),
            "You divided the spread by the number of runs; the error of a mean falls with its "
            "root.": columns(mean, spread, spread / runs),
            "The second column is the variance; the spread is its root.": columns(
                mean, spread**2, error
            ),
            "Transposed: networks are the rows, and mean, spread and error the columns.": np.stack(
                [mean, spread, error]
            ),
        }

    def draw(rng):
        return (rng.uniform(0.2, 0.9, (int(rng.integers(4, 7)), int(rng.integers(7, 12)))),)

    compare(answer, _mean_and_spread, wrong, draw)
    return "3 random tables of runs"


def _on_the_front(costs, accuracies):
    cheaper = costs[None] <= costs[:, None]  # (network, other)
    better = accuracies[None] >= accuracies[:, None]
    differs = (costs[None] != costs[:, None]) | (accuracies[None] != accuracies[:, None])
    return ~(cheaper & better & differs).any(axis=1)


@exercise
def check_on_the_front(answer):
    """Check `on_the_front(costs, accuracies)` (notebook 08)."""

    def wrong(costs, accuracies):
        strictly = (costs[None] < costs[:, None]) & (accuracies[None] > accuracies[:, None])
        ends = (costs == costs.min()) | (accuracies == accuracies.max())
        front = _on_the_front(costs, accuracies)
        weakly = (costs[None] <= costs[:, None]) & (accuracies[None] >= accuracies[:, None])
        return {
            "Those are the networks that are beaten; the others are wanted.": ~front,
            "A network that costs the same and is less accurate is beaten, too, and so is one that "
            "is as accurate and costs more.": ~strictly.any(axis=1),
            "Every network beats itself there: it is as cheap and as accurate as itself. Another "
            "must be better in one of the two.": ~weakly.any(axis=1),
            "Only the cheapest and the most accurate: what lies between may be on the front, "
            "too.": ends,
            "You want a high cost there; less is better.": _on_the_front(-costs, accuracies),
        }

    def draw(rng):
        count = int(rng.integers(12, 20))
        while True:
            costs = rng.integers(1, 8, count).astype(float)
            accuracies = (costs + rng.integers(0, 8, count)) / 20
            arguments = costs, accuracies
            results = [_on_the_front(*arguments), *wrong(*arguments).values()]
            if len({result.tobytes() for result in results}) == len(results):
                return arguments

    compare(answer, _on_the_front, wrong, draw)
    return "3 random sets of networks, with ties"


def _differences(first, second):
    """Return the difference of the means for every way to deal the runs into two groups."""
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
    """Check `share_as_large(first, second)` (notebook 08)."""

    def wrong(first, second):
        seen, all_ways = second.mean() - first.mean(), _differences(first, second)
        return {
            "You counted one direction only. Had the other network been ahead by as much, it would "
            "have struck you as well: take the size of the differences.": np.mean(
                all_ways >= seen - 1e-9
            ),
            "The deal that was seen is one of the ways, too: count differences that are as large, "
            "not only larger ones (and leave 1e-9 for rounding).": np.mean(
                np.abs(all_ways) > abs(seen) + 1e-9
            ),
            "That is the share of *smaller* differences.": np.mean(
                np.abs(all_ways) < abs(seen) - 1e-9
            ),
            "That is a number of ways; divide by how many there are.": np.sum(
                np.abs(all_ways) >= abs(seen) - 1e-9
            ).astype(float),
        }

    def draw(rng):
        while True:
            # the sizes differ, so that no deal has a mirror image
            first = rng.integers(40, 60, int(rng.integers(3, 5))).astype(float)
            second = first.mean() + 3.0 + rng.integers(-8, 8, 5)
            values = [_share_as_large(first, second), *wrong(first, second).values()]
            if len(np.unique(np.round(values, 6))) == len(values):
                return first, second

    compare(answer, _share_as_large, wrong, draw)
    return "3 random pairs of experiments"
