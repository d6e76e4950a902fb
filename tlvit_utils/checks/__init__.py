"""Checks for what the learner builds: call it, compare it and name the mistake.

A cell that holds a stub ends in `NAME = checks.check(NAME)`. On a stub it prints "not done yet" and
returns the package's own, so that the notebook goes on. A wrong answer makes the cell fail with a
box: the mistake, the input, what was expected and what came. Inputs are random, and their sizes all
differ, so that swapped axes are always noticed. Answers may be NumPy arrays, tensors, lists or
numbers.
"""

# Each module registers the checks of one notebook.
from tlvit_utils.checks import (
    attention,
    better_training,
    blocks,
    experiments,
    patches,
    token_learner,
    token_learner_v11,
    training,
    vit,
)
from tlvit_utils.checks.answers import CheckError, check
