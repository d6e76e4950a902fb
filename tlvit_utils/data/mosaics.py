"""Mosaics: four images of four classes in one picture, so that a mask is known (notebook 06)."""

from dataclasses import dataclass

import numpy as np

from tlvit_utils.data.batches import check_images


@dataclass(frozen=True)
class Mosaics:
    """Pictures of four images each, of four classes, one of which is asked for.

    Attributes:
        images: `(N, 32, 32, 3)`, uint8.
        labels: `(N,)`, the class that is asked for.
        classes: `(N, 4)`, the class in each quarter: upper left, upper right, lower left, lower
            right.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray

    def masks(self, labels=None) -> np.ndarray:
        """Return masks of the quarters that show these classes, `(N, 32, 32)`, uint8.

        Args:
            labels: `(N,)`, one class per mosaic; None for those that are asked for. The mask of a
                class that a mosaic does not show is 0 everywhere.
        """
        labels = np.asarray(self.labels if labels is None else labels)
        shown = (self.classes == labels[:, None]).reshape(-1, 2, 2)
        return shown.astype("uint8").repeat(16, axis=1).repeat(16, axis=2)


def mosaics(images, labels, count: int, target_class: int | None = None, seed: int = 0) -> Mosaics:
    """Put four images of four classes into one picture, each at half its size.

    So images without masks get a rough one: the quarter that shows a class. Each pixel is the
    mean of 2×2. The network never saw objects this small, nor four at once, so tell its accuracy
    here beside its maps' scores. Nor can maps that belong to no class know which of the four is
    asked for; fairer is to ask whether they prefer the quarter whose class the network names:
    `masks(predicted)`, where it shows.

    Args:
        images: `(M, 32, 32, 3)`, 0..255.
        labels: `(M,)`, integers of at least four classes.
        count: number of mosaics N, at least 1.
        target_class: the class that is asked for; None draws one for each mosaic.
        seed: seed of classes, images and places.

    Raises:
        TypeError, ValueError: wrong images.
        ValueError: not one label per image, fewer than four classes, no images of the class, or
            no mosaics.
    """
    images, labels = check_images(images), np.asarray(labels)
    if labels.shape != (len(images),):
        raise ValueError(
            f"There are {len(images)} images and labels of shape {labels.shape}; expected one "
            "label per image."
        )
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
