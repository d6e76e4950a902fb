"""The published Keras example, rebuilt as it runs under Keras 3, to compare with.

    python benchmarks/published_example.py --num-tokens 4 --epochs 1

Facts from https://keras.io/examples/vision/token_learner/ (Gosthipaty and Paul), in our own code:
its layers as functions, its augmentation by Keras's `Resizing`, `RandomCrop` and `RandomFlip`, its
pooling through the product of every map with every channel, and its `fit` loop. What this does
otherwise than `ViTConfig.published()`: one crop offset for a whole batch; at inference no crop at
all, so that the patches, which fit 48 of the 52 pixels, see the top-left part in place of the
centre; and no XLA, which those layers refuse.
"""

import argparse

import keras
from keras import layers, ops

from tlvit_utils import PatchEncoder
from tlvit_utils._validation import parse_count
from tlvit_utils.data import load_cifar10, make_pipeline


def augmentation():
    """Return the example's augmentation: 32 → 52, one random 48-pixel crop per batch, a flip."""
    return keras.Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Resizing(52, 52),
            layers.RandomCrop(48, 48),
            layers.RandomFlip("horizontal"),
        ],
        name="augmentation",
    )


def mlp(x, widths=(256, 128), rate=0.1):
    """Apply Dense layers, each with GELU (tanh form) and dropout."""
    for width in widths:
        x = layers.Dense(width, activation=ops.gelu)(x)
        x = layers.Dropout(rate)(x)
    return x


def transformer_block(x, num_heads=4, key_dim=128, rate=0.1):
    """Apply a pre-norm block; x: (batch, tokens, dim)."""
    normed = layers.LayerNormalization(epsilon=1e-6)(x)
    x = x + layers.MultiHeadAttention(num_heads, key_dim, dropout=rate)(normed, normed)
    return x + mlp(layers.LayerNormalization(epsilon=1e-6)(x))


def token_learner(x, num_tokens):
    """Return tokens (batch, num_tokens, dim); the (batch, cells, tokens, dim) product is built."""
    tokens, dim = x.shape[1:]
    side = int(tokens**0.5)
    grid = layers.Reshape((side, side, dim))(x)
    maps = layers.LayerNormalization(epsilon=1e-6)(grid)
    for activation in (ops.gelu, ops.gelu, ops.gelu, "sigmoid"):
        maps = layers.Conv2D(num_tokens, 3, padding="same", use_bias=False, activation=activation)(
            maps
        )
    maps = layers.Reshape((tokens, num_tokens, 1))(maps)
    cells = layers.Reshape((tokens, 1, dim))(grid)
    return ops.mean(maps * cells, axis=1)


def build_example(num_tokens=4, num_layers=4, with_augmentation=True):
    """Return the example's classifier; `num_tokens=None` builds it without TokenLearner.

    Without its augmentation it takes the 48-pixel view, 0..1, which makes it comparable.
    """
    if with_augmentation:
        inputs = keras.Input((32, 32, 3))
        x = augmentation()(inputs)
    else:
        inputs = x = keras.Input((48, 48, 3))
    x = layers.Conv2D(128, 6, strides=6)(x)
    x = layers.Reshape((64, 128))(x)
    x = PatchEncoder(64, 128)(x)
    x = layers.Dropout(0.1)(x)
    for i in range(num_layers):
        x = transformer_block(x)
        if num_tokens is not None and i == num_layers // 2:
            x = token_learner(x, num_tokens)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="published_example")


def compile_example(model):
    """Compile the classifier as the example does."""
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-tokens", type=parse_count, help="none: no TokenLearner")
    parser.add_argument("--epochs", type=parse_count, default=20)
    options = parser.parse_args()
    dataset = load_cifar10()
    model = build_example(options.num_tokens)
    compile_example(model)
    model.fit(
        make_pipeline(*dataset.train, 256, shuffle_seed=0),
        validation_data=make_pipeline(*dataset.validation, 256),
        epochs=options.epochs,
        shuffle=False,
    )
    model.evaluate(make_pipeline(*dataset.test, 256))


if __name__ == "__main__":
    main()
