"""Checks for the exercises of notebook 06."""

import numpy as np

from tlvit_utils.checks.comparison import compare, exercise, random, sizes, softmax, to_numpy


@exercise
def check_occlude(answer):
    """Check `occlude(view, attention_map, count)` (notebook 06).

    `(height * size, width * size, 3)`, `(height, width)` and a number to a picture like the view.
    """

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

    def right(view, attention_map, count, **options):
        return paint(view, attention_map, cells(attention_map)[:count], **options)

    def wrong(view, attention_map, count):
        order = cells(attention_map)
        marked = order[:count]
        return {
            "You removed the cells with the least weight; remove those with the most.": (
                paint(view, attention_map, order[-count:])
            ),
            "You kept the cells with the most weight and removed all others; do the reverse.": (
                paint(view, attention_map, order[count:])
            ),
            "Off by one: you removed one cell too many.": (
                paint(view, attention_map, order[: count + 1])
            ),
            "Off by one: you removed one cell too few.": (
                paint(view, attention_map, order[: count - 1])
            ),
            "Rows and columns are exchanged: the first axis of both arrays runs down.": (
                paint(view, attention_map, [(column, row) for row, column in marked])
            ),
            "A cell's row is its number divided by the number of columns, not of rows.": (
                paint(view, attention_map, cells(attention_map, len(attention_map))[:count])
            ),
            "You filled the cells with 0, which is black and new to the network; fill them with "
            "the mean colour of the view.": right(view, attention_map, count, colour=np.zeros_like),
            "You filled the cells with one grey; the mean colour has three numbers, one for each "
            "channel.": right(view, attention_map, count, colour=lambda cell: view.mean()),
            "You filled each cell with its own mean, which still tells something of what was "
            "there; take the mean colour of the whole view.": (
                right(view, attention_map, count, colour=lambda cell: cell.mean(axis=(0, 1)))
            ),
        }

    compare(answer, right, wrong, draw)
    return "views and maps of 3 random shapes"


@exercise
def check_pointing_game(answer):
    """Check `pointing_game(maps, masks)` (notebook 06).

    `(batch, tokens, height, width)` and `(batch, height, width)` of True and False to
    `(3, tokens)`: hits in the own mask, in the next image's, and by chance.
    """

    def draw(rng):
        tokens, height, width = sizes(rng, 3, low=4)
        batch = int(rng.integers(20, 40))
        maps = rng.uniform(0, 1, (batch, tokens, height, width)).astype("float32")
        return maps, rng.uniform(0, 1, (batch, height, width)) < rng.uniform(0.3, 0.6)

    def hits(maps, masks):
        """Return `(batch, tokens)`: does the highest cell lie in the mask?"""
        peaks = maps.reshape(*maps.shape[:2], -1).argmax(axis=2)
        return np.take_along_axis(masks.reshape(len(masks), -1), peaks, axis=1)

    def rows(maps, masks, others, score=hits, mean=np.mean):
        own, other = (mean(score(maps, each), axis=0) for each in (masks, others))
        return np.stack([own, other, np.full(maps.shape[1], masks.mean())])

    def right(maps, masks, **options):
        return rows(maps, masks, np.roll(masks, -1, axis=0), **options)

    def masses(maps, masks):
        return (maps * masks[:, None]).sum(axis=(2, 3)) / maps.sum(axis=(2, 3))

    def one_peak(maps, masks):
        highest = maps == maps.max(axis=(1, 2, 3), keepdims=True)
        return hits(np.repeat(highest.any(axis=1)[:, None], maps.shape[1], axis=1), masks)

    def wrong(maps, masks):
        shares = right(maps, masks)
        one_cell = shares.copy()
        one_cell[2] = 1 / masks[0].size
        exchanged = np.stack([mask.T.reshape(mask.shape) for mask in masks])
        return {
            "Your second row is the first again: hold the maps to the masks of the next image.": (
                rows(maps, masks, masks)
            ),
            "Off by one: you held the maps to the masks of the previous image, not of the next.": (
                rows(maps, masks, np.roll(masks, 1, axis=0))
            ),
            "Chance is not one cell in all: a random cell hits as often as the mask covers the "
            "grid, so it is the mean of the masks.": one_cell,
            "You took the sum in place of the mean: divide the hits by the number of images.": (
                right(maps, masks, mean=np.sum)
            ),
            "Wrong axis: take the mean over the images; each token has a score of its own.": (
                np.stack(
                    [
                        hits(maps, masks).mean(axis=1),
                        hits(maps, np.roll(masks, -1, axis=0)).mean(axis=1),
                        np.full(len(maps), masks.mean()),
                    ]
                )
            ),
            "You looked for one highest cell among all maps of an image; each map has its own.": (
                right(maps, masks, score=one_peak)
            ),
            "That is the mass, the share of the map inside the mask; the pointing game asks only "
            "for the highest cell.": right(maps, masks, score=masses),
            "Transposed axes: rows and columns of the masks are exchanged.": (
                rows(maps, exchanged, np.roll(exchanged, -1, axis=0))
            ),
            "Transposed axes: the order is (3, tokens).": shares.T,
        }

    compare(answer, right, wrong, draw)
    return "own, next and chance on 3 random shapes"


@exercise
def check_effects_of_tokens(answer):
    """Check `effects_of_tokens(tokens, rest, label)` (notebook 06).

    `(tokens, dim)`, a function from `(any, any number of tokens, dim)` to `(any, classes)`, and
    the class to watch, to `(tokens,)`.
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

    def before(tokens, rest):
        return rest(tokens[None])[0]

    def without(tokens, rest):
        return rest(np.stack([np.delete(tokens, i, axis=0) for i in range(len(tokens))]))

    def right(tokens, rest, label):
        return before(tokens, rest)[label] - without(tokens, rest)[:, label]

    def replaced(tokens, rest, others):
        """Return the probabilities with each token in turn replaced by one of these."""
        sequences = np.repeat(tokens[None], len(tokens), axis=0)
        each = np.arange(len(tokens))
        sequences[each, each] = others
        return rest(sequences)

    def wrong(tokens, rest, label):
        full, left = before(tokens, rest), without(tokens, rest)
        means = (tokens.sum(axis=0) - tokens) / (len(tokens) - 1)
        named = full.argmax()
        return {
            "You set the token to 0. The rest of the network still reads it, as a token of zeros; "
            "leave it out, so that one token fewer goes in.": (
                full[label] - replaced(tokens, rest, 0)[:, label]
            ),
            "You put a mean in the token's place; leave it out, so that one token fewer goes in.": (
                full[label] - replaced(tokens, rest, means)[:, label]
            ),
            "You kept each token alone; leave each out alone.": (
                full[label] - rest(tokens[:, None])[:, label]
            ),
            "The sign is the other way round: above 0 where the token speaks for the class.": (
                left[:, label] - full[label]
            ),
            "You returned the probability without each token; take it from that with all.": (
                left[:, label]
            ),
            "You took the size of the change; its sign tells whether the token speaks for the "
            "class or against it.": np.abs(full[label] - left[:, label]),
            "You watched the class that the network names; watch the class `label`.": (
                full[named] - left[:, named]
            ),
            "You watched all classes; watch the class `label` alone.": full - left,
        }

    compare(answer, right, wrong, draw)
    return "3 random networks"
