"""What the maps of the shipped networks find, and whether it matters to the prediction.

For each network, on the test images of the data set that it was trained on, and beside it for
networks of the same architecture with random weights:

- the pointing game and the mass inside the mask, on the data set's masks where it has some, and
  on mosaics of four images: for the class that is asked for, and for the class that the network
  names, where the mosaic shows it; held to the maps' own images, to other images, and to chance;
- how different the tokens' maps are, and how much of them is the same in every image;
- for the trained network, the accuracy with other maps in the place of its own, and with patches
  removed.

    python benchmarks/attention_scores.py [--write] [--networks NAME …]

Without names it takes all that ship. It prints the localisation; `--write` keeps all numbers.
"""

import numpy as np
from results import result_parser, save_rows

from tlvit_utils import PRETRAINED, load_pretrained
from tlvit_utils.analysis import (
    NetworkParts,
    accuracy_with_maps,
    attention_maps,
    diversity,
    fixed_share,
    localisation,
    mask_shares,
    predict_with_maps,
    randomised,
    removal_accuracy,
)
from tlvit_utils.data import mosaics
from tlvit_utils.pretrained import model_card
from tlvit_utils.training.runs import DATASETS

LOADERS = {"CIFAR-10": DATASETS["cifar10"], "shapes10": DATASETS["shapes10"]}  # or an error
IMAGES = 5000
REMOVAL_IMAGES = 2000
REMOVED = (0, 2, 4, 8, 16, 24, 32, 48)
RANDOM_SEEDS = (0, 1, 2)


def score(name, weights, model, test, four):
    """Return rows of the localisation, and a row of how the maps and the mosaics' answers are."""
    maps = attention_maps(model, test.images)
    probabilities, maps_of_four = predict_with_maps(model, four.images)
    named = probabilities.argmax(axis=1)
    shown = (four.classes == named[:, None]).any(axis=1)
    scored = {
        "mosaics, class asked for": (maps_of_four, mask_shares(model, four.masks())),
        "mosaics, class named": (
            maps_of_four[shown],
            mask_shares(model, four.masks(named)[shown]),
        ),
    }
    if test.masks is not None:
        scored = {"masks": (maps, mask_shares(model, test.masks)), **scored}
    network = {"network": name, "weights": weights}
    rows = []
    for pictures, (some_maps, shares) in scored.items():
        for held_to, scores in localisation(some_maps, shares).items():
            scores = {key: np.round(value, 4) for key, value in vars(scores).items()}
            about = {"pictures": pictures, "images": len(some_maps), "held_to": held_to}
            rows.append({**network, **about, **scores})
            print(
                f"{name:<20}{weights:<10}{pictures:<26}{held_to:<8}{scores['hits'].max():>9.3f}"
                f"{scores['mean_map_hit']:>9.3f}{scores['any_hit']:>9.3f}"
                f"{scores['mean_map_mass']:>9.3f}"
            )
    return rows, {
        **network,
        "images": len(maps),
        "diversity": diversity(maps) if maps.shape[1] > 1 else None,
        "fixed_share": fixed_share(maps),
        "mosaics": len(named),
        "mosaics_named_as_asked": np.mean(named == four.labels),
        "mosaics_named_one_of_four": np.mean(shown),
    }


def main():
    parser = result_parser(__doc__)
    learned = [name for name in PRETRAINED if model_card(name)["config"]["num_tokens"]]
    parser.add_argument("--networks", nargs="+", choices=learned, default=learned, metavar="NAME")
    options = parser.parse_args()
    localisations, maps, replaced, removed = [], [], [], []
    print(f"{'':<64}{'best':>9}{'mean map':>9}{'any':>9}{'mean map':>9}")
    print(
        f"{'network':<20}{'weights':<10}{'pictures':<26}{'held to':<8}{'hit':>9}{'hit':>9}"
        f"{'hit':>9}{'mass':>9}"
    )
    for name in options.networks:
        test = LOADERS[model_card(name)["dataset"]]().test
        some, fewer = test.take(IMAGES), test.take(REMOVAL_IMAGES)
        four = mosaics(*test, count=IMAGES)
        trained = load_pretrained(name)
        networks = {"trained": trained}
        networks |= {f"random {seed}": randomised(trained, seed) for seed in RANDOM_SEEDS}
        for weights, model in networks.items():
            rows, facts = score(name, weights, model, some, four)
            localisations += rows
            maps.append(facts)
        accuracies = accuracy_with_maps(NetworkParts(trained), *some)
        replaced.append({"network": name, "images": len(some.labels), **accuracies})
        accuracies = removal_accuracy(trained, *fewer, REMOVED)
        about = {"network": name, "images": len(fewer.labels), "removed": REMOVED}
        removed.append({**about, **accuracies})
    if options.write:
        save_rows(
            "attention_scores",
            localisations,
            maps=maps,
            accuracy_with_maps=replaced,
            accuracy_without_patches=removed,
        )


if __name__ == "__main__":
    main()
