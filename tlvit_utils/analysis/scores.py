"""Do maps find the object, and do they differ? (notebooks 03 and 07)

No such score means anything on its own. Compare it with chance and with the maps of other images,
which are scored too, and with those of `interventions.randomised`.
"""

from dataclasses import dataclass

import numpy as np

SHUFFLES = 10  # of the images: each map is compared with so many others' masks


@dataclass(frozen=True)
class Localisation:
    """How often maps find the object, and how much of them lies on it: means over images, 0 to 1.

    A map hits where its highest cell lies at least half inside the mask.
    """

    hits: np.ndarray  # (num_tokens,)
    mass: np.ndarray  # (num_tokens,), the share of each map's sum that lies on the object
    mean_map_hit: float  # of the mean of all tokens' maps


def localisation(maps, shares) -> dict[str, Localisation]:
    """Score maps by masks of the objects, beside two levels of chance.

    Source: the pointing game of Zhang et al. 2016 (arXiv 1608.00507), with cells for points and
    without their margin of 15 pixels around the object. Equally high cells share a hit, so a flat
    map scores the same as chance.

    Args:
        maps: `(N, num_tokens, height, width)`, at least 0.
        shares: `(N, height, width)`, from `mask_shares`.

    Returns:
        "own": the maps compared with their own images' masks.
        "other": with other images' masks. Where this is close to "own", the maps look where
            objects usually are, whatever the image.
        "chance": what a random cell scores, and a flat map.
    """
    maps, shares = _check_maps(maps), np.asarray(shares, dtype=float)
    count, num_tokens, height, width = maps.shape
    if shares.shape != (count, height, width) or count < 2:
        raise ValueError(
            f"The maps have shape {maps.shape} and the shares {shares.shape}; expected (N, "
            "num_tokens, height, width) and (N, height, width) with at least two images."
        )
    maps = np.concatenate([maps, maps.mean(axis=1, keepdims=True)], axis=1)
    peaks = maps == maps.max((2, 3), keepdims=True)
    peaks = peaks / peaks.sum((2, 3), keepdims=True)
    weights = maps[:, :-1] / maps[:, :-1].sum((2, 3), keepdims=True)
    inside = (shares >= 0.5).astype(float)

    def score(images=slice(None)):  # whose masks to compare with
        hits = np.einsum("nshw,nhw->s", peaks, inside[images]) / count  # (num_tokens + 1,)
        mass = np.einsum("nshw,nhw->s", weights, shares[images]) / count
        return hits[:-1], mass, float(hits[-1])

    order = np.random.default_rng(0).permutation(count)  # a ring of images, turned by each shift
    shifts = range(1, min(SHUFFLES, count - 1) + 1)
    others = [score(np.roll(order, shift)[np.argsort(order)]) for shift in shifts]
    hits, mass, mean_map_hits = zip(*others, strict=True)
    hit, covered = inside.mean(), shares.mean()  # of a random cell
    return {
        "own": Localisation(*score()),
        "other": Localisation(np.mean(hits, 0), np.mean(mass, 0), float(np.mean(mean_map_hits))),
        "chance": Localisation(np.full(num_tokens, hit), np.full(num_tokens, covered), float(hit)),
    }


def _check_maps(maps) -> np.ndarray:
    maps = np.asarray(maps, dtype="float32")
    if maps.ndim != 4 or 0 in maps.shape:
        raise ValueError(
            f"The maps have shape {maps.shape}; expected (N, num_tokens, height, width)."
        )
    if not ((maps >= 0) & (maps < np.inf)).all():  # also refuses NaN
        raise ValueError("The maps hold values that are negative or not finite.")
    if not maps.any((2, 3)).all():
        raise ValueError("A map is 0 everywhere, so it has no highest cell.")
    return maps


def diversity(maps) -> float:
    """Return 1 minus the mean cosine between two tokens' maps `(N, num_tokens, height, width)`.

    0 where all tokens look at the same places, 1 where no two of them share a cell.
    """
    maps = _check_maps(maps)
    count, num_tokens = maps.shape[:2]
    if num_tokens == 1:
        raise ValueError("There is only one token; diversity compares at least two.")
    maps = maps.reshape(count, num_tokens, -1)
    maps = maps / maps.max(axis=2, keepdims=True)  # squares of small numbers would round to 0
    maps = maps / np.linalg.norm(maps, axis=2, keepdims=True)
    cosines = maps @ maps.transpose(0, 2, 1)  # (N, num_tokens, num_tokens), 1 on the diagonal
    return float(1 - (cosines.sum() / count - num_tokens) / (num_tokens * (num_tokens - 1)))
