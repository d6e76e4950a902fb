"""The page's network against Keras: every layer, many pictures, tokens left out."""

import base64

import keras
import numpy as np
import pytest

from tlvit_utils import ViTConfig, build_vit
from tlvit_utils.analysis.interventions import NetworkParts
from tlvit_utils.live.layers import describe_network
from tlvit_utils.pretrained import load_pretrained
from tlvit_utils.reductions import AveragePooling, PatchMerger, StridedConvolution

TOLERANCE = 1e-5  # of numbers up to 1, and of larger ones relative to the layer's largest

SMALL = ViTConfig.modern(3).replace(
    image_size=16,
    resized_size=16,
    padding=2,
    crop_size=16,
    convolutions=((6, 2), (10, 2)),
    projection_dim=10,
    num_heads=2,
    key_dim=7,
    mlp_units=(13, 10),
    num_layers=2,
)
# patches, a resized view with black borders, wide heads, GELU after the MLP: as was published
SMALL_PATCHES = ViTConfig.published(5, num_layers=3).replace(
    image_size=16, resized_size=20, padding=4, crop_size=24, key_dim=16, projection_dim=12,
    num_heads=3, mlp_units=(20, 16, 12), num_groups=2,
)  # fmt: skip
CONFIGS = {
    "sum": SMALL,
    "mean": SMALL_PATCHES,
    "weighted mean": SMALL.replace(pooling="weighted_mean"),
    "v1.1": SMALL.replace(variant="v1.1", token_learner_after=1),
    "grouped": SMALL_PATCHES.replace(variant="grouped"),
    "patch merger": SMALL.replace(variant="patch_merger"),
    "top k": SMALL.replace(variant="top_k"),
    "average": SMALL.replace(variant="average", num_tokens=2),
    "strided": SMALL.replace(variant="strided", num_tokens=8),
    "no reduction": SMALL.replace(num_tokens=None),
}
SHIPPED = ("modern_8_tokens", "modern_8_tokens_v1.1", "published_8_tokens")

STEPS = """
const text = (x) => {
  const numbers = new Uint8Array(Float32Array.from(x).buffer);
  let letters = "";
  for (const number of numbers) letters += String.fromCharCode(number);
  return btoa(letters);
};
function answer({ model, pictures }) {
  const network = buildNetwork(model);
  return pictures.map((picture) => {
    const steps = [];
    const pass = network.run(picture, (name, x) => steps.push([name, text(x)]));
    const ends = ["maps", "tokens", "probabilities"].map((name) => [name, text(pass[name] ?? [])]);
    return [...steps, ...ends];
  });
}
"""


def numbers(text):
    """Return the numbers that `text` of the scripts here has written."""
    return np.frombuffer(base64.b64decode(text), "<f4")


def pictures(count, size, seed=0):
    """Return images with large and small shapes, uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, size // 4, size // 4, 3)).repeat(4, 1).repeat(4, 2)
    fine = rng.integers(-40, 41, (count, size, size, 3))
    return np.clip(coarse + fine, 0, 255).astype("uint8")


def golden_steps(model, images):
    """Return the name and the output `(images, …)` of each layer, in order."""
    outputs = []
    for layer in model.layers[1:]:
        if isinstance(layer.output, list):
            tokens, maps = layer.output
            outputs += [("maps", maps), ("tokens", tokens)]
        elif isinstance(layer, AveragePooling | StridedConvolution):
            outputs.append(("tokens", layer.output))
        else:
            outputs.append((layer.name, layer.output))
    outputs.append(("probabilities", model.output))
    values = keras.Model(model.input, [output for _, output in outputs])(images.astype("float32"))
    return [
        (name, keras.ops.convert_to_numpy(value))
        for (name, _), value in zip(outputs, values, strict=True)
    ]


def given(model, images):
    """Return what the scripts here work on."""
    return {
        "model": describe_network(model),
        "pictures": images.reshape(len(images), -1).tolist(),
    }


def first_difference(script, run, model, images):
    """Return the first layer whose numbers differ from Keras's and by how much, or None."""
    answers = [dict(answer) for answer in run(script + STEPS, given(model, images))]
    for name, expected in golden_steps(model, images):
        allowed = TOLERANCE * max(1, np.abs(expected).max())
        for one, answer in zip(expected, answers, strict=True):
            difference = np.abs(numbers(answer[name]) - one.ravel()).max()
            if not difference <= allowed:
                return name, float(difference)
    return None


@pytest.mark.parametrize("name", CONFIGS)
def test_every_layer_of_small_networks_is_that_of_keras(name, javascript, source, rounded):
    config = CONFIGS[name]
    model = rounded(build_vit(config))
    images = pictures(2, config.image_size)
    assert first_difference(source("network.js"), javascript, model, images) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_every_layer_of_the_shipped_networks_is_that_of_keras(name, javascript, source, rounded):
    model = load_pretrained(name)
    assert first_difference(source("network.js"), javascript, model, pictures(3, 32)) is None


def test_a_browser_computes_what_node_does(in_browser, source):
    model = load_pretrained(SHIPPED[0])
    assert first_difference(source("network.js"), in_browser, model, pictures(1, 32)) is None


