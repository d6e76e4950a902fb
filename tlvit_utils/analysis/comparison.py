"""Two networks compared on the same images: paired differences with intervals (notebook 08).

Two networks often fail on the same images, so the mean of the differences image by image has a
smaller error than the difference of two accuracies that are measured separately.
"""

import base64
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """How much more often one network is right than another, from -1 to 1."""

    mean: float  # over seeds and images
    low: float  # the 95 % interval of the mean, for other images and other seeds
    high: float
    per_seed: np.ndarray  # (seeds,), the difference of each seed's two runs

    def __str__(self):
        return f"{100 * self.mean:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}] points"


def paired_difference(first, second) -> Difference:
    """Return the mean of `first` minus `second`, answers of two networks that belong together.

    Both networks are trained from the same seeds and asked about the same images.

    The variance of the mean has two parts, added: that of the images' differences, averaged over
    seeds, divided by the number of images; and that of the seeds' differences, averaged over
    images, divided by the number of seeds. The interval is Student's, with seeds − 1 degrees of
    freedom. (Satterthwaite's degrees would grow with the images' part, and make the interval of
    two seeds narrower.) It is slightly too wide, because the scatter from image to image within
    each seed is in both parts. With one seed there is no second part, and it holds only for other
    images.

    Both are `(seeds, N)`, or `(N,)` for one seed: whether each answer is right, or how many are.
    """
    first, second = (np.atleast_2d(np.asarray(each, dtype=float)) for each in (first, second))
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < 2:
        raise ValueError(
            f"The answers have shapes {first.shape} and {second.shape}; expected (seeds, N) twice, "
            "with at least two images."
        )
    differences = first - second
    seeds, images = differences.shape
    variance, degrees = differences.mean(axis=0).var(ddof=1) / images, images - 1
    if seeds > 1:
        variance += differences.mean(axis=1).var(ddof=1) / seeds
        degrees = seeds - 1
    mean, reach = float(differences.mean()), float(student_t(degrees) * np.sqrt(variance))
    return Difference(mean, mean - reach, mean + reach, differences.mean(axis=1))


def compare_methods(rows: list[dict], method: str, other: str, images: int) -> Difference | None:
    """Compare two methods of a study over the seeds that both have; None if there are none.

    `rows` are those of a result file of `benchmarks/study.py`; each training gave as many
    answers as there are `images`.
    """

    def answers(name):
        """Return by seed which answers of a method's training are right."""
        return {
            row["seed"]: unpack_bits(row["right"], images) for row in rows if row["method"] == name
        }

    first, second = answers(method), answers(other)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    return paired_difference([first[seed] for seed in seeds], [second[seed] for seed in seeds])


def welch_interval(first, second) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `first` minus that of `second`: Welch's.

    Each has one number per run, at least two. The runs of each network scatter in
    their own way, so each mean has its own variance and degrees of freedom.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(
            f"There are {len(first)} and {len(second)} runs; Welch's interval needs at least "
            "two of each."
        )
    if not np.isfinite([*first, *second]).all():
        raise ValueError("A run's number is not finite; leave it out.")
    parts = [(np.var(runs, ddof=1) / len(runs), len(runs) - 1) for runs in (first, second)]
    mean, variance = float(np.mean(first) - np.mean(second)), sum(part for part, _ in parts)
    if not variance:
        return mean, mean
    degrees = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    reach = float(student_t(degrees) * np.sqrt(variance))
    return mean - reach, mean + reach


def student_t(degrees: float, share: float = 0.95) -> float:
    """Return t such that Student's t of these degrees lies within ±t with probability `share`."""
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
    """Return the `(count,)` booleans that `pack_bits` wrote."""
    bits = np.frombuffer(base64.b64decode(text), dtype="uint8")
    if 8 * len(bits) < count:
        raise ValueError(f"The text holds {8 * len(bits)} answers, fewer than {count}.")
    return np.unpackbits(bits, count=count).astype(bool)
