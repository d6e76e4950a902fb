"""`python -m tlvit_utils`: one training as a command; see `training.runs`."""

from tlvit_utils.training.runs import main

main()
