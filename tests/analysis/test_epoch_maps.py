import numpy as np
import pytest

from tlvit_utils import build_vit
from tlvit_utils.analysis import epoch_maps
from tlvit_utils.analysis.epoch_maps import RecordMaps, load_epoch_maps
from tlvit_utils.analysis.maps import attention_maps


def test_maps_are_kept_for_every_epoch_and_image(
    tiny_config, randomise, shapes, tmp_path, monkeypatch
):
    monkeypatch.setattr(epoch_maps, "MAPS_DIR", tmp_path)
    monkeypatch.setattr(epoch_maps, "IMAGES", 3)
    model = randomise(build_vit(tiny_config))
    record = RecordMaps(tmp_path / "tiny.npz", shapes)
    record.set_model(model)
    expected = []
    for epoch, accuracy in enumerate([0.25, 0.5, 0.375]):
        kernel = model.get_layer("token_learner").convs[-1].kernel
        kernel.assign(kernel + 1)
        record.on_epoch_end(epoch, {"val_accuracy": accuracy})
        expected.append(attention_maps(model, shapes.test.images[:3]))
    assert np.ptp(expected, axis=0).max() > 0.01
    kept = load_epoch_maps("tiny")
    assert (kept.maps.dtype, kept.val_accuracy.dtype) == ("float16", "float32")
    np.testing.assert_array_equal(kept.maps, np.float16(expected))
    assert kept.val_accuracy.tolist() == [0.25, 0.5, 0.375]
    assert (kept.dataset, kept.split) == (shapes.name, "test")
    assert kept.image_indices.tolist() == [0, 1, 2]

    record.on_epoch_end(1, {"val_accuracy": 0.75})  # resumed after the first epoch
    kept = load_epoch_maps("tiny")
    assert kept.val_accuracy.tolist() == [0.25, 0.75]
    np.testing.assert_array_equal(kept.maps, np.float16([expected[0], expected[2]]))
    for recorder in (record, RecordMaps(tmp_path / "none.npz", shapes)):
        with pytest.raises(ValueError, match=r"epochs, but 3 were trained"):
            recorder.on_epoch_begin(3)
    with pytest.raises(ValueError, match=r"No maps called 'big'.*'tiny'"):
        load_epoch_maps("big")
