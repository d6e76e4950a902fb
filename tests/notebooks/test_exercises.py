"""The exercises in the notebooks: stubs run, solutions are right, typical mistakes are named.

A wrong answer is the notebook's own solution with one edit, so that neither drifts from the other.
"""

import ast
import re
from dataclasses import dataclass

import pytest
from nbformat import NotebookNode

from run_notebooks import read_notebook
from tlvit_utils.checks import CheckError

HEADING = re.compile(r"^### Exercise (\d): .+ \*\((\d+) minutes\)\*$", re.MULTILINE)
SOLUTION = re.compile(
    r"<details><summary><b>Solution</b></summary>\n\n```python\n(.*?)```\n.*?</details>", re.DOTALL
)

# For each function: what to change in the solution, into what, and a part of the message
WRONG_ANSWERS = {
    "join_patches": [
        ("blocks.transpose(0, 2, 1, 3, 4)", "blocks", "without a transpose"),
        ("transpose(0, 2, 1, 3, 4)", "transpose(0, 3, 1, 2, 4)", "inside each patch"),
        ("reshape(rows, columns, p", "reshape(columns, rows, p", "numbers are not"),
        (
            "    blocks = blocks.transpose(0, 2, 1, 3, 4)",
            "    blocks = patches.reshape(columns, rows, patch_size, patch_size, 3)\n"
            "    blocks = blocks.transpose(1, 2, 0, 3, 4)",
            "column by column",
        ),
        ("columns * patch_size, 3)\n", "columns * patch_size, 3).swapaxes(0, 1)\n", "on its side"),
    ],
    "encode": [
        ("return patches @", "return (patches + positions) @", "numbers are not"),
        (
            "return patches @ kernel.reshape(-1, dim) + bias + positions",
            "return (patches + positions) @ kernel.reshape(-1, dim) + bias",
            "before the projection",
        ),
        (" + positions", "", "positions are missing"),
        (" + bias", "", "bias of the projection is missing"),
        (
            "+ positions",
            "+ positions[(np.arange(len(positions)) + 1) % len(positions)]",
            "Off by one",
        ),
        (".transpose(0, 1, 3, 2, 4, 5)", "", "strips, not squares"),
        ("(0, 1, 3, 2, 4, 5)", "(0, 3, 1, 2, 4, 5)", "column by column"),
        ("    size, dim", "    images *= 2\n    size, dim", "in place"),
    ],
    "fixed_positions": [
        ("rows, columns = np.divmod", "columns, rows = np.divmod", "exchanged"),
        ("    frequencies", "    rows, columns = rows + 1, columns + 1\n    frequencies", "Off by"),
        (
            "np.divmod(np.arange(grid_size**2), grid_size)",
            "2 * [np.arange(grid_size**2)]",
            "token's number",
        ),
        ("100.0", "10000.0", "numbers are not"),
    ],
    "dropout": [
        ("if not training", "if False", "Dropout at inference"),
        (" / (1 - rate)", "", "scaled up"),
        ("0, x / (1 - rate)", "x / (1 - rate), 0", "other way round"),
        ("if not training", "if True", "nothing was dropped"),
        ("return x\n", "return x * (1 - rate)\n", "leave inference alone"),
        (
            "    return np.where(noise < rate, 0, x / (1 - rate))",
            "    x[noise < rate] = 0\n    return x / (1 - rate)",
            "in place",
        ),
    ],
    "post_norm_block": [
        ("norm1(x + attention(x))", "norm1(attention(x))", "attention's result must be added"),
        ("norm2(x + mlp(x))", "norm2(mlp(x))", "MLP's result must be added"),
        (
            "    x = norm1(x + attention(x))",
            "    x += attention(x)\n    x = norm1(x)",
            "in place",
        ),
        ("norm2(x + mlp(x))", "x + norm2(mlp(x))", "numbers are not"),
        (
            "norm1(x + attention(x))\n    return norm2(x + mlp(x))",
            "x + norm1(attention(x))\n    return x + norm2(mlp(x))",
            "normalise the sum",
        ),
        (
            "norm1(x + attention(x))\n    return norm2(x + mlp(x))",
            "x + attention(norm1(x))\n    return x + mlp(norm2(x))",
            "pre-norm",
        ),
        (
            "x = norm1(x + attention(x))\n    return norm2(x + mlp(x))",
            "return norm2(mlp(norm1(attention(x))))",
            "Both residuals are missing",
        ),
        (
            "x = norm1(x + attention(x))\n    return norm2(x + mlp(x))",
            "return norm2(x + mlp(norm1(x + attention(x))))",
            "the block's input",
        ),
    ],
    "attention_with_heads": [
        ("axis=-1", "axis=-2", "over the tokens that are read"),
        ("axis=-1", "axis=1", "heads must not compete"),
        ("queries_by_head.shape[-1]", "queries.shape[-1]", "whole width"),
        ("np.sqrt(queries_by_head.shape[-1])", "1", "not divided by the root"),
        (".transpose(0, 2, 1, 3).reshape(queries.shape)", ".reshape(queries.shape)", "before the"),
        ("def split(x):", "num_heads = 1\n\n    def split(x):", "All heads were taken as one"),
        (
            "    def split(x):\n",
            "    def split(x):\n        return x.reshape(x.shape[0], num_heads, x.shape[1], -1)\n\n"
            "    def unused(x):\n",
            "numbers are not",
        ),
    ],
    "weighted_mean": [
        (
            "weights / weights.sum(axis=-1, keepdims=True)",
            "weights",
            "the sum in place of the mean",
        ),
        ("weights.sum(axis=-1, keepdims=True)", "(height * width)", "number of cells"),
        ("weights.sum(axis=-1, keepdims=True)", "maps.shape[1]", "number of tokens"),
        ("axis=-1", "axis=1", "over the maps"),
        ("height * width, dim)\n", "height * width, dim).swapaxes(0, 1)\n", "raised ValueError"),
        (
            "weights = weights / weights.sum(axis=-1, keepdims=True)",
            "weights = (maps / maps.sum(axis=3, keepdims=True)).reshape(weights.shape)",
            "sum of each row",
        ),
    ],
    "softmax_maps": [
        ("axis=(1, 2)", "axis=3", "cells of a map must"),
        ("axis=(1, 2)", "axis=1", "each column of a map"),
        ("axis=(1, 2)", "axis=2", "each row of a map"),
        ("axis=(1, 2)", "axis=(1, 2, 3)", "all maps of an image"),
        ("maps.transpose(0, 3, 1, 2)", "maps", "the order is (batch, tokens, height, width)"),
        ("transpose(0, 3, 1, 2)", "transpose(0, 3, 2, 1)", "height and width are exchanged"),
        (
            "maps.transpose(0, 3, 1, 2)",
            "maps.reshape(len(maps), maps.shape[3], *maps.shape[1:3])",
            "hold numbers of each other",
        ),
    ],
    "tokens_of_video": [
        (
            "ops.reshape(tokens, (batch, -1, dim))",
            "ops.reshape(ops.swapaxes(ops.reshape(tokens, (batch, frames, -1, dim)), 1, 2), "
            "(batch, -1, dim))",
            "first frame come first",
        ),
        (
            "ops.reshape(tokens, (batch, -1, dim))",
            "ops.mean(ops.reshape(tokens, (batch, frames, -1, dim)), axis=1)",
            "mean over the frames",
        ),
        (
            "ops.reshape(tokens, (batch, -1, dim))",
            "ops.sum(ops.reshape(tokens, (batch, frames, -1, dim)), axis=1)",
            "sum over the frames",
        ),
        (
            "ops.reshape(tokens, (batch, -1, dim))",
            "ops.reshape(ops.swapaxes(ops.reshape(tokens, (batch, frames, -1, dim)), 0, 1), "
            "(batch, -1, dim))",
            "videos and frames are exchanged",
        ),
        ("ops.reshape(tokens, (batch, -1, dim))", "tokens", "Unfold at the end"),
        ("token_learner(grids)", "token_learner(video)", "fold the frames"),
    ],
    "tokens_read": [
        ("block <= after", "block < after", "still reads all patches"),
        ("block <= after", "block <= after + 1", "blocks count from 0"),
        (
            "return [num_patches if block <= after",
            "return [num_patches] + [num_patches if block < after",
            "before the first block",
        ),
        ("return [", "return [num_patches], [", "no array of numbers"),
        ("range(num_layers)", "range(num_layers - 1)", "must have shape"),
    ],
    "block_macs": [
        ("projections + between_tokens + mlp", "mlp", "Attention is missing"),
        ("2 * num_tokens**2", "num_tokens**2", "one of two products"),
        (" + between_tokens", "", "need no weights, but work"),
        ("4 * num_tokens", "3 * num_tokens", "the output matrix"),
        ("2 * num_tokens * dim", "num_tokens * dim", "two Dense layers"),
        ("num_heads * key_dim", "key_dim", "width of each head"),
        (
            "projections + between_tokens + mlp",
            "2 * (projections + between_tokens + mlp)",
            "a multiply-add is one of each",
        ),
    ],
    "create_pyramid": [
        (
            "range(config.num_layers):\n",
            "range(config.num_layers):\n"
            "        if i in token_learners:\n"
            "            x = TokenLearner(token_learners.pop(i), config.pooling)(x)\n",
            "one block too early",
        ),
        ("range(config.num_layers)", "range(1, config.num_layers + 1)", "one block too early"),
        ("range(config.num_layers)", "range(-1, config.num_layers - 1)", "one block too late"),
        ("if i in token_learners", "if i == 2", "must read [16, 16, 9, 4]"),
        ("(config.dropout_rate)(x)", "(config.dropout_rate)(x, training=True)", "at inference"),
        ("    x = layers.LayerNormalization(epsilon=1e-6)(x)\n", "", "parameters"),
        ("config.pooling", "'mean'", "predictions are not its own"),
        ("return keras.Model(images, ", "return (", "must return a Keras model"),
    ],
    "top_k_share": [
        ("[:, -k:]", "[:, :k]", "the k lowest"),
        ("[:, -k:]", "[:, -k - 1 :]", "k + 1 classes"),
        ("[:, -k:]", "[:, 1 - k :]", "k - 1 classes"),
        ("[:, -k:]", "[:, -k : 1 - k]", "k-th class alone"),
        ("[:, -k:]", "[:, -1:]", "which is top-1"),
        (".mean()", ".sum()", "divide by their number"),
        ("(probabilities, axis=1)", "(probabilities, axis=0)", "the wrong axis"),
    ],
    "smoothed_crossentropy": [
        (
            "(1 - smoothing) * np.eye(classes)[labels] + smoothing / classes",
            "np.eye(classes)[labels]",
            "Nothing is smoothed",
        ),
        (
            "(1 - smoothing) * np.eye(classes)[labels] + smoothing / classes",
            "np.where(np.eye(classes)[labels], 1 - smoothing, smoothing / (classes - 1))",
            "over the wrong classes only",
        ),
        (
            "(1 - smoothing) * np.eye(classes)[labels] + smoothing / classes",
            "np.where(np.eye(classes)[labels], 1 - smoothing, smoothing / classes)",
            "sum to less than 1",
        ),
        ("(1 - smoothing) * np.eye", "np.eye", "sum to more than 1"),
        ("    classes =", "    smoothing = 1 - smoothing\n    classes =", "parts are exchanged"),
        (
            "    targets = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes",
            "    probabilities = (1 - smoothing) * probabilities + smoothing / classes\n"
            "    targets = np.eye(classes)[labels]",
            "smooth the targets",
        ),
        (".mean()", ".sum()", "sum over the images"),
        (".sum(axis=1).mean()", ".mean()", "mean over the classes"),
        (".sum(axis=1).mean()", ".sum(axis=1)", "Give one number"),
        ("return -", "return ", "The sign"),
        ("np.log(", "np.log2(", "take the natural one"),
        ("    return", "    probabilities += 1e-7\n    return", "in place"),
    ],
    "adamw_step": [
        (
            "    m = 0.9 *",
            "    gradient = gradient + weight_decay * weights\n    weight_decay = 0\n    m = 0.9 *",
            "The decay went into the gradient",
        ),
        (" - learning_rate * weight_decay * weights", "", "weight decay is missing"),
        ("learning_rate * weight_decay", "weight_decay", "multiplied by the learning rate"),
        (
            " / (1 - 0.9**step)\n    square = v / (1 - 0.999**step)",
            "\n    square = v",
            "bias correction is missing",
        ),
        (" / (1 - 0.999**step)", "", "bias correction of v is missing"),
        (" / (1 - 0.9**step)", "", "bias correction of m is missing"),
        ("    mean =", "    step = step - 1\n    mean =", "subtracted from `step`"),
        ("    mean =", "    step = step + 1\n    mean =", "added to `step`"),
        ("np.sqrt(square)", "square", "root of v is missing"),
        ("* mean /", "* gradient /", "not this gradient alone"),
        (
            "    m = 0.9 * m + 0.1 * gradient\n    v = 0.999 * v + 0.001 * gradient**2\n"
            "    mean = m / (1 - 0.9**step)\n    square = v / (1 - 0.999**step)",
            "    mean = m / (1 - 0.9**step)\n    square = v / (1 - 0.999**step)\n"
            "    m = 0.9 * m + 0.1 * gradient\n    v = 0.999 * v + 0.001 * gradient**2",
            "bring them up to date first",
        ),
        ("decayed - learning_rate", "decayed + learning_rate", "goes uphill"),
        (", m, v\n", ", mean, square\n", "Return m and v as they are"),
        ("    m = 0.9 * m + 0.1 * gradient", "    m *= 0.9\n    m += 0.1 * gradient", "in place"),
    ],
    "occlude": [
        ("[-count:]", "[:count]", "the least weight; remove those with the most"),
        ("[-count:]", "[:-count]", "do the reverse"),
        ("[-count:]", "[-count - 1 :]", "one cell too many"),
        ("[-count:]", "[-count + 1 :]", "one cell too few"),
        ("row, column = divmod", "column, row = divmod", "Rows and columns are exchanged"),
        ("divmod(cell, width)", "divmod(cell, height)", "the number of columns, not of rows"),
        ("view.mean(axis=(0, 1))", "0", "0, which is black"),
        ("view.mean(axis=(0, 1))", "view.mean()", "one for each channel"),
        ("view.mean(axis=(0, 1))", "view[rows, columns].mean(axis=(0, 1))", "its own mean"),
        ("view.copy()", "view", "in place"),
    ],
    "pointing_game": [
        ("np.roll(masks, -1, axis=0)", "masks", "the first again"),
        ("np.roll(masks, -1, axis=0)", "np.roll(masks, 1, axis=0)", "the previous image"),
        ("masks.mean())", "1 / masks[0].size)", "Chance is not one cell"),
        ("peaks, axis=1).mean(axis=0)", "peaks, axis=1).sum(axis=0)", "sum in place of the mean"),
        (
            "return np.take_along_axis(cells, peaks, axis=1).mean(axis=0)",
            "return (maps * masks[:, None]).sum(axis=(2, 3)).mean(axis=0)",
            "numbers are not",
        ),
        (
            "return np.take_along_axis(cells, peaks, axis=1).mean(axis=0)",
            "inside = (maps * masks[:, None]).sum(axis=(2, 3))\n"
            "        return (inside / maps.sum(axis=(2, 3))).mean(axis=0)",
            "That is the mass",
        ),
        (
            "maps.reshape(batch, num_tokens, -1).argmax(axis=2)",
            "maps.max(axis=1).reshape(batch, 1, -1).argmax(axis=2).repeat(num_tokens, 1)",
            "among all maps of an image",
        ),
        (
            "peaks = maps.reshape(batch, num_tokens, -1)",
            "peaks = maps.swapaxes(2, 3).reshape(batch, num_tokens, -1)",
            "numbers are not",
        ),
        ("cells = masks", "cells = masks.swapaxes(1, 2)", "rows and columns of the masks"),
        ("masks.mean())])", "masks.mean())], axis=1)", "the order is (3, tokens)"),
        (
            "axis=1).mean(axis=0)",
            "axis=1).mean(axis=1)",
            "raised ValueError: all input arrays must have the same shape",
        ),
    ],
    "effects_of_tokens": [
        (
            "np.stack([np.delete(tokens, i, axis=0) for i in range(len(tokens))])",
            "np.where(np.eye(len(tokens), dtype=bool)[..., None], 0, tokens)",
            "as a token of zeros",
        ),
        (
            "np.stack([np.delete(tokens, i, axis=0) for i in range(len(tokens))])",
            "np.stack([tokens] * len(tokens))\n"
            "    for i in range(len(tokens)):\n"
            "        without[i, i] = np.delete(tokens, i, axis=0).mean(axis=0)",
            "a mean in the token's place",
        ),
        (
            "np.stack([np.delete(tokens, i, axis=0) for i in range(len(tokens))])",
            "tokens[:, None]",
            "kept each token alone",
        ),
        ("tokens, i, axis=0", "tokens, i, axis=1", "take away tokens, not channels"),
        ("rest(tokens[None])", "rest(tokens)", "add an axis for the batch"),
        (
            "rest(tokens[None])[0, label] - rest(without)[:, label]",
            "rest(without)[:, label] - rest(tokens[None])[0, label]",
            "The sign is the other way round",
        ),
        ("rest(tokens[None])[0, label] - ", "", "probability without each token"),
        (
            "return rest(tokens[None])[0, label] - rest(without)[:, label]",
            "return abs(rest(tokens[None])[0, label] - rest(without)[:, label])",
            "size of the change",
        ),
        ("    return", "    label = rest(tokens[None]).argmax()\n    return", "the network names"),
        (
            "rest(tokens[None])[0, label] - rest(without)[:, label]",
            "rest(tokens[None])[0] - rest(without)",
            "You watched all classes",
        ),
    ],
    "masked_pooling": [
        ("-1e9", "0", "exp(0) is 1"),
        ("logits, -1e9", "-1e9, logits", "wrong way round"),
        ("exists[..., None], logits", "True, logits", "mask is not used"),
        (
            "    logits = np.where(exists[..., None], logits, -1e9)\n"
            "    powers = np.exp(logits - logits.max(axis=(1, 2), keepdims=True))\n"
            "    maps = powers /",
            "    powers = np.exp(logits)\n    maps = exists[..., None] * powers /",
            "Masked after the softmax",
        ),
        ("axis=(1, 2)", "axis=3", "tokens compete for each cell"),
        ("axis=(1, 2)", "axis=2", "each row of a map"),
        ("maps, grid)", "maps, grid) / exists[0].size", "take the sum"),
        ("->bsc", "->bcs", "the order is (batch, tokens, dim)"),
        ("    logits = np", "    logits[~exists] = -1e9\n    logits = np", "in place"),
    ],
    "fuse": [
        ("grid + ", "", "residual is missing"),
        ("1 / (1 + np.exp(-mask_logits))", "mask_logits", "sigmoid is missing"),
        (
            "1 / (1 + np.exp(-mask_logits))",
            "np.exp(mask_logits) / np.exp(mask_logits).sum(axis=3, keepdims=True)",
            "makes each cell a mean",
        ),
        (
            "1 / (1 + np.exp(-mask_logits))",
            "np.exp(mask_logits) / np.exp(mask_logits).sum(axis=(1, 2), keepdims=True)",
            "Softmax over the wrong axis",
        ),
        ("tokens[:, None]", "tokens[:, None] / tokens.shape[1]", "mean over the tokens"),
        ("masks @", "masks.mean(axis=(1, 2), keepdims=True) @", "one mask for all cells"),
        (
            "    return grid + masks @ tokens[:, None]",
            "    grid += masks @ tokens[:, None]\n    return grid",
            "in place",
        ),
        ("tokens[:, None]", "tokens", "raised ValueError"),
    ],
    "merge_pairs": [
        (
            "even_sizes, odd_sizes = sizes[0::2], sizes[1::2]",
            "even_sizes, odd_sizes = np.ones((2, len(even)))",
            "plain mean",
        ),
        ("np.linalg.norm(x, axis=1, keepdims=True)", "1", "dot product"),
        ("argsort(-cosines", "argsort(cosines", "least alike"),
        ("np.delete(even, merged, axis=0)", "even", "still there"),
        (
            "    np.add.at(sums, partners, even[merged] * even_sizes[merged, None])\n"
            "    np.add.at(weights, partners, even_sizes[merged])",
            "    sums[partners] += even[merged] * even_sizes[merged, None]\n"
            "    weights[partners] += even_sizes[merged]",
            "counts a repeated index once",
        ),
        (
            "tokens[0::2], tokens[1::2]\n    even_sizes, odd_sizes = sizes[0::2], sizes[1::2]",
            "tokens[1::2], tokens[0::2]\n    even_sizes, odd_sizes = sizes[1::2], sizes[0::2]",
            "Even and odd places are exchanged",
        ),
        ("[left, sums / weights[:, None]]", "[sums / weights[:, None], left]", "order is"),
        ("odd_sizes.copy()", "odd_sizes", "in place"),
    ],
    "mean_and_spread": [
        ("ddof=1", "ddof=0", "one less"),
        (" / np.sqrt(runs)", "", "spread again"),
        ("np.sqrt(runs)", "runs", "falls with its root"),
        ("[mean, spread,", "[mean, spread**2,", "variance"),
        ("], axis=1)", "])", "Transposed"),
    ],
    "on_the_front": [
        ("return ~", "return ", "are beaten"),
        (
            "    return",
            "    beaten = (costs[None] < costs[:, None]) & "
            "(accuracies[None] > accuracies[:, None])\n    return",
            "costs the same",
        ),
        (" & differs", "", "beats itself"),
        (
            "    return ~beaten.any(axis=1)",
            "    return (costs == costs.min()) | (accuracies == accuracies.max())",
            "Only the cheapest",
        ),
        ("    cheaper", "    costs = -costs\n    cheaper", "less is better"),
    ],
    "share_as_large": [
        ("abs(difference) >= abs(seen)", "difference >= seen", "one direction"),
        (">= abs(seen) - 1e-9", "> abs(seen) + 1e-9", "one of the ways"),
        (">= abs(seen) - 1e-9", "< abs(seen) - 1e-9", "*smaller*"),
        ("np.mean(as_large)", "np.sum(as_large)", "number of ways"),
    ],
    "images_needed": [
        ("8 * p", "2 * p", "one standard error"),
        ("8 * p", "4 * p", "add up"),
        ("8 * p", "16 * p", "add as squares"),
        ("difference**2", "difference", "not squared"),
        (" * (1 - p)", "", "nothing left to chance"),
    ],
    "paired_difference": [
        ("second.astype(float) - first", "first.astype(float) - second", "turned round"),
        (
            "differences.std() / np.sqrt(len(differences))",
            "np.sqrt((first.var() + second.var()) / len(first))",
            "image by image",
        ),
        (" / np.sqrt(len(differences))", "", "deviation of one image"),
        (" / np.sqrt(len(differences))", " / len(differences)", "falls with"),
        ("second.astype(float) - first", "(second != first).astype(float)", "sign of each"),
    ],
}


