"""The exercises in the notebooks: stubs run, solutions are right, typical mistakes are named.

A wrong answer is the notebook's own solution with one edit, so that neither drifts from the other.
"""

import ast
import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise

import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from notebook_text import SOLUTION, printed, run_cell, tags, without_magics

from run_notebooks import ROOT, read_notebook
from tlvit_utils.checks import CheckError
from tlvit_utils.checks.answers import EXERCISES

STEMS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
# For each function: what to change in the solution, into what, and a part of the message
WRONG_ANSWERS = {
    "cut_patches": [
        ("blocks.transpose(0, 1, 3, 2, 4, 5)", "blocks", "strips of the picture"),
        ("(0, 1, 3, 2, 4, 5)", "(0, 3, 1, 2, 4, 5)", "column by column"),
        ("(0, 1, 3, 2, 4, 5)", "(0, 1, 3, 4, 2, 5)", "inside each patch"),
        ("(0, 1, 3, 2, 4, 5)", "(0, 1, 3, 5, 2, 4)", "colour must stay last"),
        ("    batch,", "    images *= 2\n    batch,", "in place"),
    ],
    "PatchEncoder": [
        (" + self.position_embedding(positions)", "", "positions are missing"),
        ("return patches + ", "return patches * ", "You multiplied"),
        ("ops.arange(self", "ops.zeros(self", "the same position"),
        ("(num_patches, projection_dim)\n\n", "(projection_dim, num_patches)\n\n", "another size"),
        ("patches + self.position_embedding(positions)", "ops.zeros(3)", "must have shape"),
    ],
    "join_patches": [
        ("blocks.transpose(0, 2, 1, 3, 4)", "blocks", "transpose is missing"),
        ("transpose(0, 2, 1, 3, 4)", "transpose(0, 3, 1, 2, 4)", "inside each patch"),
        ("columns * patch_size, 3)\n", "columns * patch_size, 3).swapaxes(0, 1)\n", "on its side"),
        ("return blocks", "return block", "It raised NameError"),
    ],
    "fixed_positions": [
        ("rows, columns = np.divmod", "columns, rows = np.divmod", "exchanged"),
        ("    frequencies", "    rows, columns = rows + 1, columns + 1\n    frequencies", "Off by"),
        ("concatenate(waves, axis=1)", "stack(waves, axis=2).reshape(-1, dim)", "four numbers"),
        ("/ (dim // 4))", "/ dim)", "You used -k/C"),
        ("(-np", "(np", "sign is missing"),
    ],
    "attention": [
        ("axis=-1", "axis=0", "each row must sum to 1"),
        ("weights.sum(axis=-1, keepdims=True)", "weights.sum()", "each row must have its own"),
        (" / np.sqrt(keys.shape[-1])", "", "not divided by the root"),
        ("np.sqrt(keys.shape[-1])", "keys.shape[-1]", "its square root"),
        ("np.sqrt(keys.shape[-1])", "np.sqrt(len(keys))", "number of tokens"),
        ("weights @ values", "weights", "multiply them with the values"),
    ],
    "MLP": [
        ("x = ops.gelu(x, approximate=True)", "x = ops.relu(x)", "ReLU in place"),
        ("approximate=True", "approximate=False", "exact GELU"),
        (" or dense is not self.dense_layers[-1]", "", "No GELU after the hidden"),
        ("self.activate_last or ", "", "`activate_last` is True"),
        ("if self.activate_last or dense is not self.dense_layers[-1]", "if True", "is False"),
        ("training=training", "training=True", "Dropout at inference"),
        ("            x = self.dropout(x, training=training)\n", "", "No dropout"),
    ],
    "TransformerBlock": [
        ("self.norm2(x)", "self.norm1(x)", "`norm1` twice"),
        ("normed, normed,", "x, x,", "pass `normed`, twice"),
        ("normed, normed,", "normed, x,", "Keys and values come from `x`"),
        ("normed, normed,", "x, normed,", "queries come from `x`"),
        ("self.norm2(x)", "x", "MLP read `x` without its norm"),
        ("x = x + attended", "x = attended", "first residual"),
        ("x = x + self.mlp", "x = self.mlp", "second residual"),
        ("x = x + attended", "x = normed + attended", "as it came in"),
        ("x = x + attended", "y = x + attended", "be added to that"),
        ("attended, scores = attended", "scores = attended", "It raised"),
    ],
    "dropout": [
        ("if not training", "if False", "Dropout at inference"),
        (" / (1 - rate)", "", "scaled up"),
        ("0, x / (1 - rate)", "x / (1 - rate), 0", "other way round"),
        ("if not training", "if True", "nothing was dropped"),
        ("return x\n", "return x * (1 - rate)\n", "leave inference alone"),
    ],
    "attention_with_heads": [
        ("axis=-1", "axis=-2", "over the tokens that are read"),
        ("axis=-1", "axis=1", "heads must not compete"),
        ("queries_by_head.shape[-1]", "queries.shape[-1]", "whole width"),
        ("np.sqrt(queries_by_head.shape[-1])", "1", "not divided by the root"),
        (".transpose(0, 2, 1, 3).reshape(queries.shape)", ".reshape(queries.shape)", "before the"),
    ],
    "pool": [
        (" / (height * width)", "", "took the sum"),
        ("/ (height * width)", "/ maps.shape[1]", "number of tokens"),
        ("/ (height * width)", "/ maps.sum(axis=(2, 3))[..., None]", "sum of each map"),
        ("-1, height * width)", "height * width, -1).swapaxes(1, 2)", "Reshape for transpose"),
    ],
    "TokenLearner": [
        ("transpose(maps, (0, 2, 1))", "reshape(maps, (-1, *maps.shape[:0:-1]))", "mixes the"),
        ("maps = self.norm(grid)", "maps = grid", "maps come from the raw grid"),
        ("maps = self.norm(grid)", "maps = grid = self.norm(grid)", "weight the raw grid"),
        ("maps / (height * width)", "maps", 'is pooling="sum"'),
        ("maps / (height * width)", "maps / self.num_tokens", "number of tokens"),
        ("ops.sum(maps, axis=-1", "ops.sum(maps, axis=1", "Wrong axis"),
        ("return tokens, ops.reshape(maps", "return tokens, ops.reshape(weights", "undivided"),
    ],
    "softmax_maps": [
        ("    powers", "    logits = 1 / (1 + np.exp(-logits))\n    powers", "before the softmax"),
        ("axis=(1, 2)", "axis=3", "cells of a map must"),
        ("axis=(1, 2)", "axis=1", "each column of a map"),
        ("axis=(1, 2)", "axis=2", "each row of a map"),
        ("axis=(1, 2)", "axis=(1, 2, 3)", "all maps of an image"),
        ("maps.transpose(0, 3, 1, 2)", "maps", "the order is (batch, tokens, height, width)"),
    ],
    "tokens_of_video": [
        ("ops.reshape(tokens, (batch, -1, dim))", "tokens", "Unfold at the end"),
        ("token_learner(grids)", "token_learner(video)", "fold the frames"),
    ],
    "build_vit": [
        ("x, maps = token", "x = token", "Unpack them"),
        ("(x, return_attention_maps=True)", "(x), None", "its maps"),
        ("i == config", "i + 1 == config", "one block too early"),
        ("i == config", "i - 1 == config", "one block too late"),
        ("            config.activate_last,\n", "", "activate_last=True, but"),
        ("LayerNormalization(epsilon=1e-6", "Rescaling(1", "before the mean"),
        ("epsilon=1e-6, ", "", "epsilon=0.001, but"),
        ("layers.GlobalAveragePooling1D", "layers.Flatten", "side by side"),
        ("GlobalAveragePooling1D", "GlobalMaxPooling1D", "This is the maximum"),
        ('            name=f"block_{i}",\n', "", "No layer has the name 'block_0'"),
    ],
    "tokens_read": [
        ("block <= after", "block < after", "still reads all patches"),
        ("block <= after", "block <= after + 1", "blocks count from 0"),
        ("return [", "return [num_patches], [", "no array of numbers"),
        ("range(num_layers)", "range(num_layers - 1)", "must have shape"),
    ],
    "block_macs": [
        ("projections + between_tokens + mlp", "mlp", "Attention is missing"),
        ("2 * num_tokens**2", "num_tokens**2", "one of two products"),
        (" + between_tokens", "", "need no weights, but work"),
        ("4 * num_tokens", "3 * num_tokens", "the output matrix"),
        ("2 * num_tokens * dim", "num_tokens * dim", "two Dense layers"),
    ],
    "create_pyramid": [
        ("range(config.num_layers)", "range(1, config.num_layers + 1)", "one block too early"),
        ("range(config.num_layers)", "range(-1, config.num_layers - 1)", "one block too late"),
        ("if i in token_learners", "if i == 2", "other numbers of tokens"),
        ("(config.dropout_rate)(x)", "(config.dropout_rate)(x, training=True)", "at inference"),
        ("    x = layers.LayerNormalization(epsilon=1e-6)(x)\n", "", "before the mean is missing"),
        ("pooling)(x)", "pooling)(x, return_attention_maps=True)", "Unpack them"),
    ],
    "train_step": [
        (", training=True", "", "call it with"),
        ("        loss = ", "    loss = ", "no gradient"),
        ("model(images", "model(labels", "It raised"),
        ("    optimizer.apply(gradients, model.trainable_weights)\n", "", "apply the gradients"),
        ("apply(gradients,", "apply([-gradient for gradient in gradients],", "uphill"),
        ("return loss", "return tf.reduce_sum(probabilities, axis=1)", "Return the loss"),
    ],
    "top_k_share": [
        ("[:, -k:]", "[:, :k]", "the k lowest"),
        ("[:, -k:]", "[:, -k - 1 :]", "k + 1 classes"),
        ("[:, -k:]", "[:, 1 - k :]", "k - 1 classes"),
        ("[:, -k:]", "[:, -k : 1 - k]", "k-th class alone"),
        ("[:, -k:]", "[:, -1:]", "which is top-1"),
        (".any(axis=1).mean()", ".mean()", "divided by k as well"),
    ],
    "smoothed_crossentropy": [
        ("(1 - smoothing) * np.eye", "np.eye", "sum to more than 1"),
        ("    classes =", "    smoothing = 1 - smoothing\n    classes =", "parts are exchanged"),
        (".mean()", ".sum()", "sum over the images"),
        (".sum(axis=1).mean()", ".mean()", "mean over the classes"),
        (".sum(axis=1).mean()", ".sum(axis=1)", "Give one number"),
    ],
    "adamw_step": [
        (
            "    m = 0.9 *",
            "    gradient = gradient + weight_decay * weights\n    weight_decay = 0\n    m = 0.9 *",
            "The decay went into the gradient",
        ),
        (" - learning_rate * weight_decay * weights", "", "weight decay is missing"),
        ("learning_rate * weight_decay", "weight_decay", "multiplied by the learning rate"),
        ("(np.sqrt(square) + 1e-7)", "np.sqrt(square + 1e-7)", "inside the root"),
        (" + 1e-7", "", "1e-7 in the divisor is missing"),
        (" / (1 - 0.999**step)", "", "bias correction of v is missing"),
        (" / (1 - 0.9**step)", "", "bias correction of m is missing"),
        ("    mean =", "    step = step - 1\n    mean =", "subtracted from `step`"),
    ],
    "predict_with_maps": [
        ("[model.output, maps]", "[maps, model.output]", "The order is (probabilities, maps)"),
        ("[model.output, maps]", "[model.output, tokens]", "are the tokens"),
        ("tokens, maps =", "maps, tokens =", "are the tokens"),
        ("return ops.convert_to_numpy(probabilities),", "return", "Return two arrays"),
        ("numpy(maps)", "numpy(maps)[:1]", "first image alone"),
        ('"token_learner"', '"tokens"', "It raised ValueError: No such layer"),
    ],
    "attention_viewer": [
        ("maps.shape[1] - 1", "maps.shape[1]", "The slider `token` ends at"),
        ("maps.shape[1] - 1", "maps.shape[2] - 1", "The slider `token` ends at"),
        ("maps[image.value, token.value]", "maps[token.value, image.value]", "image first"),
        ("maps[image.value, token.value]", "maps[0, token.value]", "belongs to image 0"),
        ("maps[image.value, token.value]", "maps[image.value].mean(axis=0)", "drew the mean map"),
        ('    token.observe(draw, "value")\n', "", "does not follow the slider `token`"),
        ('    image.observe(draw, "value")\n', "", "does not follow the slider `image`"),
        ("    draw()\n", "", "empty until a slider moves"),
    ],
    "occlude": [
        ("argsort(-attention_map", "argsort(attention_map", "the least weight; remove those"),
        ("[:count]", "[count:]", "do the reverse"),
        ("[:count]", "[: count + 1]", "one cell too many"),
        ("[:count]", "[: count - 1]", "one cell too few"),
        ("(-attention_map, axis=None)[:count]", "(attention_map, axis=None)[-count:]", "x[-0:]"),
        ("row, column = divmod", "column, row = divmod", "Rows and columns are exchanged"),
        ("divmod(cell, width)", "divmod(cell, height)", "number of columns, not of rows"),
        ("view.mean(axis=(0, 1))", "0", "filled the cells with 0"),
        ("view.mean(axis=(0, 1))", "view.mean()", "three numbers, one for each channel"),
        ("view.copy()", "view", "in place"),
    ],
    "pointing_game": [
        ("np.roll(masks, -1, axis=0)", "masks", "the first again"),
        ("np.roll(masks, -1, axis=0)", "np.roll(masks, 1, axis=0)", "the previous image"),
        ("masks.mean())", "1 / masks[0].size)", "Chance is not one cell"),
        (".mean(axis=0)", ".sum(axis=0)", "sum in place of the mean"),
        (".argmax(axis=2)", ".argmin(axis=2)", "lowest cell"),
        ("cells = masks", "cells = masks.swapaxes(1, 2)", "rows and columns of the masks"),
    ],
    "effects_of_tokens": [
        ("tokens, i, axis=0", "tokens, i, axis=1", "take away tokens, not channels"),
        ("rest(tokens[None])", "rest(tokens)", "add an axis for the batch"),
        ("before[0, label] - after", "after", "probability without each token"),
        ("before[0, label] - after[:, label]", "after[:, label] - before[0, label]", "The sign is"),
        ("np.delete(tokens, i, axis=0)", "tokens * (np.arange(len(tokens)) != i)[:, None]", "to 0"),
        ("    return", "    label = before.argmax()\n    return", "the network names"),
    ],
    "softmax_pooling": [
        (
            "ops.transpose(logits, (0, 2, 1))",
            "ops.reshape(logits, (-1, num_tokens, height * width))",
            "Reshape for transpose",
        ),
        ("ops.softmax(logits)", "ops.softmax(logits, axis=1)", "tokens compete for each cell"),
        ("ops.softmax(logits)", "logits", "softmax is missing"),
        ("ops.softmax(logits)", "ops.sigmoid(logits)", "v1's sigmoid"),
        ("ops.matmul(maps, cells)", "ops.matmul(maps, cells) / (height * width)", "take the sum"),
        ("return tokens, ops.reshape", "return ops.reshape(maps, (-1,)), ops.reshape", "shape"),
    ],
    "TokenLearnerV11": [
        ("self.mlp(self.norm(grid)", "self.mlp(grid", "come from the raw grid"),
        ("(logits, grid)", "(logits, self.norm(grid))", "weight the raw grid"),
        ("(tokens, maps) if", "tokens if", "return the pair"),
        ("(tokens, maps) if", "(tokens, tokens) if", "`maps` is wrong"),
        ("training=training)", "training=True)", "Dropout at inference"),
        ("(bottleneck_dim, num_tokens)", "(bottleneck_dim, 1)", "weights of `mlp`"),
        ("self.norm =", "self.layer_norm = self.norm_ =", "It raised AttributeError"),
    ],
    "permutation_test": [
        ("cells[:, order]", "cells", "with themselves"),
        ("np.abs(after - before).max()", "(after - before).max()", "without its size"),
        (".max()", ".mean()", "mean of the changes"),
        (".max()", ".min()", "smallest change"),
        (".max()", "", "return the largest"),
        ("np.abs(after - before)", "np.abs(shuffled - cells)", "compare the tokens"),
    ],
    "TokenFuser": [
        ("ops.sigmoid(self", "ops.sigmoid(-self", "sigmoid's sign"),
        ("ops.sigmoid(self", "ops.softmax(self", "Softmax over the tokens"),
        ("ops.sigmoid(self", "(self", "sigmoid is missing"),
        ("self.mask_mlp(self.grid_norm(grid)", "self.mask_mlp(grid", "masks come from the raw"),
        ("return self.dropout(fused", "return grid + self.dropout(fused", "You added the grid"),
        ("        tokens = self.token_mixing(tokens)\n", "", "not mixed with each other"),
        ("            tokens = self.tokens_norm2(tokens)\n", "            pass\n", "second norm"),
        ("            tokens = self.tokens_norm1(tokens)\n", "            pass\n", "first norm"),
    ],
    "masked_pooling": [
        (
            "    logits = np.where(exists[..., None], logits, -1e9)\n"
            "    powers = np.exp(logits - logits.max(axis=(1, 2), keepdims=True))\n"
            "    maps = powers /",
            "    powers = np.exp(logits)\n    maps = exists[..., None] * powers /",
            "sum to less than 1",
        ),
        (
            "    logits = np.where",
            "    grid = grid * exists[..., None]\n    0 * np.where",
            "less than 1",
        ),
        ("logits - logits.max(axis=(1, 2), keepdims=True)", "logits", "exp overflows"),
        ("-1e9", "0", "exp(0) is 1"),
        ("logits, -1e9", "-1e9, logits", "wrong way round"),
        ("exists[..., None], logits", "True, logits", "mask is not used"),
        ("axis=(1, 2)", "axis=3", "tokens compete for each cell"),
        ("axis=(1, 2)", "axis=2", "each row of a map"),
    ],
    "merge_pairs": [
        (
            "    np.add.at(sums, partners, even[merged] * even_sizes[merged, None])\n"
            "    np.add.at(weights, partners, even_sizes[merged])",
            "    sums[partners] += even[merged] * even_sizes[merged, None]\n"
            "    weights[partners] += even_sizes[merged]",
            "counts a repeated index once",
        ),
        (
            "    np.add.at(sums, partners, even[merged] * even_sizes[merged, None])\n"
            "    np.add.at(weights, partners, even_sizes[merged])",
            "    mean = odd.copy()\n"
            "    for i, j in zip(merged, partners):\n"
            "        both = even_sizes[i] + odd_sizes[j]\n"
            "        mean[j] = (even[i] * even_sizes[i] + mean[j] * odd_sizes[j]) / both\n"
            "    sums = mean * weights[:, None]",
            "Stale sizes",
        ),
        ("np.linalg.norm(x, axis=1, keepdims=True)", "1", "dot product"),
        ("argsort(-cosines", "argsort(cosines", "least alike"),
        ("np.delete(even, merged, axis=0)", "even", "still there"),
        ("[left, sums / weights[:, None]]", "[sums / weights[:, None], left]", "order is"),
        ("odd_sizes.copy()", "odd_sizes", "in place"),
    ],
    "mean_and_spread": [
        ("ddof=1", "ddof=0", "one less"),
        ("spread / np.sqrt(accuracies.shape[1])", "spread", "spread again"),
        ("np.sqrt(accuracies.shape[1])", "accuracies.shape[1]", "falls with its root"),
        (".std(axis=1", ".var(axis=1", "That is the variance"),
        ("[mean, spread,", "[mean, spread**2,", "Second column: that is the variance"),
        ("(axis=1", "(axis=0", "Wrong axis"),
        ("], axis=1)", "])", "Transposed"),
    ],
    "welch_interval": [
        ("second.mean() - first.mean()", "first.mean() - second.mean()", "turned round"),
        ("var(", "std(", "That is the deviation"),
        ("ddof=1) / len", "ddof=1) + 0 * len", "variance of single trainings"),
        ("ddof=1", "ddof=0", "one less than the number"),
        ("np.sqrt(a + b)", "(a + b)", "root is missing"),
        ("np.sqrt(a + b)", "(np.sqrt(a) + np.sqrt(b))", "then take the root"),
        ("student_t(degrees) * ", "", "one standard error"),
    ],
    "on_the_front": [
        ("return ~", "return ", "are beaten"),
        (" & differs", "", "beats itself"),
        ("    cheaper", "    costs = -costs\n    cheaper", "less is better"),
        (".any(axis=1)", ".any(axis=0)", "Wrong axis"),
    ],
    "share_as_large": [
        ("abs(difference) >= abs(seen)", "difference >= seen", "one direction"),
        (">= abs(seen) - 1e-9", "> abs(seen) + 1e-9", "one of the ways"),
        (">= abs(seen) - 1e-9", "< abs(seen) - 1e-9", "*smaller*"),
        ("np.mean(as_large)", "np.sum(as_large)", "number of ways"),
    ],
    "images_needed": [
        ("4 * (disagree", "(disagree", "one standard error"),
        ("4 * (disagree", "2 * (disagree", "square the two"),
        (" - difference**2)", ")", "mean of the differences is missing"),
        ("(disagree - difference**2)", "(disagree - difference)", "*square* of the mean"),
        (" / difference**2", " / difference", "not squared"),
        ("4 * (disagree - difference**2)", "8 * disagree * (1 - disagree)", "different images"),
    ],
    "which_stand": [
        (" / left", "", "Nothing is corrected"),
        ("left -= 1", "pass", "Bonferroni"),
        ("break", "left -= 1\n            continue", "Stop at the first"),
        ("stand[i]", "stand[len(p_values) - left]", "order of size"),
    ],
}


