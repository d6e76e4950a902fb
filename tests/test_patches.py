import numpy as np
import pytest
from keras.ops import convert_to_numpy

from tlvit_utils import PatchEncoder


def test_each_patch_gets_the_vector_of_its_position():
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(2, 6, 4)).astype("float32")
    encoder = PatchEncoder(6, 4)
    encoder.build(patches.shape)
    positions = rng.normal(size=(6, 4)).astype("float32")
    encoder.set_weights([positions])
    np.testing.assert_allclose(convert_to_numpy(encoder(patches)), patches + positions, atol=1e-6)


def test_positions_start_uniform_between_plus_and_minus_a_twentieth():
    encoder = PatchEncoder(64, 128)
    positions = convert_to_numpy(encoder(np.zeros((1, 64, 128))))
    assert 0.049 < np.abs(positions).max() <= 0.05
    assert positions.std() == pytest.approx(0.05 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 5, 4), (1, 6, 3), (1, 2, 3, 4)])
def test_patches_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expects \(batch, 6, 4\)"):
        PatchEncoder(6, 4)(np.zeros(shape))


@pytest.mark.parametrize("sizes", [(0, 4), (6, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        PatchEncoder(*sizes)


def test_the_config_is_complete():
    facts = {"num_patches": 6, "projection_dim": 4}
    config = PatchEncoder(**facts).get_config()
    assert config.items() >= facts.items()
    assert PatchEncoder.from_config(config).get_config() == config
