import json

import numpy as np
import pytest

from tlvit_utils import ViTConfig
from tlvit_utils._files import save_result
from tlvit_utils.training.recipe import Recipe


def test_a_result_that_cannot_be_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "new" / "result.json"
    save_result(path, recipe=Recipe(epochs=3), config=ViTConfig.light(), top1=0.5)
    result = json.loads(path.read_text(encoding="utf-8"))
    assert (result["recipe"]["epochs"], result["top1"]) == (3, 0.5)
    assert ViTConfig(**result["config"]) == ViTConfig.light()
    with pytest.raises(TypeError, match="type object"):
        save_result(path, top1=object())
    assert [each.name for each in path.parent.iterdir()] == ["result.json"]
    assert json.loads(path.read_text(encoding="utf-8")) == result


def test_numpys_numbers_and_arrays_become_pythons(tmp_path):
    path = tmp_path / "result.json"
    values = [np.int64(3), np.float32(0.5), np.bool_(True), np.uint8(255)]
    save_result(path, values=values, confusion=np.eye(2, dtype="int64"))
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result == {"values": [3, 0.5, True, 255], "confusion": [[1, 0], [0, 1]]}
