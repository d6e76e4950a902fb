"""TokenLearner and small Vision Transformers in Keras 3, on any of its backends."""

from tlvit_utils.augment import RandomCropFlip
from tlvit_utils.blocks import MLP, TransformerBlock
from tlvit_utils.patches import PatchEncoder
from tlvit_utils.pretrained import PRETRAINED, PRETRAINED_FOR, load_pretrained
from tlvit_utils.reductions import (
    AveragePooling,
    GroupedTokenLearner,
    PatchMerger,
    StridedConvolution,
    TopKTokens,
)
from tlvit_utils.token_fuser import TokenFuser
from tlvit_utils.token_learner import TokenLearner, TokenLearnerV11
from tlvit_utils.vit import ViTConfig, build_vit

__version__ = "0.1.0"
