"""What the tests of the benchmarks share."""

import pytest

from tlvit_utils.vit import VARIANTS


@pytest.fixture(autouse=True)
def same_variants():
    """Take back the variants that a benchmark adds for its own networks."""
    before = dict(VARIANTS)
    yield
    VARIANTS.clear()
    VARIANTS.update(before)
