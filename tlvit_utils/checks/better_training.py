"""Checks for what notebook 09 asks for."""

import numpy as np

from tlvit_utils.checks.answers import compare, distinct, exercise


def _images_needed(disagree, difference):
    return 4 * (disagree - difference**2) / difference**2


@exercise
def check_images_needed(answer):
    """Check `images_needed(disagree, difference)`."""

    def wrong(disagree, difference):
        right = _images_needed(disagree, difference)
        unpaired = 8 * disagree * (1 - disagree) / difference**2
        return {
            "With these, `difference` is one standard error; it should be two.": right / 4,
            "`difference` is two standard errors: square the two as well.": right / 2,
            "The mean of the differences is missing: their variance is the mean of their squares, "
            "`disagree`, minus the square of their mean.": 4 * disagree / difference**2,
            "Subtract the *square* of the mean.": 4 * (disagree - difference) / difference**2,
            "The difference is not squared: the error falls with √n.": right * difference,
            "That is for two networks on different images. Here both see the same, and only images "
            "on which they disagree count.": unpaired,
        }

    def draw(rng):
        return float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.02, 0.05))

    compare(answer, _images_needed, wrong, draw, small=(0.26, 0.1))


def _which_stand(p_values, always=False, rank_limit=None):
    count = len(p_values)
    limits = 0.05 / (count - np.arange(count)) if rank_limit is None else rank_limit
    order = np.argsort(p_values)
    below = np.asarray(p_values)[order] <= limits
    stand = np.zeros(count, bool)
    stand[order] = below if always else np.logical_and.accumulate(below)
    return stand


@exercise
def check_which_stand(answer):
    """Check `which_stand(p_values)`."""

    def wrong(p_values):
        count = len(p_values)
        right = _which_stand(p_values)
        return {
            "Nothing is corrected: each is held to 0.05.": np.asarray(p_values) <= 0.05,
            "That is Bonferroni's limit; Holm's grows.": np.asarray(p_values) <= 0.05 / count,
            "Stop at the first that fails, whatever follows.": _which_stand(p_values, always=True),
            "These are in order of size, not of the changes.": right[np.argsort(p_values)],
            "The limits run the wrong way: the smallest p-value gets the strictest limit, "
            "0.05 / count.": _which_stand(p_values, rank_limit=0.05 / (1 + np.arange(count))),
            "Those are the ones that fail.": ~right,
        }

    def draw(rng):
        count = int(rng.integers(8, 14))
        return (np.round(rng.uniform(0, 0.09, count) ** 1.7, 4),)

    draw = distinct(draw, _which_stand, wrong)
    compare(answer, _which_stand, wrong, draw, small=(np.array([0.03, 0.01, 0.04, 0.012]),))
