"""Each scene hides one image among fragments of others, so a network must choose where to look.

A scene is a canvas of one colour with overlapping square fragments of other images and, on top of
them, one whole image at any place. Its class is the scene's, and nothing else gives that away.

Random numbers are those of shapes10, so a seed gives the same bytes on every platform.
"""

import numpy as np

from tlvit_utils._validation import check_count
from tlvit_utils.data.shapes10 import Draws

CANVAS_SIZE = 64  # side of a scene, in pixels
NUM_FRAGMENTS = 12
SMALLEST, LARGEST = 8, 16  # side of a fragment, in pixels


def make_scenes10(
    images: np.ndarray,
    labels: np.ndarray,
    count: int,
    seed: int = 0,
    *,
    stream: int = 0,
    epoch: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scenes, their labels, and where their images are, all uint8.

    Scene i hides image i; the count goes on from epoch to epoch and wraps around. The first
    scenes of epoch 0 are the same however many are made.

    Args:
        images, labels: `(N, side, side, 3)` and `(N,)`, uint8; scenes show nothing else.
        stream: which of the seed's independent streams, one for each split.
        epoch: each epoch of a stream has scenes of its own.

    Returns:
        Scenes `(count, 64, 64, 3)`; labels `(count,)`; and masks `(count, 64, 64)`, 1 on the
        image and 0 elsewhere.
    """
    side, size = images.shape[1], CANVAS_SIZE
    if not LARGEST <= side <= size:
        raise ValueError(f"The images are {side} pixels wide; expected {LARGEST} to {size}.")
    if count and not len(images):
        raise ValueError(f"There are no images to hide in {count} scenes; give at least one.")
    check_count("count", count, low=0)
    check_count("seed", seed, low=0)
    source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream, epoch)))
    draw = Draws(source.random_raw((count, 3 + 6 * NUM_FRAGMENTS)))
    hidden = (epoch * count + np.arange(count)) % len(images)
    colours = images[draw(0, len(images))].sum((1, 2), dtype="uint32") // side**2  # (count, 3)
    places = np.stack([draw(0, size - side + 1), draw(0, size - side + 1)], axis=1).tolist()
    fragments = [_draw_fragments(draw, len(images), side).tolist() for _ in range(NUM_FRAGMENTS)]

    scenes = np.empty((count, size, size, 3), "uint8")
    masks = np.zeros((count, size, size), "uint8")
    scenes[:] = colours[:, None, None]
    for i, (y, x) in enumerate(places):
        scene = scenes[i]
        for fragment in fragments:
            source, length, from_y, from_x, to_y, to_x = fragment[i]
            piece = images[source, from_y : from_y + length, from_x : from_x + length]
            scene[to_y : to_y + length, to_x : to_x + length] = piece
        scene[y : y + side, x : x + side] = images[hidden[i]]
        masks[i, y : y + side, x : x + side] = 1
    return scenes, labels[hidden], masks


def _draw_fragments(draw, num_images, side):
    """Return one fragment for each scene: source, length, from y and x, to y and x; (count, 6)."""
    source, length = draw(0, num_images), draw(SMALLEST, LARGEST + 1)
    inside, room = side - length + 1, CANVAS_SIZE - length + 1
    places = draw(0, inside), draw(0, inside), draw(0, room), draw(0, room)
    return np.stack([source, length, *places], axis=1)
