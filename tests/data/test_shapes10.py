import hashlib
from functools import partial

import numpy as np
import pytest

from tlvit_utils.data.datasets import Split
from tlvit_utils.data.shapes10 import make_shapes10


@pytest.fixture(scope="module")
def sample():
    """200 pictures, labels and masks. Tests must not change them."""
    return make_shapes10(seed=0, num_images=200)


@pytest.mark.parametrize("num_images", [0, 9, 49, 137])
def test_fewer_pictures_are_the_first_of_many(sample, num_images):
    for few, many in zip(make_shapes10(seed=0, num_images=num_images), sample, strict=True):
        np.testing.assert_array_equal(few, many[:num_images])


def test_other_seeds_and_streams_give_other_pictures():
    parts = [make_shapes10(seed, 50, stream=stream)[0] for seed in range(3) for stream in range(3)]
    assert len(np.unique(np.concatenate(parts), axis=0)) == 9 * 50


def test_numbers_below_0_and_no_seed_are_refused(sample):
    with pytest.raises(ValueError, match="seed is None"):
        make_shapes10(None, 10)
    for draw in (partial(make_shapes10, 0), Split(*sample).take):
        with pytest.raises(ValueError, match="is -1, but it must be a whole number of at least 0"):
            draw(-1)


def test_the_bytes_are_the_same_on_every_platform():
    digest = hashlib.sha256()
    for array in make_shapes10(7, 200, stream=2):
        digest.update(array)
    assert digest.hexdigest()[:16] == "688b1a21bb285053"
