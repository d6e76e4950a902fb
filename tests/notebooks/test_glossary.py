"""The glossary: its terms, its notation, and that every number in it is read or recomputed here."""

import json
import re
from math import erf, log, sqrt

import numpy as np
import pytest
from notebook_text import CODE, LINK, code_cells, markdown

from tlvit_utils import MLP, TokenLearner, TokenLearnerV11, ViTConfig, build_vit
from tlvit_utils.analysis.cost import model_cost
from tlvit_utils.training.recipe import Recipe

TERMS = """Ablation, Attention, Attention map, Augmentation, Batch normalisation, Checkpoint,
Class token, Confusion matrix, Dropout, Embedding, Epoch, Feature, FLOP, GELU, Grid, Head,
Inductive bias, Label smoothing, LayerNorm, Learning-rate schedule, Logit, MLP, Multiply-add,
Overfitting, Parameter, Patch, Pooling, Position embedding, Pre-norm, Query key value, Recipe,
Residual, Seed, Sigmoid, Softmax, Token, Token merging, TokenFuser, TokenLearner, Top-1 and top-5,
Transformer block, Weight decay"""

# the published table: means of 5 runs, and billions of multiply-adds as it counts them
PUBLISHED_TOP1 = {"none": 56.112, "8 tokens": 56.55}
PUBLISHED_GFLOPS = {"none": 0.0184, "8 tokens": 0.0153}

UNIT = r"(?: %| million| MiB| minutes| points)?"
NUMBER = re.compile(rf"−?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?{UNIT}")
NAMES = re.compile(r"\$[^$]+\$|v1\.1|et al\. \d{4}|D\.3|H200|(?:8 × 8|32 × 32)")


@pytest.fixture(scope="module")
def text(notebooks):
    return markdown(notebooks["glossary"])


@pytest.fixture(scope="module")
def sections(text):
    """The text under each heading of level 3."""
    return dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def questions(sections):
    return {heading: answer for heading, answer in sections.items() if heading.endswith("?")}


@pytest.fixture(scope="module")
def read(committed):
    """A function that reads a file among the package's assets."""
    return lambda path: json.loads((committed / "tlvit_utils/assets" / path).read_text("utf-8"))


@pytest.fixture(scope="module")
def printed(notebooks):
    """A function that finds a number among what a notebook's cells printed."""

    def find(name, pattern):
        outputs = [output for cell in code_cells(notebooks[name]) for output in cell.outputs]
        texts = "\n".join(output.get("text", "") for output in outputs)
        (number,) = re.findall(pattern, texts)
        return number

    return find


def test_terms_are_all_there_in_order(sections, questions):
    terms = [heading for heading in sections if heading not in questions]
    assert ", ".join(terms) == TERMS.replace("\n", " ")


def test_entries_are_short(sections, questions):
    for heading, entry in sections.items():
        assert len(entry.split()) <= (140 if heading in questions else 60), heading


def test_every_entry_leads_on(sections):
    assert not [heading for heading, entry in sections.items() if not LINK.search(entry)]


def test_every_answer_names_its_evidence(questions):
    evidence = re.compile(r"\]\((?:\d\d_\w+\.ipynb#|\d\d_\w+\.ipynb\)|\.\./tlvit_utils/assets/)")
    assert len(questions) >= 13
    assert not [heading for heading, answer in questions.items() if not evidence.search(answer)]


def test_notation_is_that_of_the_course(text):
    config, recipe = ViTConfig.modern(), Recipe.modern()
    side = config.grid_size
    expected = {
        "B": f"{recipe.batch_size} in training",
        "P": str(config.patch_size),
        "H \\times W": f"{side} × {side}",
        "N": str(config.num_patches),
        "C": str(config.projection_dim),
        "h": str(config.num_heads),
        "D": str(config.key_dim),
        "S": str(config.num_tokens),
    }
    rows = re.findall(r"^\| \$(.+?)\$ \| .+? \| (.+?) \| .+ \|$", text, re.MULTILINE)
    assert dict(rows) == expected


def percent(share, digits=1):
    return f"{share:.{digits}%}".replace("%", " %")


def million(count):
    return f"{count / 1e6:.1f} million"


