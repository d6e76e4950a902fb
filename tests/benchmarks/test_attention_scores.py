import attention_scores
import numpy as np
from attention_scores import mosaics, quarters, scored_networks

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


def test_without_names_every_network_is_scored_and_kept_at_once(monkeypatch):
    images = load_shapes10(sizes=(10, 0, 10))
    loaders = dict.fromkeys(attention_scores.LOADERS, lambda: images)
    kept = []

    def score(name, weights, *_):
        return [{"network": name}], {}

    def save_rows(name, rows, **others):
        kept.append({row["network"] for row in rows})

    replacements = {"LOADERS": loaders, "IMAGES": 5, "RANDOM_SEEDS": (), "load_pretrained": str}
    replacements |= {"score": score, "save_rows": save_rows}
    for name, replacement in replacements.items():
        monkeypatch.setattr(attention_scores, name, replacement)
    monkeypatch.setattr("sys.argv", ["attention_scores.py", "--write"])
    attention_scores.main()
    names = scored_networks()
    assert len(names) >= 3 and "modern_8_tokens" in names
    assert kept == [set(names[: i + 1]) for i in range(len(names))]
