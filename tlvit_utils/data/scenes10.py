"""Each scene hides one image among fragments of others, so a network must choose where to look.

A scene is a canvas of one colour with overlapping square fragments of other images and, on top of
them, one whole image at any place. Its class is the scene's, and nothing else gives that away.

Random numbers are those of shapes10, so a seed gives the same bytes on every platform.
"""

import numpy as np

from tlvit_utils._validation import check_count, check_pairs
from tlvit_utils.data.shapes10 import Draws


def make_scenes10(
    images: np.ndarray,
    labels: np.ndarray,
    count: int,
    seed: int = 0,
    *,
    stream: int = 0,
    epoch: int = 0,
    canvas_size: int = 64,
    num_fragments: int = 12,
    fragment_sizes: tuple[int, int] = (8, 16),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scenes, their labels, and where their images are, all uint8.

    Scene i hides image i; the count goes on from epoch to epoch and wraps around. The first
    scenes of epoch 0 are the same however many are made.

    Args:
        images, labels: `(N, side, side, 3)` and `(N,)`, uint8; scenes show nothing else.
        stream: which of the seed's independent streams, one for each split.
        epoch: each epoch of a stream has scenes of its own.
        canvas_size: side of a scene, in pixels.
        fragment_sizes: the smallest and the largest side of a fragment, in pixels.

    Returns:
        Scenes `(count, canvas_size, canvas_size, 3)`; labels `(count,)`; and masks `(count,
        canvas_size, canvas_size)`, 1 on the image and 0 elsewhere.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    side = images.shape[1] if images.ndim == 4 else None
    if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
        raise ValueError(
            f"The images have shape {images.shape} and type {images.dtype}; expected "
            "(N, side, side, 3), uint8, 0..255."
        )
    size = check_count("canvas_size", canvas_size)
    ((smallest, largest),) = check_pairs("fragment_sizes", (fragment_sizes,))
    if not 1 <= smallest <= largest <= side <= size:
        raise ValueError(
            f"fragment_sizes is {fragment_sizes}, the images are {side} pixels wide and "
            f"canvas_size is {size}; expected 1 <= smallest <= largest <= width <= canvas_size."
        )
    check_count("num_fragments", num_fragments, low=0)
    if count and not len(images):
        raise ValueError(f"There are no images to hide in {count} scenes; give at least one.")
    if labels.shape != (len(images),):
        raise ValueError(
            f"There are {len(images)} images and labels of shape {labels.shape}; give one label "
            "per image."
        )
    check_count("count", count, low=0)
    check_count("seed", seed, low=0)
    source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream, epoch)))
    draw = Draws(source.random_raw((count, 3 + 6 * num_fragments)))
    hidden = (epoch * count + np.arange(count)) % len(images)
    colours = images[draw(0, len(images))].sum((1, 2), dtype="uint32") // side**2  # (count, 3)
    places = np.stack([draw(0, size - side + 1), draw(0, size - side + 1)], axis=1).tolist()
    fragments = []
    for _ in range(num_fragments):  # each: whose it is, its length, its place there and here
        whose, length = draw(0, len(images)), draw(smallest, largest + 1)
        inside, room = side - length + 1, size - length + 1
        corners = draw(0, inside), draw(0, inside), draw(0, room), draw(0, room)
        fragments.append(np.stack([whose, length, *corners], axis=1).tolist())

    scenes = np.empty((count, size, size, 3), "uint8")
    masks = np.zeros((count, size, size), "uint8")
    scenes[:] = colours[:, None, None]
    for i, (y, x) in enumerate(places):
        scene = scenes[i]
        for fragment in fragments:
            whose, length, from_y, from_x, to_y, to_x = fragment[i]
            piece = images[whose, from_y : from_y + length, from_x : from_x + length]
            scene[to_y : to_y + length, to_x : to_x + length] = piece
        scene[y : y + side, x : x + side] = images[hidden[i]]
        masks[i, y : y + side, x : x + side] = 1
    return scenes, labels[hidden], masks
