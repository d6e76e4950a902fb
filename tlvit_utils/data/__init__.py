"""The data sets, as uint8 arrays in three splits, and how they become batches."""

from tlvit_utils.data.batches import check_images, check_labels, make_pipeline, shuffled_order
from tlvit_utils.data.datasets import (
    CIFAR10_CLASSES,
    Dataset,
    Split,
    load_cifar10,
    load_course_data,
    load_scenes10,
    load_shapes10,
)