@pytest.fixture(scope="module")
def costs():
    """What networks cost, by name."""
    published, modern = ViTConfig.published(8), ViTConfig.modern()
    configs = {
        "published, none": ViTConfig.published(None),
        "modern, none": ViTConfig.modern(None),
        "modern": modern,
    } | {f"published, after {i}": published.replace(token_learner_after=i) for i in range(4)}
    return {name: model_cost(build_vit(config)) for name, config in configs.items()}


def layer(cost, name):
    (found,) = (row for row in cost.layers if row.name == name)
    return found


@pytest.fixture(scope="module")
def facts_of_terms(read, costs):
    modern, recipe = ViTConfig.modern(), Recipe.modern()
    card, light = (read(f"weights/{name}.json") for name in ("modern_8_tokens", "light_8_tokens"))
    cats = card["test"]["confusion"][3]
    x = np.linspace(-4, 4, 8001)
    gelu = x * (1 + np.array([erf(value / sqrt(2)) for value in x])) / 2
    smoothing = recipe.label_smoothing
    off, on = smoothing / 10, 1 - smoothing + smoothing / 10
    lowest_loss = -on * log(on) - 9 * off * log(off)
    mlp = MLP(modern.mlp_units, 0.0)
    mlp.build((None, modern.num_patches, modern.projection_dim))
    published_rate, decay = Recipe.published().learning_rate, Recipe.published().weight_decay
    assert published_rate * decay == pytest.approx(1e-7)  # a ten-millionth
    return {
        "Augmentation": [str((2 * modern.padding + 1) ** 2 * 2)],
        "Confusion matrix": [f"{sum(cats):,}", str(cats[3]), str(cats[5])],
        "Dropout": [percent(ViTConfig.published().dropout_rate, 0)],
        "Embedding": [f"{layer(costs['modern'], 'patch_encoder').params:,}"],
        "Epoch": ["40,000", str(recipe.batch_size), str(40_000 // recipe.batch_size)],
        "GELU": [f"{gelu.min():.2f}".replace("-", "−")],
        "Head": [str(ViTConfig.published().key_dim)],
        "Label smoothing": [f"{smoothing}", f"{on:.2f}", f"{off:.2f}", f"{lowest_loss:.2f}"],
        "Learning-rate schedule": [f"{recipe.learning_rate}", f"{published_rate}"],
        "Logit": [f"{1 / (1 + np.e):.2f}", f"{np.e / (1 + np.e):.2f}"],
        "MLP": [f"{mlp.count_params():,}"],
        "Multiply-add": [million(costs["modern"].macs), million(costs["modern, none"].macs)],
        "Overfitting": [
            percent(light["history"]["accuracy"][-1]),
            percent(light["history"]["val_accuracy"][-1]),
        ],
        "Parameter": [f"{card['parameters']:,}"],
        "Sigmoid": [f"{1 / (1 + np.exp(0))}"],
        "TokenLearner": [f"{layer(costs['modern'], 'token_learner').params:,}"],
        "Top-1 and top-5": [
            percent(1 / 10, 0),
            percent(5 / 10, 0),
            percent(card["test"]["top1"]),
            percent(card["test"]["top5"]),
        ],
        "Transformer block": [
            million(layer(costs["modern"], f"block_{i}").macs) for i in (0, modern.num_layers - 1)
        ],
        "Weight decay": [f"{decay:.4f}", f"{recipe.weight_decay}"],
    }


def test_terms_state_what_is_computed(sections, questions, facts_of_terms):
    assert facts_of_terms.keys() <= sections.keys()
    terms = {heading: entry for heading, entry in sections.items() if heading not in questions}
    check_numbers(terms, facts_of_terms)


def scored(rows, network):
    """Return the row of a network with its trained weights."""
    (found,) = (
        row
        for row in rows
        if (row["network"], row.get("weights", "trained")) == (network, "trained")
    )
    return found


@pytest.fixture(scope="module")
def facts_of_answers(read, printed, costs):
    scores, at_224 = (
        read(f"results/{each}.json") for each in ("attention_scores", "tokens_at_224")
    )
    card, light, published = (
        read(f"weights/{name}_8_tokens.json") for name in ("modern", "light", "published")
    )
    v11 = read("weights/modern_8_tokens_v1.1.json")
    assert v11["recipe"] == card["recipe"]
    top1_of = {  # of each seed
        network: [
            run["test"]["top1"]
            for run in read(f"results/modern_{network}_cifar10_20_epochs.json")["runs"]
            if run["seed"] in seeds
        ]
        for network, seeds in (
            ("8_tokens_v1", (0, 1, 2)),
            ("8_tokens_v1.1", (0, 1)),
            ("no_token_learner", (0, 1, 2)),
        )
    }
    assert top1_of["8_tokens_v1"][0] == card["test"]["top1"]
    assert top1_of["8_tokens_v1.1"][0] == v11["test"]["top1"]
    top1_of_published = [
        run["test"]["top1"]
        for run in read("results/published_8_tokens_v1_cifar10_20_epochs.json")["runs"]
    ]
    seed_1 = read("results/modern_8_tokens_v1_cifar10_20_epochs.json")["runs"][1]
    with_maps, without_cells, maps = (
        scored(scores[what], "modern_8_tokens")
        for what in ("accuracy_with_maps", "accuracy_without_patches", "maps")
    )
    v11_with_maps = scored(scores["accuracy_with_maps"], "modern_8_tokens_v1.1")
    cosine = 1 - maps["diversity"]
    at_16 = without_cells["removed"].index(16)
    none, after = costs["published, none"], [costs[f"published, after {i}"] for i in range(4)]
    saved = [1 - cost.macs / none.macs for cost in after]
    attention = 4 * (4 * 64 * 128 * 512 + 2 * 64**2 * 512)
    convolutions = [row for row in costs["modern"].layers if row.name.startswith("convolution")]
    share_of = {
        what: sum(getattr(row, what) for row in convolutions) / getattr(costs["modern"], what)
        for what in ("params", "macs")
    }
    at_224 = {
        (row["layer"], row["after_blocks"]): row
        for row in at_224["rows"]
        if row["num_tokens"] in (8, 196)
    }
    learners = [at_224["TokenLearner", i] for i in (3, 6, 9)]
    count = sum(map(sum, card["test"]["confusion"]))
    error = sqrt(card["test"]["top1"] * (1 - card["test"]["top1"]) / count)
    assert abs(card["test"]["top1"] - v11["test"]["top1"]) < 2 * sqrt(2) * error
    top1, gflops = PUBLISHED_TOP1, PUBLISHED_GFLOPS
    assert [round(c.published_gflops, 4) for c in (none, after[2])] == list(gflops.values())
    assert top1["8 tokens"] - top1["none"] == pytest.approx(0.44, abs=0.005)
    assert at_224["none", None]["multiply_adds"] > learners[1]["multiply_adds"]
    return {
        "Why do so few tokens not hurt?": [
            f"{with_maps['images']:,}",
            *(percent(with_maps[each]) for each in ("learned", "mean", "uniform")),
            printed("06_attention_maps", r"one cell: .+ on average (\d+)%") + " %",
            *(percent(v11_with_maps[each]) for each in ("learned", "uniform")),
        ],
        "Why a sigmoid in v1 and a softmax in v1.1?": [
            "1.5",
            percent(card["test"]["top1"]),
            percent(v11["test"]["top1"]),
            percent(top1_of["8_tokens_v1"][1]),
            percent(top1_of["8_tokens_v1.1"][1]),
        ],
        "What if the maps look alike?": [
            f"{with_maps['images']:,}",
            f"{cosine:.2f}",
            printed("06_attention_maps", r"two tokens of one image ([\d.]+)"),
            f"{without_cells['images']:,}",
            *(
                printed("06_attention_maps", rf"\n +{kept} +([\d.]+)%(?: +[\d.]+%){{3}}") + " %"
                for kept in (1, 8)
            ),
        ],
        "Why is the mean taken here and the sum there?": [
            f"{float(printed('03_token_learner', rf'{pooling} +tokens {what}')):.0f}"
            for pooling in ("sum", "mean")
            for what in (r"of length +([\d.]+)", r".+ block adds ([\d.]+)")
        ],
        "Why does the accuracy stay low with the published recipe?": [
            f"{top1['8 tokens']} %",
            percent(published["test"]["top1"]),
            percent(published["history"]["accuracy"][-1]),
            percent(light["test"]["top1"]),
            percent(light["history"]["accuracy"][-1]),
            percent(card["test"]["top1"]),
        ],
        "What do the published GFLOPs count?": [
            percent(attention / none.macs, 0),
            str(gflops["none"]),
            str(gflops["8 tokens"]),
            million(none.published_gflops * 1e9),
            million(none.macs),
            million(after[2].macs),
            percent(1 - after[2].published_gflops / none.published_gflops, 0),
            percent(saved[2], 0),
        ],
        "Why can more parameters mean less work?": [
            f"{layer(after[2], 'token_learner').params:,}",
            f"{none.params:,}",
            f"{after[2].params:,}",
            f"{none.macs / 1e6:.1f}",
            million(after[2].macs),
            percent(share_of["params"], 0),
            percent(share_of["macs"], 0),
            str(layer(costs["modern"], "convolution_0").output_shape[0] ** 2),
        ],
        "What do 196 tokens at 224 pixels cost in memory?": [
            f"{at_224['none', None]['peak_mib']:.0f} MiB",
            f"{learners[0]['peak_mib']:.0f} MiB",
            *(f"{row['peak_mib']:.0f}" for row in learners[1:]),
        ],
        "How does TokenLearner relate to token merging and pooling?": [
            "224",
            million(learners[1]["multiply_adds"]),
            f"{at_224['average pooling', 6]['multiply_adds'] / 1e6:.1f}",
            f"{100 * (with_maps['learned'] - with_maps['uniform']):.1f} points",
        ],
        "Where should TokenLearner stand?": [
            *(percent(share) for share in saved[:3]),
            percent(-saved[3]),
            percent(1 - costs["modern"].macs / costs["modern, none"].macs),
            percent(np.mean(top1_of["8_tokens_v1"])),
            percent(np.mean(top1_of["no_token_learner"])),
        ],
        "Does a bright map show why the network answered as it did?": [
            f"{without_cells['images']:,}",
            percent(without_cells["random"][0]),
            *(percent(without_cells[o][at_16]) for o in ("most attended", "other image", "random")),
        ],
        "Is one training enough to say which network is better?": [
            f"{count:,}",
            *map(percent, top1_of["8_tokens_v1"]),
            f"{100 * error:.1f} points",
            f"{100 * sqrt(2) * error:.1f}",
            f"{100 * min(top1_of_published):.1f}",
            percent(max(top1_of_published)),
            f"{top1['8 tokens'] - top1['none']:.2f} points",
        ],
        "Do I need a GPU?": [
            f"{card['seconds']:.0f}",
            f"{card['history']['seconds'][0]:.0f}",
            f"{seed_1['seconds']:.0f}",
        ],
    }


def test_answers_state_what_was_measured(questions, facts_of_answers):
    assert facts_of_answers.keys() <= questions.keys()
    check_numbers(questions, facts_of_answers)


def stated(entry):
    """Return the numbers that an entry states; those in names, formulas and code are none."""
    return set(NUMBER.findall(NAMES.sub(" ", LINK.sub(r"\g<label>", CODE.sub(" ", entry)))))


def check_numbers(entries, facts):
    """Each fact stands in its entry, and no entry states a number that is not among its facts.

    Whole numbers up to 100 without a unit need no facts: they count parts, epochs, classes.
    """
    wrong = {}
    for heading, entry in entries.items():
        numbers, known = stated(entry), set(facts.get(heading, []))
        counts = {number for number in numbers if re.fullmatch(r"\d{1,2}|100", number)}
        if differing := (known - numbers) | (numbers - known - counts):
            wrong[heading] = differing
    assert not wrong


@pytest.mark.parametrize(
    ("entry", "facts"),
    [("It is 80.6 %.", ["80.7 %"]), ("It has 870,858.", []), ("There are 8.", ["0.5"])],
)
def test_a_number_that_drifted_is_found(entry, facts):
    with pytest.raises(AssertionError):
        check_numbers({"A?": entry}, {"A?": facts})


# what answers claim without a number


def test_65_tokens_are_refused():
    with pytest.raises(ValueError, match="65 tokens, which is not a square number"):
        TokenLearner(8).build((None, 65, 128))


def test_constant_grids_do_what_the_answers_say():
    grid = np.full((1, 8, 8, 128), 3, "float32")
    mean, total, v11 = TokenLearner(8), TokenLearner(8, "sum"), TokenLearnerV11(8)
    np.testing.assert_allclose(mean(grid), 1.5, rtol=1e-5)
    np.testing.assert_allclose(total(grid), 64 * 1.5, rtol=1e-5)
    np.testing.assert_allclose(v11(grid), 3, rtol=1e-5)
