"""Mosaics: four images of four classes in one picture, so that a mask is known (notebook 06)."""

from dataclasses import dataclass

import numpy as np

from tlvit_utils.data.batches import check_images, check_labels


@dataclass(frozen=True)
class Mosaics:
    """Pictures of four images each, of four classes, one of which is the target.

    Attributes:
        images: `(N, 32, 32, 3)`, uint8.
        labels: `(N,)`, the target class.
        classes: `(N, 4)`, of the upper left, upper right, lower left and lower right quarter.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray

    def masks(self, labels=None) -> np.ndarray:
        """Return `(N, 32, 32)`, uint8: the quarter that shows a class, by default the target.

        A class that a mosaic does not show has a mask of 0.
        """
        labels = self.labels if labels is None else check_labels(labels, self.images)
        shown = (self.classes == labels[:, None]).reshape(-1, 2, 2)
        return shown.astype("uint8").repeat(16, axis=1).repeat(16, axis=2)


def mosaics(images, labels, count: int, target_class: int | None = None, seed: int = 0) -> Mosaics:
    """Put four images of four classes into one picture, each at half its size.

    So images without masks get a rough one: the quarter that shows a class. Each pixel is the
    mean of 2×2. The network never saw objects this small, nor four at once, so report its accuracy
    here too. Maps that belong to no class cannot know which of the four is the target; ask whether
    they prefer the quarter whose class the network predicts: `masks(predicted)`.

    Args:
        images, labels: `(M, 32, 32, 3)`, 0..255, and `(M,)`, of at least four classes.
        target_class: the target of all mosaics; None draws one for each.
    """
    images = check_images(images)
    labels = check_labels(labels, images)
    if count < 1:
        raise ValueError(f"count is {count}, but it must be at least 1.")
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels).tolist()}
    if len(members) < 4:
        raise ValueError(f"There are {len(members)} classes, but a mosaic shows four.")
    if target_class is not None and target_class not in members:
        raise ValueError(f"There are no images of the class {target_class!r}.")
    rng = np.random.default_rng(seed)
    targets, classes, chosen = [], [], []
    for _ in range(count):
        target = rng.choice(list(members)) if target_class is None else target_class
        others = rng.choice([label for label in members if label != target], 3, replace=False)
        quarters = rng.permutation([target, *others])
        targets.append(target)
        classes.append(quarters)
        chosen.append([rng.choice(members[label]) for label in quarters])
    halves = images[np.ravel(chosen)].reshape(-1, 16, 2, 16, 2, 3)
    small = halves.mean((2, 4))  # (4 * N, 16, 16, 3)
    small = np.round(small).astype("uint8").reshape(count, 2, 2, 16, 16, 3)
    pictures = small.transpose(0, 1, 3, 2, 4, 5).reshape(count, 32, 32, 3)
    return Mosaics(pictures, np.array(targets), np.array(classes))
