"""Two networks compared on the same images: paired differences with intervals (notebook 08).

An answer is right or wrong, and two networks often fail on the same images. So each image's two
answers are compared, and the mean of these differences has a smaller error than the difference of
two accuracies that are each measured for itself.
"""

import base64
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """By how much one network is right more often than another.

    Attributes:
        mean: mean over seeds of the paired differences over images, from -1 to 1.
        low, high: the 95 % interval of the mean, for other images and other seeds.
        per_seed: `(seeds,)`, the difference of each seed's two trainings.
    """

    mean: float
    low: float
    high: float
    per_seed: np.ndarray

    def __str__(self):
        return f"{100 * self.mean:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}] points"


def paired_difference(right, other) -> Difference:
    """Compare two networks, each trained from the same seeds and asked about the same images.

    The variance of the mean has two parts, added: that of the images' differences, averaged over
    seeds, divided by the number of images; and that of the seeds' differences, averaged over
    images, divided by the number of seeds. The interval is Student's, with Satterthwaite's degrees
    of freedom; three seeds make it wide. With one seed there is no second part, and it holds for
    other images only.

    Args:
        right: `(seeds, N)`, or `(N,)` for one seed: whether each answer is right, or how many are.
        other: the same of the network that is subtracted.

    Raises:
        ValueError: shapes that differ, or fewer than two images.
    """
    right, other = (np.atleast_2d(np.asarray(each, dtype=float)) for each in (right, other))
    if right.shape != other.shape or right.ndim != 2 or right.shape[1] < 2:
        raise ValueError(
            f"The answers have shapes {right.shape} and {other.shape}; expected (seeds, N) twice, "
            "with at least two images."
        )
    differences = right - other
    seeds, images = differences.shape
    parts = [(differences.mean(axis=0).var(ddof=1) / images, images - 1)]
    if seeds > 1:
        parts.append((differences.mean(axis=1).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    reach = 0.0
    if variance:
        freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
        reach = student_t(freedom) * np.sqrt(variance)
    mean = float(differences.mean())
    return Difference(mean, mean - float(reach), mean + float(reach), differences.mean(axis=1))


def student_t(degrees: float, share: float = 0.95) -> float:
    """Return t such that Student's t lies within ±t with the probability `share`.

    Args:
        degrees: degrees of freedom, at least 1 and not necessarily whole.
    """
    # with t = sqrt(degrees) tan(angle), the density is cos(angle) ** (degrees - 1)
    angles = np.linspace(0, np.pi / 2, 100_001)
    density = np.cos(angles) ** (degrees - 1)
    within = np.cumsum((density[1:] + density[:-1]) / 2)
    angle = np.interp(share, np.append(0, within / within[-1]), angles)
    return float(np.sqrt(degrees) * np.tan(angle))


def pack_bits(right) -> str:
    """Return `(N,)` booleans as text of N / 6 characters, for a result file."""
    return base64.b64encode(np.packbits(np.asarray(right, dtype=bool))).decode("ascii")


def unpack_bits(text: str, count: int) -> np.ndarray:
    """Return the `(count,)` booleans that `pack_bits` wrote.

    Raises:
        ValueError: the text holds fewer.
    """
    bits = np.frombuffer(base64.b64decode(text), dtype="uint8")
    if 8 * len(bits) < count:
        raise ValueError(f"The text holds {8 * len(bits)} answers, fewer than {count}.")
    return np.unpackbits(bits, count=count).astype(bool)
