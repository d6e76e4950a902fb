"""Checks for what notebook 06 builds, and for its exercises."""

import keras
import numpy as np

from tlvit_utils import analysis
from tlvit_utils.checks.answers import (
    CheckError,
    compare,
    compare_pairs,
    exercise,
    random,
    sizes,
    softmax,
    to_numpy,
)
from tlvit_utils.figures.overlay import encode_png, render
from tlvit_utils.token_learner import TokenLearner


def _network():
    """Return a small network with a TokenLearner: 3 maps of 4 × 4 cells, 5 classes."""
    inputs = keras.Input((16, 16, 3))
    grid = keras.layers.AveragePooling2D(4)(inputs)
    learner = TokenLearner(3, name="token_learner")
    tokens, _ = learner(grid, return_attention_maps=True)
    x = keras.layers.GlobalAveragePooling1D()(tokens)
    model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(x))
    rng = np.random.default_rng(0)
    model.set_weights([random(rng, *weight.shape) for weight in model.get_weights()])
    return model


def _draw_images(rng):
    return (rng.integers(0, 256, (4, 16, 16, 3)).astype("uint8"),)


@exercise(ours=analysis.predict_with_maps)
def check_predict_with_maps(answer):
    """Check `predict_with_maps(model, images)`, which returns probabilities and maps."""
    model = _network()
    _, grid, tokens, _ = analysis.find_token_learner(model)
    before = keras.Model(model.input, [tokens, grid])

    def right(images):
        return analysis.predict_with_maps(model, images)

    def mistakes(name, i):
        def wrong(images):
            tokens, grid = map(to_numpy, before(images.astype("float32")))
            return {
                f"Return (probabilities, maps). Your {name} are in the wrong place.": (
                    right(images)[1 - i]
                ),
                f"Your {name} are the tokens. A TokenLearner gives (tokens, maps).": tokens,
                f"Your {name} are the grid that TokenLearner reads.": grid,
                f"These are only the {name} of the first image.": right(images)[i][:1],
            }

        return wrong

    wrong = {name: mistakes(name, i) for i, name in enumerate(("probabilities", "maps"))}
    compare_pairs(lambda images: answer(model, images), right, wrong, _draw_images)


def _viewer(model, images):
    """Return the package's viewer; ipywidgets is imported where it is needed."""
    from tlvit_utils.widgets import AttentionViewer

    return AttentionViewer(model, images)


@exercise(ours=_viewer)
def check_attention_viewer(answer):
    """Check `attention_viewer(model, images)`, a box of sliders and a picture."""
    import ipywidgets as widgets

    model, (images,) = _network(), _draw_images(np.random.default_rng(0))
    _, maps = analysis.predict_with_maps(model, images)
    views = analysis.seen_images(model, images)
    parts = list(_inside(answer(model, images)))
    sliders = {each.description: each for each in parts if isinstance(each, widgets.IntSlider)}
    pictures = [each for each in parts if isinstance(each, widgets.Image)]
    if set(sliders) != {"image", "token"} or len(pictures) != 1:
        raise CheckError(
            "Return a box with the two sliders `image` and `token` and one picture.",
            {"got": ", ".join(type(each).__name__ for each in parts)},
        )
    (picture,) = pictures
    for name, count in {"image": len(images), "token": maps.shape[1]}.items():
        if (last := sliders[name].max) != count - 1:
            details = {"expected": f"{count - 1}", "got": f"{last}"}
            raise CheckError(f"The slider `{name}` ends at the wrong number.", details)
    if not picture.value:
        raise CheckError("The picture is empty until a slider moves: call `draw()` once.")

    def drawn(image, attention_map):
        return encode_png(render(views[image], attention_map))

    before = None
    for step, (image, token) in {None: (0, 0), "token": (0, 2), "image": (1, 2)}.items():
        if step:
            sliders[step].value = {"image": image, "token": token}[step]
        got = picture.value
        if got != drawn(image, maps[image, token]):
            mistakes = {
                before: f"The picture does not follow the slider `{step}`: observe it.",
                drawn(image, maps[token, image]): "The map is `maps[image, token]`, image first.",
                drawn(image, maps[image].mean(axis=0)): "You drew the mean map, not the token's.",
                drawn(image, maps[0, token]): "The map is image 0's; use this image's.",
            }
            raise CheckError(
                mistakes.get(got, "The picture is not `figures.render` of this view and this map."),
                {"called with": f"the sliders at image {image} and token {token}"},
            )
        before = got


