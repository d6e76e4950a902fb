"""Training and evaluation: a recipe, the loop, what happens after each epoch, whole runs."""

from tlvit_utils.training.callbacks import DivergedError
from tlvit_utils.training.loop import compile_model, evaluate, top_k_accuracy, train
from tlvit_utils.training.progress import LiveCurves, ProgressLine
from tlvit_utils.training.recipe import Recipe, SmoothedCrossentropy
from tlvit_utils.training.walk import WALK, Step, run_step
from tlvit_utils.training.watch import WatchMaps
