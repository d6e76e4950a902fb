"""Checks for the exercises of notebook 09."""

import numpy as np

from tlvit_utils.checks.comparison import compare, exercise


def _images_needed(p, difference):
    return 8 * p * (1 - p) / difference**2


@exercise
def check_images_needed(answer):
    """Check `images_needed(p, difference)` (notebook 09)."""

    def wrong(p, difference):
        right = _images_needed(p, difference)
        return {
            "So many make `difference` one standard error; it should be two.": right / 4,
            "So many make `difference` two standard errors of *one* accuracy; the variances of "
            "two networks add up.": right / 2,
            "That makes `difference` two standard errors of one accuracy each, added up. "
            "Independent errors add as squares: the root of the sum of the variances.": right * 2,
            "The difference is not squared: the error falls with √n, so half of it takes four "
            "times the images.": right * difference,
            "p in place of p · (1 - p): at an accuracy of 100 % there is nothing left to chance.": (
                8 * p / difference**2
            ),
        }

    def draw(rng):
        return float(rng.uniform(0.05, 0.95)), float(rng.uniform(0.005, 0.05))

    compare(answer, _images_needed, wrong, draw)
    return "3 random accuracies and differences"


def _paired_difference(first, second):
    differences = second.astype(float) - first
    return np.array([differences.mean(), differences.std() / np.sqrt(len(differences))])


@exercise
def check_paired_difference(answer):
    """Check `paired_difference(first, second)` (notebook 09)."""

    def wrong(first, second):
        difference, error = _paired_difference(first, second)
        n = len(first)
        apart = np.sqrt(first.var() / n + second.var() / n)
        return {
            "The sign is turned round: second minus first, so that a gain is positive.": (
                [-difference, error]
            ),
            "That error would be right for different images. These are the same ones: take the "
            "difference image by image first, then its deviation.": [difference, apart],
            "That is the deviation of one image; divide by √n for the mean's.": (
                [difference, error * np.sqrt(n)]
            ),
            "You divided by n; the error of a mean falls with √n.": [
                difference,
                error / np.sqrt(n),
            ],
            "That counts the images on which the two differ, whichever is right: the sign of each "
            "difference is lost.": [
                np.mean(first != second),
                np.std(first != second) / np.sqrt(n),
            ],
        }

    def draw(rng):
        first = rng.random(int(rng.integers(40, 400))) < 0.6
        second = np.where(rng.random(len(first)) < 0.7, first, rng.random(len(first)) < 0.7)
        return first, second

    compare(answer, _paired_difference, wrong, draw)
    return "two networks on 3 random sets of images"
