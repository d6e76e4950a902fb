"""A model that an earlier version of the package saved still loads, and predicts the same."""

from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.version import Version

import tlvit_utils  # noqa: F401 (registers the layers)

SAVED = Path(__file__).parent / "saved"


@pytest.mark.skipif(
    Version(keras.version()) < Version("3.15"),
    reason="Keras 3.15 saved it for later ones",
)
def test_a_file_with_every_layer_that_an_earlier_version_saved_loads():
    """It was saved when the layers lay in other modules (tlvit_utils.token_learner_v11, …)."""
    model = keras.models.load_model(SAVED / "every_layer.keras")
    classes = {type(layer).__name__ for layer in model.layers}
    assert classes >= {
        "GroupedTokenLearner",
        "MLP",
        "PatchEncoder",
        "RandomCropFlip",
        "TokenFuser",
        "TokenLearner",
        "TokenLearnerV11",
        "TransformerBlock",
    }
    with np.load(SAVED / "every_layer.npz") as arrays:
        outputs = model.predict(arrays["images"], verbose=0)
        names = ("probabilities", "maps", "maps_v11", "maps_grouped")
        for name, output in zip(names, outputs, strict=True):
            np.testing.assert_allclose(output, arrays[name], rtol=1e-4, atol=1e-5, err_msg=name)
