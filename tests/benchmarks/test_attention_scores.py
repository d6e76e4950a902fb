import numpy as np
from attention_scores import mosaics, quarters

from tlvit_utils.data import load_shapes10


def test_mosaics_show_four_classes_and_mask_the_one_asked_for():
    """Image i has the one value 10 i and the class i modulo 5."""
    images = np.zeros((10, 32, 32, 3), "uint8")
    images += 10 * np.arange(10, dtype="uint8")[:, None, None, None]
    pictures, asked, classes = mosaics(images, np.arange(10) % 5, 50)
    masks = quarters(classes, asked)
    assert masks.shape == (50, 32, 32)
    for picture, mask, label, shown in zip(pictures, masks, asked, classes, strict=True):
        assert len(set(shown)) == 4
        np.testing.assert_array_equal(picture[8::16, 8::16, 0].ravel() // 10 % 5, shown)
        assert mask.sum() == 256
        assert np.unique(picture[mask == 1] // 10 % 5) == [label]
    assert not quarters(classes, np.full(50, 7)).any()


def test_a_quarter_is_the_image_at_half_its_size():
    images, labels = load_shapes10(sizes=(10, 0, 0)).train
    (picture,), _, ((first, *_),) = mosaics(images, labels, 1)
    (image,) = images[labels == first].astype(float)
    expected = np.round(image.reshape(16, 2, 16, 2, 3).mean((1, 3)))
    np.testing.assert_array_equal(picture[:16, :16], expected)