def _inside(widget):
    """Yield a widget and everything inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _inside(child)


@exercise
def check_occlude(answer):
    """Check `occlude(view, attention_map, count)`, a picture like the view."""

    def draw(rng):
        height, width, size = sizes(rng, 3, low=3)
        view = rng.uniform(0, 1, (height * size, width * size, 3)).astype("float32")
        attention_map = rng.uniform(0, 1, (height, width)).astype("float32")
        return view, attention_map, int(rng.integers(2, height * width // 2))

    def paint(view, attention_map, cells, colour=None):
        size = len(view) // len(attention_map)
        result = view.copy()
        for row, column in cells:
            place = np.s_[row * size : (row + 1) * size, column * size : (column + 1) * size]
            result[place] = view.mean(axis=(0, 1)) if colour is None else colour(view[place])
        return result

    def cells(attention_map, divisor=None):
        """Return the cells (row, column), those with the most weight first."""
        numbers = np.argsort(-attention_map, axis=None)
        return [divmod(n, divisor or attention_map.shape[1]) for n in numbers.tolist()]

    def right(view, attention_map, count):
        return paint(view, attention_map, cells(attention_map)[:count])

    def wrong(view, attention_map, count):
        order = cells(attention_map)
        marked = order[:count]

        def painted(cells):
            return paint(view, attention_map, cells)

        def filled(colour):
            return paint(view, attention_map, marked, colour)

        return {
            "These have the least weight; remove those with the most.": painted(order[-count:]),
            "You kept these and removed all others; do the reverse.": painted(order[count:]),
            "Off by one: you removed one cell too many.": painted(order[: count + 1]),
            "Off by one: you removed one cell too few.": painted(order[: count - 1]),
            "Rows and columns are swapped.": painted([(column, row) for row, column in marked]),
            "A cell's row is its number divided by the number of columns, not of rows.": (
                painted(cells(attention_map, len(attention_map))[:count])
            ),
            "You filled the cells with 0, which is black and new to the network; fill them with "
            "the mean colour of the view.": filled(np.zeros_like),
            "You filled the cells with one grey; the mean colour has three numbers, one for each "
            "channel.": filled(lambda cell: view.mean()),
            "You took a cell's mean; take the view's.": filled(lambda cell: cell.mean(axis=(0, 1))),
        }

    def all_painted(view, attention_map, count):
        return {
            "With `count` = 0 nothing may change, but `x[-0:]` is all of `x`. Sort from the "
            "highest weight down and take `[:count]`.": (
                paint(view, attention_map, cells(attention_map))
            )
        }

    view, attention_map = np.arange(12.0).reshape(2, 2, 3), np.array([[0.1, 0.4], [0.3, 0.2]])
    compare(answer, right, wrong, draw, small=(view, attention_map, 1))
    compare(answer, right, all_painted, lambda rng: (view, attention_map, 0))


def _hits(maps, masks):
    """Return `(batch, tokens)`: whether the highest cell lies in the mask."""
    peaks = maps.reshape(*maps.shape[:2], -1).argmax(axis=2)
    return np.take_along_axis(masks.reshape(len(masks), -1), peaks, axis=1)


def pointing_game(maps, masks, others=None, score=_hits, mean=np.mean, axis=0):
    """Return hits in the image's own mask, in the next one's, and by chance, `(3, num_tokens)`."""
    others = np.roll(masks, -1, axis=0) if others is None else others
    own, other = (mean(score(maps, each), axis=axis) for each in (masks, others))
    return np.stack([own, other, np.full(len(own), masks.mean())])


@exercise(ours=pointing_game)
def check_pointing_game(answer):
    """Check `pointing_game(maps, masks)`; the masks are `(batch, height, width)`, bool."""

    def draw(rng):
        tokens, height, width = sizes(rng, 3, low=4)
        batch = int(rng.integers(20, 40))
        maps = rng.uniform(0, 1, (batch, tokens, height, width)).astype("float32")
        return maps, rng.uniform(0, 1, (batch, height, width)) < rng.uniform(0.3, 0.6)

    def masses(maps, masks):
        return (maps * masks[:, None]).sum(axis=(2, 3)) / maps.sum(axis=(2, 3))

    def wrong(maps, masks):
        shares = pointing_game(maps, masks)
        one_cell = shares.copy()
        one_cell[2] = 1 / masks[0].size
        swapped = np.stack([mask.T.reshape(mask.shape) for mask in masks])
        previous = np.roll(masks, 1, axis=0)
        return {
            "Your second row repeats the first.": pointing_game(maps, masks, masks),
            "You took the masks of the previous image.": pointing_game(maps, masks, previous),
            "Chance is not one cell out of all; it is the mean of the masks.": one_cell,
            "You took the sum; take the mean.": pointing_game(maps, masks, mean=np.sum),
            "Wrong axis: take the mean over the images.": pointing_game(maps, masks, axis=1),
            "You looked for the lowest cell of each map.": pointing_game(-maps, masks),
            "That is the mass, not the highest cell.": pointing_game(maps, masks, score=masses),
            "Rows and columns of the masks are swapped.": pointing_game(maps, swapped),
            "Transposed axes: the order is (3, tokens).": shares.T,
        }

    small_maps = np.array([[[[0.9, 0.3], [0.5, 0.1]]], [[[0.2, 0.4], [0.1, 0.8]]]])
    small_masks = np.array([[[1, 0], [1, 0]], [[1, 1], [0, 0]]], bool)
    compare(answer, pointing_game, wrong, draw, small=(small_maps, small_masks))


@exercise
def check_effects_of_tokens(answer):
    """Check `effects_of_tokens(tokens, rest, label)`, `(tokens,)`.

    `rest` is a function from `(any, any number of tokens, dim)` to `(any, classes)`.
    """

    def draw(rng):
        num_tokens, dim, classes = sizes(rng, 3, low=3)
        mixing, readout = random(rng, dim, dim), random(rng, dim, classes)

        def rest(tokens):
            """A block of attention without weights for values, then the mean and the classes."""
            tokens = to_numpy(tokens)
            if tokens.ndim != 3 or tokens.shape[1] == 0 or tokens.shape[2] != dim:
                raise ValueError(
                    f"rest was given an array {tokens.shape}, but it takes (any, any number of "
                    f"tokens, {dim}): add an axis for the batch, and take away tokens, not channels"
                )
            scores = softmax(tokens @ mixing @ tokens.swapaxes(1, 2) / dim, axis=2)
            return softmax((tokens + scores @ tokens).mean(axis=1) @ readout, axis=1)

        tokens = random(rng, num_tokens, dim)
        named = int(rest(tokens[None]).argmax())
        label = int(rng.choice([each for each in range(classes) if each != named]))
        return tokens, rest, label

    def without(tokens, rest):
        return rest(np.stack([np.delete(tokens, i, axis=0) for i in range(len(tokens))]))

    def right(tokens, rest, label):
        return rest(tokens[None])[0, label] - without(tokens, rest)[:, label]

    def wrong(tokens, rest, label):
        full, left = rest(tokens[None])[0], without(tokens, rest)
        named, effects = full.argmax(), full[label] - left[:, label]
        zeros = tokens * (1 - np.eye(len(tokens)))[:, :, None]
        return {
            "You set the token to 0. The rest of the network still reads it, as a token of zeros; "
            "leave it out, so that one token fewer goes in.": full[label] - rest(zeros)[:, label],
            "You kept each alone; leave each out.": full[label] - rest(tokens[:, None])[:, label],
            "The sign is wrong: it is positive where the token speaks for the class.": -effects,
            "Subtract the probability without each token from the one with all.": left[:, label],
            "Keep the sign: a token can speak for the class or against it.": np.abs(effects),
            "Use `label`, not the predicted class.": full[named] - left[:, named],
            "You used all classes; use only the class `label`.": full - left,
        }

    compare(answer, right, wrong, draw)
