"""A stand-in for CIFAR-10, made by code: coloured shapes on clutter.

Tests and the `smoke` profile use it where no CIFAR-10 is at hand, so that they never download. The
ten classes are ten shapes; place, size, turn and colours are random, so that neither position nor
colour tells the class.
"""

import numpy as np

from tlvit_utils.data import Dataset, Split

SHAPES10_CLASSES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "cross",
    "bar",
    "two bars",
    "half disc",
    "diamond",
)


def _inside(label: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return where the points `x`, `y` (in units of the shape's radius) lie inside the shape."""
    radius = np.hypot(x, y)
    box = np.maximum(np.abs(x), np.abs(y))
    return (
        radius < 0.9,
        (radius < 1) & (radius > 0.55),
        box < 0.8,
        (box < 0.85) & (box > 0.45),
        (y < 0.6) & (np.abs(x) < (0.6 + 0.9 * (y + 0.33)) * 0.75) & (y > -1),
        (np.minimum(np.abs(x), np.abs(y)) < 0.28) & (box < 0.95),
        (np.abs(x) < 0.3) & (np.abs(y) < 1),
        (np.abs(np.abs(x) - 0.55) < 0.25) & (np.abs(y) < 0.9),
        (radius < 1) & (y > 0),
        np.abs(x) * 1.5 + np.abs(y) < 1,
    )[label]


def _draw(rng: np.random.Generator, label: int) -> np.ndarray:
    """Return one 32×32×3 uint8 picture of the shape `label`."""
    rows, columns = np.mgrid[:32, :32]
    coarse = rng.integers(0, 160, (8, 8, 3))
    picture = np.kron(coarse, np.ones((4, 4, 1))) + rng.integers(0, 40, (32, 32, 3))
    centre, size, turn = rng.uniform(10, 22, 2), rng.uniform(6, 10), rng.uniform(0, 2 * np.pi)
    dy, dx = (rows - centre[0]) / size, (columns - centre[1]) / size
    x, y = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
    colour = rng.integers(60, 256, 3)
    colour[rng.integers(3)] = 255
    picture[_inside(label, x, y)] = colour
    return np.clip(picture, 0, 255).astype("uint8")


def make_shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` pictures `(count, 32, 32, 3)` and their labels, uint8, classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(SHAPES10_CLASSES)
    images = np.stack([_draw(rng, label) for label in labels])
    return images, labels.astype("uint8")


def load_stand_in(sizes: tuple[int, int, int] = (1024, 256, 256)) -> Dataset:
    """Return the stand-in: the same interface as CIFAR-10, and a name that says what it is."""
    splits = [Split(*make_shapes(size, seed)) for seed, size in enumerate(sizes)]
    return Dataset("stand-in shapes, not CIFAR-10", SHAPES10_CLASSES, *splits)
