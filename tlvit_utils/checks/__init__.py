"""Checks for the exercises: compare an answer with the right one, and name the mistake.

Each `check_…` takes the learner's function. It calls it on a few random inputs whose sizes all
differ, so that no exchanged axes go unnoticed, and
- prints "not done yet" if the function returns None or `...`, or raises NotImplementedError;
- raises a `CheckError` if the answer is wrong. The typical mistakes are computed, too: where the
  answer equals the result of one, the message is the sentence that names it;
- prints "right" and what was checked otherwise.

Inputs are NumPy arrays. Answers may be NumPy arrays, tensors of Keras's backend, lists or numbers.
"""

from tlvit_utils.checks.attention import (
    check_effects_of_tokens,
    check_occlude,
    check_pointing_game,
)
from tlvit_utils.checks.better_training import check_images_needed, check_paired_difference
from tlvit_utils.checks.blocks import (
    check_attention_with_heads,
    check_dropout,
    check_post_norm_block,
)
from tlvit_utils.checks.comparison import CheckError
from tlvit_utils.checks.experiments import (
    check_mean_and_spread,
    check_on_the_front,
    check_share_as_large,
)
from tlvit_utils.checks.patches import check_encode, check_fixed_positions, check_join_patches
from tlvit_utils.checks.token_learner import (
    check_softmax_maps,
    check_tokens_of_video,
    check_weighted_mean,
)
from tlvit_utils.checks.token_learner_v11 import (
    check_fuse,
    check_masked_pooling,
    check_merge_pairs,
)
from tlvit_utils.checks.training import (
    check_adamw_step,
    check_smoothed_crossentropy,
    check_top_k_share,
)
from tlvit_utils.checks.vit import check_block_macs, check_create_pyramid, check_tokens_read

__all__ = [
    "CheckError",
    "check_adamw_step",
    "check_attention_with_heads",
    "check_block_macs",
    "check_create_pyramid",
    "check_dropout",
    "check_effects_of_tokens",
    "check_encode",
    "check_fixed_positions",
    "check_fuse",
    "check_images_needed",
    "check_join_patches",
    "check_masked_pooling",
    "check_mean_and_spread",
    "check_merge_pairs",
    "check_occlude",
    "check_on_the_front",
    "check_paired_difference",
    "check_pointing_game",
    "check_post_norm_block",
    "check_share_as_large",
    "check_smoothed_crossentropy",
    "check_softmax_maps",
    "check_tokens_of_video",
    "check_tokens_read",
    "check_top_k_share",
    "check_weighted_mean",
]
