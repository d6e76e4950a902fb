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
from run_notebooks import all_notebooks, read_notebook
from test_checks import COMPARED
from tlvit_utils.checks import CheckError
from tlvit_utils.checks.answers import EXERCISES

STEMS = [path.stem for path in all_notebooks()]
# For each function: what to change in the solution, into what, and a part of the message.
# `test_checks.py` tries every named mistake of the functions in `COMPARED`.
WRONG_ANSWERS = {
    "PatchEncoder": [
        (" + self.position_embedding(positions)", "", "positions are missing"),
        ("return patches + ", "return patches * ", "You multiplied"),
        ("ops.arange(self", "ops.zeros(self", "the same position"),
    ],
    "MLP": [
        ("x = ops.gelu(x, approximate=True)", "x = ops.relu(x)", "ReLU instead"),
        ("approximate=True", "approximate=False", "exact GELU"),
        (" or dense is not self.dense_layers[-1]", "", "GELU is missing inside"),
        ("self.activate_last or ", "", "`activate_last` is True"),
        ("if self.activate_last or dense is not self.dense_layers[-1]", "if True", "is False"),
        ("training=training", "training=True", "Dropout at inference"),
        ("            x = self.dropout(x, training=training)\n", "", "Dropout is missing: "),
        ("            x = self.dropout(", "        x = self.dropout(", "after the hidden"),
        (
            "            x = self.dropout(x, training=training)\n        return x",
            "            y, x = x, self.dropout(x, training=training)\n        return y",
            "after the last",
        ),
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
        ("x = x + attended", "y = x + attended", "be added to it"),
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
    "build_vit": [
        ("x, maps = token", "x = token", "Unpack them"),
        ("(x, return_attention_maps=True)", "(x), None", "its maps"),
        ("i == config", "i + 1 == config", "one block too early"),
        ("i == config", "i - 1 == config", "one block too late"),
        ("            config.activate_last,\n", "", "activate_last=True, but"),
        ("LayerNormalization(epsilon=1e-6", "Rescaling(1", "before the mean"),
        ("epsilon=1e-6, ", "", "epsilon=0.001, but"),
        (', name="norm"', "", "the name 'norm'"),
        ("layers.GlobalAveragePooling1D", "layers.Flatten", "side by side"),
        ("GlobalAveragePooling1D", "GlobalMaxPooling1D", "This is the maximum"),
    ],
    "create_pyramid": [
        ("range(config.num_layers)", "range(1, config.num_layers + 1)", "one block too early"),
        ("range(config.num_layers)", "range(-1, config.num_layers - 1)", "one block too late"),
        ("if i in token_learners", "if i == 2", "the right numbers of tokens"),
        ("(config.dropout_rate)(x)", "(config.dropout_rate)(x, training=True)", "at inference"),
        ("    x = layers.LayerNormalization(epsilon=1e-6)(x)\n", "", "before the mean is missing"),
        ("pooling)(x)", "pooling)(x, return_attention_maps=True)", "Unpack them"),
    ],
    "train_step": [
        (", training=True", "", "call it with"),
        ("        loss = ", "    loss = ", "no gradient"),
        ("model(images", "model(labels", "It raised"),
        ("    optimizer.apply(gradients, model.trainable_weights)\n", "", "apply the gradients"),
        ("gradient(loss,", "gradient(probabilities,", "gradient of the loss"),
        (
            "optimizer.apply(gradients, model.trainable_weights)",
            "[w.assign_sub(g) for w, g in zip(model.trainable_weights, gradients)]",
            "`optimizer` applies",
        ),
        ("apply(gradients,", "apply([-gradient for gradient in gradients],", "uphill"),
        ("return loss", "return tf.reduce_sum(probabilities, axis=1)", "Return the loss"),
    ],
    "predict_with_maps": [
        ("[model.output, maps]", "[maps, model.output]", "Return (probabilities, maps)"),
        ("[model.output, maps]", "[model.output, tokens]", "are the tokens"),
        ("tokens, maps =", "maps, tokens =", "are the tokens"),
        ("return ops.convert_to_numpy(probabilities),", "return", "Return two arrays"),
        ("numpy(maps)", "numpy(maps)[:1]", "only the maps of the first"),
    ],
    "attention_viewer": [
        ("maps.shape[1] - 1", "maps.shape[1]", "The slider `token` ends at"),
        ("maps.shape[1] - 1", "maps.shape[2] - 1", "The slider `token` ends at"),
        ("maps[image.value, token.value]", "maps[token.value, image.value]", "image first"),
        ("maps[image.value, token.value]", "maps[0, token.value]", "map is image 0"),
        ("maps[image.value, token.value]", "maps[image.value].mean(axis=0)", "drew the mean map"),
        ('    token.observe(draw, "value")\n', "", "does not follow the slider `token`"),
        ('    image.observe(draw, "value")\n', "", "does not follow the slider `image`"),
        ("    draw()\n", "", "empty until a slider moves"),
    ],
    "occlude": [
        ("(-attention_map, axis=None)[:count]", "(attention_map, axis=None)[-count:]", "x[-0:]"),
    ],
    "softmax_pooling": [
        (
            "ops.transpose(logits, (0, 2, 1))",
            "ops.reshape(logits, (-1, num_tokens, height * width))",
            "Reshape instead of transpose",
        ),
        ("ops.softmax(logits)", "ops.softmax(logits, axis=1)", "must compete, not the tokens"),
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
    ],
    "TokenFuser": [
        ("ops.sigmoid(self", "ops.sigmoid(-self", "sigmoid's sign"),
        ("ops.sigmoid(self", "ops.softmax(self", "softmax over the tokens"),
        ("ops.sigmoid(self", "(self", "sigmoid is missing"),
        ("self.mask_mlp(self.grid_norm(grid)", "self.mask_mlp(grid", "masks come from the raw"),
        ("return self.dropout(fused", "return grid + self.dropout(fused", "You added the grid"),
        ("        tokens = self.token_mixing(tokens)\n", "", "not mixed with each other"),
        ("            tokens = self.tokens_norm2(tokens)\n", "            pass\n", "second norm"),
        ("            tokens = self.tokens_norm1(tokens)\n", "            pass\n", "first norm"),
    ],
    "masked_pooling": [
        ("logits - logits.max(axis=(1, 2), keepdims=True)", "logits", "exp overflows"),
        ("-1e9", "-100", "a lower logit"),
        ("-1e9", "-1000", "a lower logit"),
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


@pytest.fixture(params=sorted(EXERCISES))
def exercise(request, exercises):
    return exercises[request.param]


def test_every_exercise_has_a_check_and_wrong_answers(exercises):
    assert sorted(exercises) == sorted(EXERCISES)
    assert set(exercises) == {*WRONG_ANSWERS, *COMPARED}


def test_stub_runs_and_is_not_done_yet(exercise, capsys):
    run_cell(f"{exercise.imports}\n{exercise.stub.source}", {})
    assert capsys.readouterr().out.startswith(f"{exercise.name}: not done yet")


def test_solution_is_right(exercise, capsys):
    exercise.run(exercise.solution)
    assert capsys.readouterr().out == f"{exercise.name}: right\n"


@pytest.mark.slow
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
