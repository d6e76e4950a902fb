"""Draw the README's picture.

    python tools/make_readme_picture.py --out docs/overlay.png

One row for each of a few classes: the first test scene in which an image of that class is hidden,
with the prediction of the shipped network, and the maps of the learned tokens laid over it.
"""

import argparse
from pathlib import Path

import numpy as np

from tlvit_utils import load_pretrained
from tlvit_utils.analysis import predict_with_maps, seen_images
from tlvit_utils.data import CIFAR10_CLASSES, load_cifar10, load_scenes10
from tlvit_utils.figures import image_grid, render, to_png
from tlvit_utils.figures.overlay import enlarge

CLASSES = ("horse", "ship", "frog", "dog")
SIZE = 128


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    path = parser.parse_args(arguments).out
    images, labels = load_scenes10(sizes=(0, 0, 100), base=load_cifar10(source="cifar10")).test
    first = [int(np.argmax(labels == CIFAR10_CLASSES.index(name))) for name in CLASSES]
    model = load_pretrained("scenes_weighted_mean")
    probabilities, maps = predict_with_maps(model, images[first])
    pictures, titles = [], []
    for i, view in enumerate(seen_images(model, images[first])):
        predicted = probabilities[i].argmax()
        pictures += [enlarge(view, SIZE), *(render(view, each, size=SIZE) for each in maps[i])]
        verdict = f"{CIFAR10_CLASSES[predicted]} {probabilities[i, predicted]:.0%}"
        titles.append(f"{CLASSES[i]} →\n{verdict}")
        titles += [f"token {token + 1}" for token in range(maps.shape[1])]
    figure = image_grid(pictures, titles, columns=1 + maps.shape[1])
    path.write_bytes(to_png(figure))
    print(f"{path.name}: " + ", ".join(titles[:: 1 + maps.shape[1]]).replace("\n", " "))


if __name__ == "__main__":
    main()