@dataclass
class Exercise:
    """A stub: its function or class, its cell, the text after it, the imports before it."""

    name: str
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
        built = {name: ours for name, (_, ours) in EXERCISES.items() if ours is not None}
        run_cell(f"{self.imports}\n{code}\n{ast.unparse(check)}", built)


def imports_of(source):
    """Return the import statements of a cell, without its magics."""
    nodes = ast.parse(without_magics(source)).body
    return [ast.unparse(each) for each in nodes if isinstance(each, ast.Import | ast.ImportFrom)]


@pytest.fixture(scope="module")
def exercises(committed):
    """All exercises, by the names of their functions and classes, in the order of the notebooks."""
    found = {}
    for path in sorted((committed / "notebooks").glob("*.ipynb")):
        cells, imports = read_notebook(path).cells, []
        for cell, after in pairwise(cells):
            if cell.cell_type == "code":
                imports += imports_of(cell.source)
            if "exercise" in tags(cell):
                (name,) = re.findall(r"^(\w+) = checks\.check\(\1\)$", cell.source, re.MULTILINE)
                assert name not in found
                found[name] = Exercise(name, cell, after.source, "\n".join(imports))
    return found


@pytest.fixture(params=WRONG_ANSWERS)
def exercise(request, exercises):
    return exercises[request.param]


