"""Widgets in which a learner's own code or model runs, on ipywidgets 7.7.1 and 8."""

from tlvit_utils.widgets.explorers import AttentionExplorer, PlacementExplorer
from tlvit_utils.widgets.viewer import AttentionViewer