@dataclass
class Exercise:
    """An exercise: its function's name, its cell, the texts around it, the imports before it."""

    name: str
    notebook: str
    task: str
    stub: NotebookNode
    help: str
    imports: str

    @property
    def solution(self):
        (solution,) = SOLUTION.findall(self.help)
        return solution

    def run(self, code):
        """Run `code` and then the exercise's check, as its cell has it."""
        *_, check = ast.parse(self.stub.source).body
        scope = {}
        exec(f"{self.imports}\n{code}\n{ast.unparse(check)}", scope)


def imports_of(source):
    """Return the import statements of a cell, without its magics."""
    lines = [line for line in source.splitlines() if not re.match(r"\s*[%!]", line)]
    nodes = ast.parse("\n".join(lines)).body
    return [ast.unparse(each) for each in nodes if isinstance(each, ast.Import | ast.ImportFrom)]


@pytest.fixture(scope="module")
def exercises(committed):
    """All exercises, by the names of their functions, in the order of the notebooks."""
    found = {}
    for path in sorted((committed / "notebooks").glob("*.ipynb")):
        cells, imports = read_notebook(path).cells, []
        for before, cell, after in zip(cells, cells[1:], cells[2:], strict=False):
            if cell.cell_type != "code":
                continue
            imports += imports_of(cell.source)
            if "exercise" in cell.metadata.get("tags", []):
                (name,) = re.findall(r"^def (\w+)", cell.source, re.MULTILINE)
                assert name not in found
                found[name] = Exercise(
                    name, path.stem, before.source, cell, after.source, "\n".join(imports)
                )
    return found