def test_every_exercise_has_wrong_answers(exercises):
    assert sorted(exercises) == sorted(WRONG_ANSWERS)


def test_stub_runs_and_is_not_done_yet(exercise, capsys):
    run_cell(f"{exercise.imports}\n{exercise.stub.source}", {})
    assert capsys.readouterr().out.startswith(f"{exercise.name}: not done yet")


def test_solution_is_right(exercise, capsys):
    exercise.run(exercise.solution)
    assert capsys.readouterr().out == f"{exercise.name}: right\n"


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


def with_solutions(notebook, exercises):
    """Return the notebook with every stub replaced by its solution."""
    filled = deepcopy(notebook)
    for cell in filled.cells:
        if "exercise" in tags(cell):
            *_, check = cell.source.splitlines()
            name = check.partition(" ")[0]
            imports = "\n".join(imports_of(cell.source))
            cell.source = f"{imports}\n\n{exercises[name].solution}\n{check}"
    return filled


@pytest.mark.slow
@pytest.mark.parametrize("name", STEMS)
def test_notebook_runs_with_all_stubs_filled(name, notebooks, exercises, committed):
    """nbmake runs the notebooks as they are; this runs what the learner ends up with."""
    filled = with_solutions(notebooks[name], exercises)
    client = NotebookClient(
        filled, timeout=600, resources={"metadata": {"path": committed / "notebooks"}}
    )
    client.execute()
    assert "not done yet" not in printed(filled)
