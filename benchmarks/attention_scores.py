"""What the maps of the shipped networks find, and how different they are.

For each network, on the test images of the data set that it was trained on, and beside it for
networks of the same architecture with random weights:

- the pointing game, on the data set's masks where it has some, and on mosaics of four images: for
  the class that is asked for, and for the class that the network names, where the mosaic shows it;
  held to the maps' own images, to other images, and to chance;
- how different the tokens' maps are.

Whether maps matter to the prediction is measured by `what_maps_are_worth.py`.

    python benchmarks/attention_scores.py [--write]

It takes all networks that ship and were trained on images of 32 pixels, and prints the
localisation; `--write` keeps all numbers.
"""

import numpy as np

from results import result_parser, save_rows
from tlvit_utils import PRETRAINED, ViTConfig, load_pretrained
from tlvit_utils.analysis import (
    attention_maps,
    diversity,
    localisation,
    mask_shares,
    predict_with_maps,
    randomised,
)
from tlvit_utils.data.datasets import LOADERS
from tlvit_utils.pretrained import model_card

IMAGES = 5000
RANDOM_SEEDS = (0, 1, 2)


def scored_networks() -> list[str]:
    """Return the shipped networks with maps whose data set has images of 32 pixels."""
    configs = {name: ViTConfig(**model_card(name)["config"]) for name in PRETRAINED}
    return [name for name, each in configs.items() if each.has_maps and each.image_size == 32]


def mosaics(images, labels, count, seed=0):
    """Put four images of four classes into one picture, each at half its size.

    Returns:
        Pictures `(count, 32, 32, 3)`, uint8; the class that is asked for, `(count,)`; and the class
        of each quarter, row by row, `(count, 4)`.
    """
    rng = np.random.default_rng(seed)
    members = {label: np.flatnonzero(labels == label) for label in np.unique(labels).tolist()}
    targets, classes, chosen = [], [], []
    for _ in range(count):
        targets.append(rng.choice(list(members)))
        others = rng.choice([label for label in members if label != targets[-1]], 3, replace=False)
        classes.append(rng.permutation([targets[-1], *others]))
        chosen.append([rng.choice(members[label]) for label in classes[-1]])
    small = images[np.ravel(chosen)].reshape(-1, 16, 2, 16, 2, 3).mean((2, 4))
    small = np.round(small).astype("uint8").reshape(count, 2, 2, 16, 16, 3)
    pictures = small.transpose(0, 1, 3, 2, 4, 5).reshape(count, 32, 32, 3)
    return pictures, np.array(targets), np.array(classes)


def quarters(classes, labels):
    """Return masks `(N, 32, 32)`, 1 on the quarter that shows the class, 0 where none does."""
    shown = (classes == labels[:, None]).reshape(-1, 2, 2)
    return shown.astype("uint8").repeat(16, axis=1).repeat(16, axis=2)


def score(name, weights, model, test, four):
    """Return rows of the localisation, and a row of how the maps and the mosaics' answers are."""
    maps = attention_maps(model, test.images)
    pictures, targets, classes = four
    probabilities, maps_of_four = predict_with_maps(model, pictures)
    predicted = probabilities.argmax(axis=1)
    shown = (classes == predicted[:, None]).any(axis=1)
    scored = {
        "mosaics, class asked for": (maps_of_four, mask_shares(model, quarters(classes, targets))),
        "mosaics, class named": (
            maps_of_four[shown],
            mask_shares(model, quarters(classes, predicted)[shown]),
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
                f"{scores['mean_map_hit']:>9.3f}"
            )
    return rows, {
        **network,
        "images": len(maps),
        "diversity": diversity(maps) if maps.shape[1] > 1 else None,
        "mosaics": len(predicted),
        "mosaics_named_as_asked": np.mean(predicted == targets),
        "mosaics_named_one_of_four": np.mean(shown),
    }


def main():
    parser = result_parser(__doc__)
    options = parser.parse_args()
    localisations, maps = [], []
    print(f"{'':<64}{'best':>9}{'mean map':>9}")
    print(f"{'network':<20}{'weights':<10}{'pictures':<26}{'held to':<8}{'hit':>9}{'hit':>9}")
    for name in scored_networks():
        test = LOADERS[model_card(name)["dataset"]]().test
        some = test.take(IMAGES)
        four = mosaics(*test, count=IMAGES)
        trained = load_pretrained(name)
        networks = {"trained": trained}
        networks |= {f"random {seed}": randomised(trained, seed) for seed in RANDOM_SEEDS}
        for weights, model in networks.items():
            rows, fields = score(name, weights, model, some, four)
            localisations += rows
            maps.append(fields)
    if options.write:
        save_rows("attention_scores", localisations, maps=maps)


if __name__ == "__main__":
    main()
