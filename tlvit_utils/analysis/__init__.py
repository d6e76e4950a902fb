"""What a trained network looks at, what that is worth, and what it costs."""

from tlvit_utils.analysis.comparison import (
    Difference,
    compare_methods,
    paired_difference,
    student_t,
    welch_interval,
)
from tlvit_utils.analysis.cost import ModelCost, model_cost, work_of
from tlvit_utils.analysis.epoch_maps import EpochMaps, RecordMaps, load_epoch_maps
from tlvit_utils.analysis.interventions import NetworkParts, answers_with_maps, randomised
from tlvit_utils.analysis.maps import (
    attention_maps,
    describe_map,
    find_token_learner,
    mask_shares,
    predict_with_maps,
    seen_images,
)
from tlvit_utils.analysis.scores import Localisation, diversity, localisation
