"""Widgets for notebooks, on ipywidgets 7.7.1 and 8."""

from tlvit_utils.widgets.explorers import (
    AttentionExplorer,
    PatchExplorer,
    PlacementExplorer,
    PoolingExplorer,
)
from tlvit_utils.widgets.painter import TokenPainter
from tlvit_utils.widgets.scrubber import EpochScrubber
from tlvit_utils.widgets.viewer import AttentionViewer, contact_sheet

__all__ = [
    "AttentionExplorer",
    "AttentionViewer",
    "EpochScrubber",
    "PatchExplorer",
    "PlacementExplorer",
    "PoolingExplorer",
    "TokenPainter",
    "contact_sheet",
]
