"""Images and labels as batches, in the same order on every backend."""

import hashlib

import keras
import numpy as np

from tlvit_utils._validation import check_count

SHUFFLE_BUFFER = 25_600
LOOK_AHEAD = 2  # batches that Keras reads on JAX to look at one


def check_images(images, image_size: int | None = None) -> np.ndarray:
    """Return `images` as an array that a network can take; a TypeError or ValueError if it cannot.

    Data sets hold images as uint8. Networks take `(N, image_size, image_size, 3)` with
    0..255, uint8 or float, and divide by 255 themselves. `analysis.seen_images` returns what they
    saw as float 0..1, and figures draw either. Floats whose highest value is above 0 and at most 2
    are refused as images of 0..1, which resizing and noise can bring above 1; so are whole numbers
    0 and 1.

    Without an `image_size`, squares of any size are right.
    """
    images = np.asarray(images)
    size = image_size or "side"
    expected = f"(N, {size}, {size}, 3) with values 0..255"
    if images.dtype.kind not in "uif":
        raise TypeError(f"The images have type {images.dtype}; expected numbers {expected}.")
    side = image_size or (images.shape[1] if images.ndim == 4 else None)
    if images.shape[1:] != (side, side, 3):
        hint = " Put one image into a batch with image[None]." if images.ndim == 3 else ""
        raise ValueError(f"The images have shape {images.shape}; expected {expected}.{hint}")
    if not images.size:
        return images
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255):  # also refuses NaN
        raise ValueError(f"The images' values run from {low} to {high}; expected {expected}.")
    if 0 < high <= (2 if images.dtype.kind == "f" else 1):
        raise ValueError(
            f"The images' values run from {low:.3g} to {high:.3g}; expected {expected}. "
            "A network of build_vit divides by 255 itself: multiply by 255, or pass the uint8 "
            "images. Your own model, if it expects 0..1, needs a Rescaling(1 / 255) first."
        )
    return images


def check_labels(labels, images, classes: int | None = None) -> np.ndarray:
    """Return labels `(N,)` or `(N, 1)` as `(N,)` whole numbers below `classes`, one per image."""
    labels = np.asarray(labels)
    if labels.shape == (len(images), 1):
        labels = labels[:, 0]
    if labels.shape != (len(images),):
        hint = " Take argmax(axis=1) of one-hot rows." if labels.ndim == 2 else ""
        raise ValueError(
            f"There are {len(images)} images and labels of shape {labels.shape}; give one label "
            f"per image.{hint}"
        )
    expected = "0 or more" if classes is None else f"from 0 to {classes - 1}"
    if labels.dtype.kind not in "uif":
        raise ValueError(f"The labels have type {labels.dtype}; expected whole numbers {expected}.")
    below = np.inf if classes is None else classes
    right = (labels >= 0) & (labels < below) & (labels == np.floor(labels))  # NaN is wrong, too
    if not right.all():
        raise ValueError(f"A label is {labels[~right][0]}; expected whole numbers {expected}.")
    return labels.astype("int64") if labels.dtype.kind == "f" else labels


def check_full_batch(labels, batch_size: int) -> None:
    """Raise a ValueError if the images to train on are fewer than one batch."""
    if len(labels) < batch_size:
        raise ValueError(
            f"There are {len(labels)} training images, fewer than one batch of {batch_size}; take "
            "more images or a smaller batch_size."
        )


