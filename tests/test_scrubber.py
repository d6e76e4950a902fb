import numpy as np
import pytest

from tlvit_utils import pretrained
from tlvit_utils.pretrained import EpochMaps, load_epoch_maps, save_epoch_maps


@pytest.fixture
def epoch_maps():
    """Three epochs, two images, four tokens."""
    maps = np.random.default_rng(0).random((3, 2, 4, 8, 8))
    return EpochMaps("cifar10", "validation", [5, 9], maps, [0.25, 0.75, 0.5])


# the file


def test_epoch_maps_come_back_as_saved(epoch_maps, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "MAPS_DIR", tmp_path)
    save_epoch_maps(epoch_maps, tmp_path / "tiny.npz")
    loaded = load_epoch_maps("tiny")
    assert (loaded.dataset, loaded.split) == ("cifar10", "validation")
    for name, dtype in (("image_indices", "int64"), ("maps", "float16"), ("val_accuracy", "f4")):
        assert getattr(loaded, name).dtype == dtype
        np.testing.assert_array_equal(getattr(loaded, name), getattr(epoch_maps, name))


def test_unknown_epoch_maps_are_refused(epoch_maps, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "MAPS_DIR", tmp_path)
    with pytest.raises(ValueError, match=r"No maps called 'big'.*there are none"):
        load_epoch_maps("big")
    save_epoch_maps(epoch_maps, tmp_path / "tiny.npz")
    with pytest.raises(ValueError, match=r"No maps called 'big'.*'tiny'"):
        load_epoch_maps("big")


@pytest.mark.parametrize(
    "shape, message",
    [
        ((3, 4, 8, 8), r"shape \(3, 4, 8, 8\), but it must be \(epochs, images, tokens,"),
        ((4, 2, 4, 8, 8), "of 4 epochs and 2 images, but there are 3 accuracies and 2 image"),
        ((3, 1, 4, 8, 8), "of 3 epochs and 1 images, but there are 3 accuracies and 2 image"),
    ],
)
def test_epoch_maps_that_do_not_fit_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        EpochMaps("cifar10", "validation", [5, 9], np.zeros(shape), [0.25, 0.75, 0.5])
