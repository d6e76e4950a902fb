"""What published() does otherwise than the example: its crops in training, its view of test images.

The example draws one crop for a whole batch, published() one for each image; and the example's test
images are the top-left 48 of 52 pixels, those of published() the centre. Here the example's network
is trained with either kind of crop, by the published recipe in float32, and then tested in either
view. Validation, which picks the epoch, sees the centre where crops are drawn for each image, and
the top-left part where they are drawn for a batch.

    KERAS_BACKEND=jax python benchmarks/crops_and_views.py [--write]    # on a GPU

It writes assets/results/crops_and_views.json after each test; a training that is there in both
views is not made again. Needs CIFAR-10, and JAX for `on_gpu.py`.
"""

from dataclasses import asdict
from functools import partial

import keras
from keras import layers, ops

from on_gpu import DeviceTraining, require_jax
from published_example import build_example
from results import load_rows, result_parser, result_path, save_rows, training_images_fields
from tlvit_utils import RandomCropFlip
from tlvit_utils.data import load_cifar10
from tlvit_utils.training import Recipe, evaluate

RESULT = result_path("crops_and_views")
NUM_TOKENS = 8
SEEDS = range(5)


class ExampleCropFlip(RandomCropFlip):
    """The example's augmentation, which Keras's own `RandomCrop` cannot do in compiled JAX."""

    test_offset = 0  # the top-left corner

    def draw_offsets(self, batch):
        return ops.repeat(super().draw_offsets(1), batch, axis=1)


CROPS = {"one per image": RandomCropFlip, "one per batch": ExampleCropFlip}
VIEWS = {"centre": RandomCropFlip, "top-left corner": ExampleCropFlip}  # of the test images


def build_classifier(core, augmentation):
    """Return `core`, which takes views of 48 pixels, behind `augmentation`, which makes them."""
    images = keras.Input((32, 32, 3))
    view = augmentation(52, 48)(layers.Rescaling(1 / 255)(images))
    return keras.Model(images, core(view))


def build_model(augmentation):
    return build_classifier(build_example(NUM_TOKENS, with_augmentation=False), augmentation)


def train_and_test(crops, recipe, dataset, seeds):
    """Yield one row per seed and view of the test images."""
    training = DeviceTraining(partial(build_model, CROPS[crops]), recipe, dataset)
    core = training.model.layers[-1]
    classifiers = {view: build_classifier(core, layer) for view, layer in VIEWS.items()}
    for seed in seeds:
        history = training.run(seed)
        for view, classifier in classifiers.items():
            test = evaluate(classifier, *dataset.test)
            yield {
                "crops": crops,
                "view": view,
                "seed": seed,
                "top1": test["top1"],
                "top5": test["top5"],
                "val_accuracy": max(history["val_accuracy"]),
                "seconds": sum(history["seconds"]),
            }


def main():
    parser = result_parser(__doc__)
    options = parser.parse_args()
    require_jax(parser)
    recipe = Recipe.published()
    dataset = load_cifar10()
    rows = load_rows(RESULT) if options.write else []
    for crops in CROPS:
        done = [row["seed"] for row in rows if row["crops"] == crops]
        seeds = [seed for seed in SEEDS if done.count(seed) < len(VIEWS)]
        rows = [row for row in rows if row["crops"] != crops or row["seed"] not in seeds]
        if not seeds:
            continue
        for row in train_and_test(crops, recipe, dataset, seeds):
            print(row, flush=True)
            rows.append(row)
            if options.write:
                save_rows(
                    RESULT.stem,
                    rows,
                    num_tokens=NUM_TOKENS,
                    recipe={name: v for name, v in asdict(recipe).items() if name != "seed"},
                    **training_images_fields(dataset),
                )


if __name__ == "__main__":
    main()
