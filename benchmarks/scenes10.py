"""scenes10: how fast scenes are made, and what the network on them costs.

    python benchmarks/scenes10.py [--write]    # into assets/results/scenes10_speed.json

All rates are images per second of one core, by the time that the process spends on all its cores:
other work on the machine changes them little. The network is measured with 8 tokens and without
reduction, on the backend of this session.
"""

from functools import partial

from results import rate, result_parser, save_rows
from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis import model_cost
from tlvit_utils.data import load_cifar10
from tlvit_utils.data.scenes10 import make_scenes10
from tlvit_utils.training import Recipe, compile_model

REPEATS = 3


def main():
    options = result_parser(__doc__).parse_args()
    scenes = 2_000
    base = load_cifar10().train
    made = rate(scenes, lambda: make_scenes10(*base, scenes), REPEATS)
    print(f"{made:,.0f} scenes per second")
    rows = [{"measured": "scenes made", "images_per_second": made}]
    images, labels, _ = make_scenes10(*base, 512)
    for num_tokens in (8, None):
        model, recipe = build_vit(ViTConfig.scenes(num_tokens)), Recipe.scenes()
        compile_model(model, recipe, 120)
        batches = {"batch_size": recipe.batch_size, "verbose": 0}
        training = rate(len(images), partial(model.fit, images, labels, **batches), REPEATS)
        inference = rate(len(images), partial(model.predict, images, **batches), REPEATS)
        macs = model_cost(model).macs
        print(
            f"{num_tokens} tokens: {macs / 1e6:.1f} M multiply-adds, {training:.0f} images per "
            f"second in training, {inference:.0f} in inference"
        )
        rows.append(
            {
                "measured": "network",
                "num_tokens": num_tokens,
                "multiply_adds": macs,
                "training_images_per_second": training,
                "inference_images_per_second": inference,
            }
        )
    if options.write:
        save_rows("scenes10_speed", rows, repeats=REPEATS)


if __name__ == "__main__":
    main()
