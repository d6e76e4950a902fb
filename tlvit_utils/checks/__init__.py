"""Checks for the exercises: compare an answer with the right one, and name the mistake.

Each `check_…` takes the learner's function. It calls it on a few random inputs whose sizes all
differ, so that no exchanged axes go unnoticed, and
- prints "not done yet" if the function returns None or `...`, or raises NotImplementedError;
- raises a `CheckError` if the answer is wrong. The typical mistakes are computed, too: where the
  answer equals the result of one, the message is the sentence that names it;
- prints "right" and what was checked otherwise.

Inputs are NumPy arrays. Answers may be NumPy arrays, tensors of Keras's backend, lists or numbers.
"""

from tlvit_utils.checks.blocks import (
    check_attention_with_heads,
    check_dropout,
    check_post_norm_block,
)
from tlvit_utils.checks.comparison import CheckError
from tlvit_utils.checks.patches import check_encode, check_fixed_positions, check_join_patches
from tlvit_utils.checks.token_learner import (
    check_softmax_maps,
    check_tokens_of_video,
    check_weighted_mean,
)
from tlvit_utils.checks.vit import check_block_macs, check_create_pyramid, check_tokens_read

__all__ = [
    "CheckError",
    "check_attention_with_heads",
    "check_block_macs",
    "check_create_pyramid",
    "check_dropout",
    "check_encode",
    "check_fixed_positions",
    "check_join_patches",
    "check_post_norm_block",
    "check_softmax_maps",
    "check_tokens_of_video",
    "check_tokens_read",
    "check_weighted_mean",
]
