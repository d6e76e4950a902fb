"""Pictures that the tests of analyses share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype="uint8")
