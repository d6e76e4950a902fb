"""Draw the README's moving picture.

    python tools/make_readme_picture.py --out docs/overlay.gif

One row for each of a few test scenes: the scene, and the maps of the shipped network laid over it
after every epoch of its training.
"""

import argparse
from io import BytesIO
from pathlib import Path

from PIL import Image

from tlvit_utils import load_pretrained
from tlvit_utils.analysis import seen_images
from tlvit_utils.analysis.epoch_maps import load_epoch_maps
from tlvit_utils.data import CIFAR10_CLASSES, load_cifar10, load_scenes10
from tlvit_utils.figures import image_grid, render, to_png
from tlvit_utils.figures.overlay import enlarge

NETWORK = "scenes_weighted_mean"
SCENES = [0, 1, 3]  # of those whose maps were recorded
TOKENS, SIZE = 5, 128
MILLISECONDS, LAST = 700, 3000  # that a frame is shown, and the last one


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.gif")
    path = parser.parse_args(arguments).out
    recorded = load_epoch_maps(NETWORK)
    indices = recorded.image_indices[SCENES]
    test = load_scenes10(sizes=(0, 0, max(indices) + 1), base=load_cifar10()).test
    images, labels = (each[indices] for each in test)
    views = seen_images(load_pretrained(NETWORK), images)
    names = [CIFAR10_CLASSES[label] for label in labels]
    frames = []
    for epoch, (maps, accuracy) in enumerate(
        zip(recorded.maps[:, SCENES], recorded.val_accuracy, strict=True), start=1
    ):
        title = f"epoch {epoch} of {len(recorded.maps)}: {accuracy:.0%} of the scenes right"
        frames.append(_frame(views, names, maps.astype("float32"), title))
    palette = frames[-1].quantize(256)
    frames = [frame.quantize(palette=palette) for frame in frames]
    shown = [MILLISECONDS] * (len(frames) - 1) + [LAST]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=shown, loop=0, optimize=True
    )
    print(f"{path.name}: {', '.join(names)}; {path.stat().st_size / 1e6:.1f} MB")


def _frame(views, names, maps, title):
    """Return a picture of what the maps `(scenes, tokens, height, width)` lie on."""
    pictures, titles = [], []
    for view, name, each in zip(views, names, maps, strict=True):
        pictures += [enlarge(view, SIZE), render(view, each.mean(axis=0), size=SIZE)]
        pictures += [render(view, token, size=SIZE) for token in each[:TOKENS]]
        titles += [name, "mean map", *(f"token {token + 1}" for token in range(TOKENS))]
    figure = image_grid(pictures, titles, columns=2 + TOKENS, title=title)
    return Image.open(BytesIO(to_png(figure))).convert("RGB")


if __name__ == "__main__":
    main()
