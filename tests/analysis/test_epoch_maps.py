import numpy as np
import pytest

from tlvit_utils import build_vit
from tlvit_utils.analysis import epoch_maps as epoch_maps_module
from tlvit_utils.analysis.epoch_maps import (
    EpochMaps,
    RecordMaps,
    load_epoch_maps,
    read_epoch_maps,
    save_epoch_maps,
)
from tlvit_utils.analysis.maps import attention_maps


@pytest.fixture
def epoch_maps():
    """Three epochs, two images, four tokens."""
    maps = np.random.default_rng(0).random((3, 2, 4, 8, 8)).astype("float16")
    accuracies = np.array([0.25, 0.75, 0.5], "float32")
    return EpochMaps("cifar10", "validation", np.array([5, 9]), maps, accuracies)


def test_epoch_maps_come_back_as_saved(epoch_maps, tmp_path, monkeypatch):
    monkeypatch.setattr(epoch_maps_module, "MAPS_DIR", tmp_path)
    save_epoch_maps(epoch_maps, tmp_path / "tiny.npz")
    loaded = load_epoch_maps("tiny")
    assert (loaded.dataset, loaded.split) == ("cifar10", "validation")
    for name in ("image_indices", "maps", "val_accuracy"):
        assert getattr(loaded, name).dtype == getattr(epoch_maps, name).dtype
        np.testing.assert_array_equal(getattr(loaded, name), getattr(epoch_maps, name))
    with pytest.raises(ValueError, match=r"No maps called 'big'.*'tiny'"):
        load_epoch_maps("big")


def test_maps_are_kept_for_every_epoch_and_image(tiny_config, randomise, shapes, tmp_path):
    model = randomise(build_vit(tiny_config))
    record = RecordMaps(tmp_path / "maps.npz", shapes, "validation", [5, 2])
    record.set_model(model)
    expected = []
    for epoch, accuracy in enumerate([0.25, 0.5, 0.375]):
        kernel = model.get_layer("token_learner").convs[-1].kernel
        kernel.assign(kernel + 1)
        record.on_epoch_end(epoch, {"val_accuracy": accuracy})
        expected.append(attention_maps(model, shapes.validation.images[[5, 2]]))
    assert np.ptp(expected, axis=0).max() > 0.01
    kept = read_epoch_maps(tmp_path / "maps.npz")
    assert kept.maps.dtype == "float16"
    np.testing.assert_array_equal(kept.maps, np.float16(expected))
    assert kept.val_accuracy.tolist() == [0.25, 0.5, 0.375]
    assert (kept.dataset, kept.split) == (shapes.name, "validation")
    assert kept.image_indices.tolist() == [5, 2]

    record.on_epoch_end(1, {"val_accuracy": 0.75})  # resumed after the first epoch
    kept = read_epoch_maps(tmp_path / "maps.npz")
    assert kept.val_accuracy.tolist() == [0.25, 0.75]
    np.testing.assert_array_equal(kept.maps, np.float16([expected[0], expected[2]]))
    for recorder in (record, RecordMaps(tmp_path / "none.npz", shapes)):
        with pytest.raises(ValueError, match=r"epochs, but 3 were trained"):
            recorder.on_epoch_begin(3)