@pytest.fixture(params=WRONG_ANSWERS)
def exercise(request, exercises):
    return exercises[request.param]


def test_every_exercise_has_wrong_answers(exercises):
    assert list(exercises) == list(WRONG_ANSWERS)
    assert all(len(edits) >= 2 for edits in WRONG_ANSWERS.values())


def test_exercises_of_a_notebook_are_numbered_and_become_longer(exercises):
    by_notebook = {}
    for each in exercises.values():
        (heading,) = HEADING.findall(each.task)
        by_notebook.setdefault(each.notebook, []).append(tuple(map(int, heading)))
    for found in by_notebook.values():
        numbers, minutes = zip(*found, strict=True)
        assert numbers == tuple(range(1, len(found) + 1)) and len(found) >= 2
        assert list(minutes) == sorted(minutes)


def test_exercise_has_hints_and_a_solution(exercise):
    assert "<details><summary><b>Hints</b></summary>" in exercise.help
    assert f"def {exercise.name}(" in exercise.solution


def test_stub_runs_and_is_not_done_yet(exercise, capsys):
    exec(f"{exercise.imports}\n{exercise.stub.source}", {})
    assert capsys.readouterr().out == f"{exercise.name}: not done yet\n"


def test_solution_is_right(exercise, capsys):
    exercise.run(exercise.solution)
    assert capsys.readouterr().out.startswith(f"{exercise.name}: right (")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [(name, *edit) for name, edits in WRONG_ANSWERS.items() for edit in edits],
    ids=[f"{name} {i}" for name, edits in WRONG_ANSWERS.items() for i in range(len(edits))],
)
def test_mistake_is_named(exercises, name, old, new, message):
    exercise = exercises[name]
    assert old in exercise.solution
    with pytest.raises(CheckError, match=re.escape(message)):
        exercise.run(exercise.solution.replace(old, new))