BROKEN = {
    "transposed maps": (
        "transposed(kernels.reduce(convolved, layerNorm(grid, gamma, beta)), num_tokens)",
        "kernels.reduce(convolved, layerNorm(grid, gamma, beta))",
        "maps",
    ),
    "exact GELU": (
        "const gelu = (x) =>",
        """const gelu = (x) => { let sum = 0, term = x; // the series of the normal distribution
          for (let n = 0; n < 200; n++) { sum += term; term *= x * x / (2 * n + 3); }
          return Math.abs(x) > 9 ? Math.max(x, 0)
            : x * (0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)); };
        const other = (x) =>""",
        "block_0",
    ),
    "wrong epsilon": ("EPSILON = 1e-6", "EPSILON = 1e-3", "block_0"),
    "columns for rows": ("const y = row * down", "const y = column * down", "convolution_0"),
}


@pytest.mark.parametrize(("before", "after", "layer"), BROKEN.values(), ids=BROKEN)
def test_a_broken_network_is_found_at_its_first_wrong_layer(
    before, after, layer, javascript, source, rounded
):
    script = source("network.js")
    assert script.count(before) == 1
    broken, model = script.replace(before, after), rounded(build_vit(SMALL))
    found, _ = first_difference(broken, javascript, model, pictures(1, 16))
    assert found == layer


MANY = """
function answer({ model, pictures }) {
  const network = buildNetwork(model), every = [...Array(network.numTokens).keys()];
  return pictures.map((picture) => {
    const pass = network.run(picture);
    const without = every.map((gone) => Array.from(network.predict(
      keepTokens(pass.tokens, network.dim, every.filter((token) => token !== gone)))));
    return [Array.from(pass.probabilities), ...without];
  });
}
"""


@pytest.mark.parametrize("count", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_many_pictures_and_each_token_left_out(count, javascript, source):
    model = load_pretrained("modern_8_tokens")
    images = pictures(count, 32, seed=1)
    answers = np.array(javascript(source("network.js") + MANY, given(model, images)))
    parts = NetworkParts(model)
    grid = parts.grid(images)
    tokens = parts.tokens(grid, parts.maps(grid))
    expected = [parts.predict(tokens)]
    expected += [parts.predict(np.delete(tokens, gone, axis=1)) for gone in range(8)]
    np.testing.assert_allclose(answers, np.stack(expected, axis=1), rtol=0, atol=1e-5)


DRAWN = """
function answer({ kind, shape }) {
  const kernel = Object.assign(new Float32Array(shape[0] * shape[1]), { name: "kernel", shape });
  return Array.from(drawWeights([{ kind, weights: [kernel] }], 1)[0].weights[0]);
}
"""


@pytest.mark.parametrize("kind", ["Dense", "PatchMerger"])
def test_random_weights_are_spread_as_in_keras(kind, javascript, source):
    shape = (100, 80)
    layer = {"Dense": keras.layers.Dense(80), "PatchMerger": PatchMerger(80)}[kind]
    layer(np.zeros((1, 1, 1, 100)))
    kernel = next(weight for weight in layer.weights if weight.name == "kernel")
    expected = keras.ops.convert_to_numpy(kernel).ravel()
    drawn = javascript(source("network.js") + DRAWN, {"kind": kind, "shape": shape})
    assert np.std(drawn) == pytest.approx(np.std(expected), rel=0.05)
    assert abs(np.mean(drawn)) < 0.05 * np.std(expected)


CHANGES = """
function answer({ model, pictures: [picture] }) {
  const network = buildNetwork(model), { grid, maps } = network.run(picture), { cells } = network;
  const predict = (maps) => Array.from(network.predict(network.pool(grid, maps)));
  const random = network.randomised(1).run(picture);
  return {
    flat: predict(reshapeMaps(maps, cells, new Float32Array(cells).fill(1))),
    mean: predict(meanMap(maps, cells)),
    painted: predict(Float32Array.from({ length: cells }, (_, i) => i % 3)),
    random: Array.from(random.probabilities), same: Array.from(network.run(picture).probabilities),
    extent: network.extent, view: Array.from(network.run(picture).view),
  };
}
"""


@pytest.mark.parametrize("name", ["mean", "patch merger"])
def test_other_maps_change_the_prediction_as_in_python(name, javascript, source, rounded):
    config = CONFIGS[name]
    model = rounded(build_vit(config))
    images = pictures(1, config.image_size)
    answer = javascript(source("network.js") + CHANGES, given(model, images))
    parts = NetworkParts(model)
    grid = parts.grid(images)
    maps = parts.maps(grid)
    others = {
        "flat": np.broadcast_to(maps.mean((2, 3), keepdims=True), maps.shape),
        "mean": np.broadcast_to(maps.mean(1, keepdims=True), maps.shape),
        "painted": (np.arange(maps[0, 0].size) % 3.0).reshape(1, 1, *maps.shape[2:]),
    }
    for change, each in others.items():
        expected = parts.predict(parts.tokens(grid, each))[0]
        np.testing.assert_allclose(answer[change], expected, atol=1e-5)
    expected = keras.ops.convert_to_numpy(model(images.astype("float32")))[0]
    np.testing.assert_allclose(answer["same"], expected, atol=1e-5)
    assert abs(sum(answer["random"]) - 1) < 1e-5
    assert np.abs(np.subtract(answer["random"], expected)).max() > 0.01
    view = model.get_layer("augmentation")
    seen = keras.ops.convert_to_numpy(view(images.astype("float32")))
    np.testing.assert_allclose(answer["view"], seen.ravel(), atol=1e-3)
    first, scale = view.test_offset - view.padding, config.image_size / view.resized_size
    np.testing.assert_allclose(answer["extent"], [first * scale, (first + view.crop_size) * scale])
