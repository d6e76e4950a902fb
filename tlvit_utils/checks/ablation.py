"""Checks for the exercises of notebook 09."""

import numpy as np

from tlvit_utils.checks.comparison import compare, exercise


def _standard_error(accuracies, num_images):
    return np.sqrt(accuracies * (1 - accuracies) / num_images)


@exercise
def check_standard_error(answer):
    """Check `standard_error(accuracies, num_images)` (notebook 09)."""

    def wrong(p, n):
        right = _standard_error(p, n)
        return {
            "That is the variance: the square root is missing.": right**2,
            "You divided by num_images after the root; it belongs inside, as √n.": (
                np.sqrt(p * (1 - p)) / n
            ),
            "The division by num_images is missing: that is the spread of one image, not of the "
            "mean of many.": np.sqrt(p * (1 - p)),
            "p in place of p · (1 - p): an accuracy of 100 % would have the largest error.": (
                np.sqrt(p / n)
            ),
            "That is half of the width of an interval of 95 %, 1.96 times the standard error.": (
                1.96 * right
            ),
        }

    def draw(rng):
        return rng.uniform(0.05, 0.95, int(rng.integers(2, 9))), int(rng.integers(50, 9000))

    compare(answer, _standard_error, wrong, draw)
    return "accuracies on 3 random numbers of images"


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