def sha256(*arrays) -> str:
    """Return the SHA-256 of arrays' numbers, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))  # no copy of what is so
    return digest.hexdigest()


def make_pipeline(
    images,
    labels,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    first_epoch: int = 0,
    draw_epoch=None,
):
    """Return `(images, labels)` batches for `fit` and `evaluate`, or to iterate over.

    That is a `tf.data.Dataset` on TensorFlow and a `keras.utils.PyDataset` on JAX and PyTorch. With
    a `shuffle_seed` each pass is an epoch in its own order, `shuffled_order`, and an incomplete
    last batch is left out, so that XLA compiles once. Then call `fit` with `shuffle=False`: on JAX
    and PyTorch Keras would mix up the batches, and a ValueError says so. Without a seed, all images
    come in order.

    Args:
        images, labels: as for `check_images` and `check_labels`; uint8 stays uint8.
        first_epoch: number of the first pass, for resuming a training.
        draw_epoch: function of the epoch that returns its `(images, labels)`, of the same shapes,
            such as `Split.epoch`; by default every epoch shows the same images.
    """
    images = check_images(images)
    labels = check_labels(labels, images)
    batch_size = check_count("batch_size", batch_size)
    if shuffle_seed is not None:
        check_full_batch(labels, batch_size)
    batches = Batches(images, labels, batch_size, shuffle_seed, first_epoch, draw_epoch)
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    size = None if shuffle_seed is None else batch_size
    signature = tuple(tf.TensorSpec((size, *a.shape[1:]), a.dtype) for a in (images, labels))
    pipeline = tf.data.Dataset.from_generator(batches.__iter__, output_signature=signature)
    pipeline = pipeline.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return pipeline.prefetch(tf.data.AUTOTUNE)


class Batches(keras.utils.PyDataset):
    """The batches of `make_pipeline` as NumPy arrays; arguments as there."""

    def __init__(self, images, labels, batch_size, shuffle_seed, first_epoch, draw_epoch=None):
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.shuffle_seed, self.draw_epoch = shuffle_seed, draw_epoch
        self.drawn = None  # the epoch whose images are here
        self.fit_has_looked = False
        self._start(first_epoch)

    def _start(self, epoch):
        self.epoch, self.complete, self.last = epoch, False, -1
        self.order = None  # as stored, without a copy
        if self.shuffle_seed is not None:
            self.order = shuffled_order(len(self.labels), self.shuffle_seed, epoch)

    def __len__(self):
        full, rest = divmod(len(self.labels), self.batch_size)
        return full + (rest > 0 and self.shuffle_seed is None)

    def __getitem__(self, index):
        if self.shuffle_seed is not None and index not in (0, self.last + 1):
            raise ValueError(
                "Shuffled batches must be read in order, from the first; call fit with "
                "shuffle=False, or Keras mixes them up."
            )
        self.last = index
        self.complete |= index == len(self) - 1
        return self._batch(self.epoch, self.order, index)

    def _batch(self, epoch, order, index):
        if self.draw_epoch and self.drawn != epoch:
            self.images = self.labels = None  # make room
            self.images, self.labels = self.draw_epoch(epoch)
            self.drawn = epoch
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        if order is not None:
            rows = order[rows]
        return self.images[rows], self.labels[rows]

    def on_epoch_end(self):
        """Go on to the next epoch, unless Keras has only looked at the first batches.

        `fit` does so once, before its first epoch, and calls this. They can be all there are.
        """
        only_looked = len(self) <= LOOK_AHEAD and not self.fit_has_looked
        if self.complete and not only_looked:
            self._start(self.epoch + 1)
        self.fit_has_looked = True

    def __iter__(self):
        epoch, order = self.epoch, self.order
        for index in range(len(self)):
            if index == len(self) - 1:  # not after it: the caller may stop at the last
                self._start(epoch + 1)
            yield self._batch(epoch, order, index)


def shuffled_order(count: int, seed: int, epoch: int, buffer: int = SHUFFLE_BUFFER) -> np.ndarray:
    """Return the order `(count,)`, int64, in which an epoch shows `count` images.

    It shuffles as `tf.data.Dataset.shuffle` does in the published example: a buffer holds the next
    images in line, one of them is drawn, and the next in line takes its place.
    """
    rng = np.random.default_rng([seed, epoch])
    held = list(range(min(buffer, count)))
    drawn = []
    for new, place in enumerate(rng.integers(len(held), size=count - len(held)), len(held)):
        drawn.append(held[place])
        held[place] = new
    rng.shuffle(held)
    return np.array(drawn + held, dtype="int64")
