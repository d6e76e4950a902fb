import json
from dataclasses import asdict

import numpy as np
import pytest

from tlvit_utils._files import save_result
from tlvit_utils.training.recipe import Recipe


def test_a_result_is_plain_json_and_complete(tmp_path):
    path = tmp_path / "new" / "result.json"
    values = [np.int64(3), np.float32(0.5), np.bool_(True), np.eye(2, dtype="uint8")]
    save_result(path, recipe=Recipe(epochs=3), values=values)
    result = json.loads(path.read_text(encoding="utf-8"))
    expected = {"recipe": asdict(Recipe(epochs=3)), "values": [3, 0.5, True, [[1, 0], [0, 1]]]}
    assert result == expected
    with pytest.raises(TypeError, match="type object"):
        save_result(path, values=object())
    assert [each.name for each in path.parent.iterdir()] == ["result.json"]
    assert json.loads(path.read_text(encoding="utf-8")) == result
