"""Augmentation as one layer of the model: resize or pad, crop and flip, drawn anew for each image.

All of these act on rows and columns separately and linearly, so each is a small matrix: `view =
row_matrix @ image @ column_matrix.T`. The layer keeps one matrix per possible crop and picks one
for each image. The same code runs on every backend, and XLA compiles it.
"""

import keras
import numpy as np
from keras import ops

from tlvit_utils._validation import check_count


def bilinear_matrix(size_in: int, size_out: int) -> np.ndarray:
    """Return the `(size_out, size_in)` matrix that resizes a line as Keras's `Resizing` does."""
    centres = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    centres = np.clip(centres, 0, size_in - 1)
    left = np.minimum(centres.astype(int), max(size_in - 2, 0))
    fraction = centres - left
    matrix = np.zeros((size_out, size_in), dtype="float32")
    rows = np.arange(size_out)
    matrix[rows, left] += 1 - fraction
    matrix[rows, np.minimum(left + 1, size_in - 1)] += fraction
    return matrix


@keras.saving.register_keras_serializable(package="tlvit_utils")
class RandomCropFlip(keras.layers.Layer):
    """Resize, zero-pad, crop and mirror square images, at random in training, else at the centre.

    In training every image gets its own offset and its own coin toss for the mirror; at inference
    it gets the centre crop, not mirrored. Images `(batch, size, size, channels)`, float, become
    `(batch, crop_size, crop_size, channels)`.

    Source: the published example resizes 32 → 52 and crops 48 with Keras's `RandomCrop`. This
    departs twice from the example as it runs under Keras 3, where one offset is drawn for a whole
    batch, and the crop at inference is not the centre (the example's test images are the top-left
    48 of 52 pixels).

    Args:
        resized_size: side in pixels to which the image is resized first.
        crop_size: side of the view; if the padded image is smaller, a ValueError is raised.
        padding: zeros added on each side after resizing, before cropping.
        seed: seed of the random draws; None draws a new one each time.
    """

    def __init__(self, resized_size, crop_size, padding=0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.resized_size = check_count("resized_size", resized_size)
        self.crop_size = check_count("crop_size", crop_size)
        self.padding = check_count("padding", padding, low=0)
        if self.num_offsets < 1:
            raise ValueError(
                f"crop_size is {self.crop_size}, but it must be at most resized_size + 2 * padding "
                f"= {self.resized_size + 2 * self.padding}."
            )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def num_offsets(self):
        return self.resized_size + 2 * self.padding - self.crop_size + 1

    @property
    def test_offset(self):
        """Row and column, in pixels of the padded image, at which the test view begins."""
        return (self.num_offsets - 1) // 2

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                f"The images have shape {tuple(input_shape)}; expected (batch, height, width, "
                "channels). Put one image into a batch with image[None]."
            )
        _, height, width, _ = input_shape
        if height is None or height != width:
            raise ValueError(
                f"The images are {height} × {width} pixels, but this layer crops square images; "
                "crop or pad them to a square first."
            )
        self.keeps_view = height == self.resized_size == self.crop_size and not self.padding
        resize = bilinear_matrix(height, self.resized_size)
        resize = np.pad(resize, ((self.padding, self.padding), (0, 0)))
        offsets = range(self.num_offsets)
        crops = np.stack([resize[o : o + self.crop_size] for o in offsets])
        # (2, offsets, crop_size, image size): as they are, then mirrored
        self.crops = np.stack([crops, crops[:, ::-1]])
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: height, 2: width})
        self.built = True

    def draw_offsets(self, batch):
        """Return the rows and columns, `(2, batch)`, at which the crops of a batch begin."""
        return keras.random.randint(
            (2, batch), 0, self.num_offsets, dtype="int32", seed=self.seed_generator
        )

    def draw_mirrors(self, batch):
        """Return `(batch,)`, 1 for each image to mirror and 0 for the others."""
        return keras.random.randint((batch,), 0, 2, dtype="int32", seed=self.seed_generator)

    def call(self, images, training=False):
        if self.keeps_view:  # there is one view, the image itself
            if not training:
                return images
            mirror = self.draw_mirrors(ops.shape(images)[0])[:, None, None, None]
            return ops.where(mirror == 1, ops.flip(images, axis=2), images)
        crops = ops.convert_to_tensor(self.crops, dtype=self.compute_dtype)
        if not training:
            centre = crops[0, self.test_offset]  # (crop_size, image size)
            return ops.einsum("ih,bhwc,jw->bijc", centre, images, centre)
        batch = ops.shape(images)[0]
        offsets = self.draw_offsets(batch)
        mirror = self.draw_mirrors(batch)
        rows = ops.take(crops[0], offsets[0], axis=0)  # (batch, crop_size, image size)
        both = ops.reshape(crops, (2 * self.num_offsets, *self.crops.shape[2:]))
        columns = ops.take(both, mirror * self.num_offsets + offsets[1], axis=0)
        view = ops.einsum("bih,bhwc->biwc", rows, images)
        return ops.einsum("bjw,biwc->bijc", columns, view)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.crop_size, self.crop_size, input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "resized_size": self.resized_size,
            "crop_size": self.crop_size,
            "padding": self.padding,
            "seed": self.seed,
        }
