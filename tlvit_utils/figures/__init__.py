"""Static pictures: functions from arrays to matplotlib figures, and one to show them."""

from tlvit_utils.figures.overlay import render
from tlvit_utils.figures.plots import (
    bars_figure,
    curves_figure,
    filters_figure,
    heat_panels,
    image_grid,
    lines_figure,
    matrix_figure,
    new_figure,
    show,
    similarity_figure,
    to_png,
    token_colour,
    token_maps_figure,
    walk_figure,
)
from tlvit_utils.figures.studies import accuracy_against_cost
