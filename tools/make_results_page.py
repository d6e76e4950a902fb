"""Make the page of results from the result files: docs/RESULTS.md and its pictures.

    python tools/make_results_page.py

Run it whenever a file in `tlvit_utils/assets/results` has changed. `docs/results_dates.json` keeps
when each file was published and the commit at that time: a changed file gets today's date.
"""

import argparse
import json
import re
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import mean, stdev

from run_notebooks import ROOT, write_text
from tlvit_utils.analysis.comparison import Difference, compare_methods
from tlvit_utils.figures.plots import to_png
from tlvit_utils.figures.studies import accuracy_against_cost

RESULTS = ROOT / "tlvit_utils" / "assets" / "results"
PAGE = ROOT / "docs" / "RESULTS.md"
DATES = ROOT / "docs" / "results_dates.json"
TEST_IMAGES = 10_000
STUDIES = {
    "scenes10": "Scenes: an image hidden among fragments, 64 × 64 pixels",
    "cifar10": "CIFAR-10: 10 epochs of 20,000 images",
    "cifar10_short": "CIFAR-10, a short screening: 5 epochs of 10,000 images",
}
COMPARED = ("v1 weighted mean", "average pooling")  # on each layout of scenes
FIELD = (  # network, CIFAR-10 top-1 in %, epochs, million parameters and multiply-adds, source
    ("CCT-6/3×1", 95.29, 500, 3.168, 813, "CCT"),
    ("CCT-7/3×1", 94.78, 200, 3.760, 947, "CCT"),
    ("airbench94, a convolutional network", 94.01, None, None, None, "airbench"),
    ("CCT-4/3×2", 91.45, 200, 0.482, 46, "CCT"),
    ("ViT-Lite-7/4", 91.38, 200, 3.717, 239, "CCT"),
    ("ViT-CIFAR, 7 blocks", 91.01, 200, 6.3, None, "ViT-CIFAR"),
    ("CCT-2/3×2", 89.17, 200, 0.284, 33, "CCT"),
    ("Keras example, 8 tokens", 56.55, 20, None, None, "example"),
    ("Keras example, 4 tokens", 56.498, 20, None, None, "example"),
    ("Keras example, no TokenLearner, once", 56.37, 20, None, None, "example"),
    ("Keras example, no TokenLearner, once more", 56.112, 20, None, None, "example"),
    ("Keras example, no TokenLearner, 8 blocks", 55.36, 20, None, None, "example"),
    ("Keras example, early v1.1, 4 groups, 8 tokens", 55.196, 20, None, None, "example"),
    ("Keras example, early v1.1, 8 groups, 8 tokens", 54.898, 20, None, None, "example"),
    ("Keras example, early v1.1, 4 groups, 4 tokens", 54.638, 20, None, None, "example"),
)
GITHUB = "https://github.com/"
SOURCES = {
    "CCT": (
        "Hassani et al. 2021, [paper](https://arxiv.org/abs/2104.05704), "
        f"[table]({GITHUB}SHI-Labs/Compact-Transformers/blob/"
        "0d60cdd8d59420f8cb1a0e24db18132a5ae58a44/README.md)"
    ),
    "airbench": (
        "Jordan 2024, [paper](https://arxiv.org/abs/2404.00498), "
        f"[table]({GITHUB}KellerJordan/cifar10-airbench/blob/"
        "00e4a0a3cef82fc752c17453bab2435ddc1f7f1e/README.md): 3.8 seconds on an A100"
    ),
    "ViT-CIFAR": (
        f"omihub777, [table]({GITHUB}omihub777/ViT-CIFAR/blob/"
        "0766c12929602fae217589a818a5fac021d26d40/README.md)"
    ),
    "example": (
        "Gosthipaty and Paul 2021, [example](https://keras.io/examples/vision/token_learner/), "
        f"[table]({GITHUB}ariG23498/TokenLearner/blob/"
        "0647e231c0275ecc0bcd5aa865916e2cd6f4654c/README.md)"
    ),
}
HEAD = """\
# Results

`python tools/make_results_page.py` makes this page from the result files. Best rows come first.
A number with ± is a mean over seeds and the standard deviation of single runs; a number
without ± has one seed, and another seed would move it. Intervals are 95 % each. *M multiply-adds*
counts millions of multiplications, attention included, for one image in inference.
The last table has the date, commit, command and machine of each file.
"""


def load(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def link(name: str, text: str | None = None) -> str:
    """Return a link to a result file, which says its name or `text`."""
    return f"[{text or name}](../tlvit_utils/assets/results/{name}.json)"


def table(head: list[str], rows: list[list]) -> str:
    """Return a Markdown table; None becomes a dash."""
    lines = [head, ["---"] * len(head)]
    lines += [["–" if cell is None else str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def percent(values: list[float]) -> str:
    """Return mean ± standard deviation of shares, in %; of one training its share alone."""
    text = f"{100 * mean(values):.2f}"
    return text if len(values) == 1 else f"{text} ± {100 * stdev(values):.2f}"


def points(share: float) -> str:
    return f"{100 * share:.1f}".replace("-0.0", "0.0")


def named(stem: str) -> str:
    """Return the network's name from that of its result file."""
    return re.sub(r" grouped (\d+)", r", early v1.1, \1 groups", stem.replace("_", " "))


def millions(count: float, digits: int = 1) -> str:
    return f"{count / 1e6:.{digits}f}"


# sections


def whole_trainings() -> str:
    """Return the table of all networks trained on the 40,000 images of CIFAR-10."""
    found = []
    for path in sorted(RESULTS.glob("*_cifar10_*_epochs.json")):
        experiment = json.loads(path.read_text(encoding="utf-8"))
        name, epochs = path.stem.removesuffix("_epochs").split("_cifar10_")
        top1, top5 = ([run["test"][key] for run in experiment["runs"]] for key in ("top1", "top5"))
        row = [named(name), epochs, len(top1), percent(top1), percent(top5)]
        row += [millions(experiment["multiply_adds"]), millions(experiment["parameters"], 2)]
        found.append((mean(top1), [*row, f"[file](../tlvit_utils/assets/results/{path.name})"]))
    head = ["network", "epochs", "seeds", "test top-1, %", "test top-5, %", "M multiply-adds"]
    head += ["M parameters", ""]
    found.sort(key=lambda each: -each[0])
    return (
        "## CIFAR-10: full training runs\n\n"
        "40,000 images train, 10,000 choose the best epoch and 10,000 test. They were decoded from "
        "JPEG copies of CIFAR-10; the result files hold their hash.\n\n"
        "![Test accuracy of the published networks against true multiply-adds. All lie within "
        "about a point of each other.](results_published.png)\n\n"
    ) + table(head, [row for _, row in found])


def published_rows() -> list[dict]:
    """Return each training of the published networks as a row of a study."""
    rows = []
    for path in sorted(RESULTS.glob("published_*_20_epochs.json")):
        experiment = json.loads(path.read_text(encoding="utf-8"))
        if len(experiment["runs"]) > 1:
            name = path.stem.removeprefix("published_").removesuffix("_cifar10_20_epochs")
            shared = {"method": named(name), "config": experiment["config"]}
            shared["multiply_adds"] = experiment["multiply_adds"]
            rows += [shared | {"accuracy": run["test"]["top1"]} for run in experiment["runs"]]
    return rows


def goals(rows: list[dict]) -> str:
    """Say what became of the plan's goals on scenes, and of its question about the division."""

    def ours_against(other):
        return compare_methods(rows, "v1 weighted mean", other, TEST_IMAGES)

    reached = "reached" if ours_against("average pooling").mean >= 0.08 else "missed"
    half, other_half, whole = map(ours_against, ("divided only", "competing only", "v1 sum"))
    return (
        f" The plan had two goals for TokenLearner. A lead of 8 points over average pooling was "
        f"{reached}. It was also to be level with no reduction at 40 % of the work; it is "
        f"{verdict(ours_against('no reduction'))}. *Divided only*, *competing only* and *nested* "
        "were planned later; `benchmarks/study.py` and `benchmarks/nested.py` say why. The "
        f"weighted mean against *divided only*: {half}; against *competing only*: {other_half}; "
        f"against the sum: {whole}. So half of the division, equally long "
        "tokens (*divided only*), is not enough. About the other half, cells that compete, and "
        "about the whole, the question is open."
    )


def study(name: str) -> str:
    """Return the tables of one study: its methods, and the comparisons that its plan asks for."""
    result = load(f"study_{name}")
    by_method = defaultdict(list)
    for row in result["rows"]:
        by_method[row["method"]].append(row)
    accuracy = {method: [r["accuracy"] for r in rows] for method, rows in by_method.items()}
    rows = []
    for method in sorted(by_method, key=lambda each: -mean(accuracy[each])):
        one = by_method[method][0]
        seeds = ", ".join(str(row["seed"]) for row in by_method[method])
        cost = [millions(one["multiply_adds"]), millions(one["parameters"], 2)]
        rows.append([method, seeds, percent(accuracy[method]), *cost])
    compared = []
    for method, other in result["comparisons"]:
        difference = compare_methods(result["rows"], method, other, TEST_IMAGES)
        if difference is not None:
            pair = f"{method} − {other}"
            compared.append([pair, len(difference.per_seed), difference, verdict(difference)])
    text = (
        f"## {STUDIES[name]}\n\n"
        f"{link(f'study_{name}')} holds the plan, which was written before the first run, and "
        "which of the 10,000 test images each network gets right. Each method takes the place of "
        "TokenLearner in the same network, or is a network without any reduction.\n\n"
        f"![Accuracy against true multiply-adds for each method of the study.]"
        f"(results_{name}.png)\n\n"
    )
    head = ["method", "seeds", "test accuracy, %", "M multiply-adds", "M parameters"]
    text += table(head, rows)
    if compared:
        text += (
            "\nPaired differences, image by image. *Ahead*: the interval lies above 0. *Level*: it "
            "lies within one point of 0. *Open*: neither. With one seed an interval holds for "
            "other images, but says nothing about other seeds."
            f"{goals(result['rows']) if name == 'scenes10' else ''}\n\n"
        ) + table(["comparison", "seeds", "difference [95 %]", "verdict"], compared)
    return text


def verdict(difference: Difference) -> str:
    """Say what the plan of the studies calls this difference."""
    if difference.low > 0:
        return "ahead"
    if difference.high < 0:
        return "behind"
    return "level" if difference.low >= -0.01 and difference.high <= 0.01 else "open"


def maps_worth() -> str:
    """Return the tables of what the networks lose without their own maps."""
    name = "what_maps_are_worth"
    rows, places = [], []
    for row in load(name)["rows"]:
        network = named(row["method"].removesuffix("_cifar10_20_epochs"))
        cells = [f"{network} ({row['source']})", ", ".join(map(str, row["seeds"]))]
        cells.append(percent(row["accuracy"]["learned"]))
        for kind in ("other image", "mean", "uniform"):
            lost = row.get("worth", {}).get(kind)
            if lost:
                low, high = points(lost["low"]), points(lost["high"])
                text = f"{points(lost['mean'])} [{low}, {high}]"
            else:
                pairs = zip(row["accuracy"]["learned"], row["accuracy"][kind], strict=True)
                text = points(mean(own - other for own, other in pairs))
            cells.append(text)
        rows.append((mean(row["accuracy"]["learned"]), cells))
        if found := row.get("localisation"):
            held_to = ("own", "other", "chance")
            scores = [
                " / ".join(points(mean(found[each][score])) for each in held_to)
                if score in found["own"]
                else None
                for score in ("mean_map_hit", "token_hit", "best_token_hit", "mass")
            ]
            seeds = ", ".join(map(str, row["seeds"]))
            place = [cells[0], seeds, *scores, points(row["best_fixed_cell"])]
            places.append((-mean(found["own"]["mean_map_hit"]), place))
    rows.sort(key=lambda each: -each[0])
    text = (
        "## What the maps are worth\n\n"
        "The accuracy with a network's own maps, and the points that it loses when they are "
        "replaced by another image's, by fixed maps (each token's mean over all images) or by flat "
        f"maps, on all test images ({link(name)}).\n\n"
    ) + table(
        ["network (source)", "seeds", "own maps, %", "another image's", "fixed", "flat"],
        [cells for _, cells in rows],
    )
    text += (
        "\nWhere the object's place is known: how often, in %, the highest cell of the mean map, "
        "of a token's map (averaged over tokens) and of the best token's map lies on the object, "
        "and how much of the maps' weight does. The three numbers are for the object, for another "
        "picture's object, and for chance. The best fixed cell ignores the picture: an "
        "object half as wide as the picture nearly always covers its middle. A map that always "
        "finds the object hits it 100 % of the time and, on scenes, another picture's object about "
        "54 % of the time. Seed 0 of v1 mean and PatchMerger on scenes was trained *again*, "
        "because its weights were not kept. Both came out less accurate than in the study, by 0.7 "
        "and 0.9 points. The answers of the published networks were not kept image by image, so "
        "their rows have no intervals.\n\n"
    )
    places.sort(key=lambda each: each[0])
    head = ["network", "seeds", "mean map", "a token", "best token", "weight", "best fixed cell"]
    return text + table(head, [row for _, row in places])


def layouts() -> str:
    """Return the table of a short training on each layout of scenes."""
    name = "scenes10_layouts"
    result, by_layout = load(name), defaultdict(dict)
    for row in result["rows"]:
        by_layout[row["layout"]][row["method"]] = row
    rows = []
    for layout, methods in by_layout.items():
        ours, average = (methods[method] for method in COMPARED)
        apart = ours["val_accuracy"] - average["val_accuracy"]
        accuracies = [points(row["val_accuracy"]) for row in (ours, average)]
        found = [points(ours[score]) for score in ("mean_map_hit", "chance")]
        settings = ", ".join(f"{key} {value}" for key, value in ours["settings"].items())
        rows.append((apart, [layout, settings or "–", *accuracies, points(apart), *found]))
    rows.sort(key=lambda each: -each[0])
    return (
        "## Other layouts of scenes\n\n"
        f"{result['recipe']['epochs']} epochs of {result['train_images']:,} scenes, accuracy on "
        f"{result['validation_images']:,} validation scenes in %, one seed ({link(name)}): "
        "how far TokenLearner and average pooling differ, and how often the mean map finds the "
        "image. The study and the shipped networks have the standard layout, which was chosen "
        "before this test, and train four times as long. After such short training the maps find "
        "the image only where fragments are larger. So the other rows say little about longer "
        "training.\n\n"
    ) + table(
        ["layout", "what differs", *COMPARED, "difference", "image found, %", "chance"],
        [row for _, row in rows],
    )


def nested() -> str:
    """Return the table of one network with its first few tokens."""
    by_network = defaultdict(list)
    for row in load("nested")["rows"]:
        by_network[row["network"]].append(f"{100 * row['accuracy']:.2f}")
    rows = zip(*by_network.values(), strict=True)
    return (
        "## One network for 1 to 8 tokens\n\n"
        "Test accuracy on scenes, in %, with only the first few tokens. In training, one network "
        "kept its first 1, 2, 4 or 8 tokens, drawn for each image; the shipped one always had 8 "
        f"({link('nested')}). One seed.\n\n"
    ) + table(["tokens", *by_network], [[i, *cells] for i, cells in enumerate(rows, 1)])


def walk() -> str:
    """Return the walk from the published network to modern(), and changes to its end."""
    result = load("walk")
    steps = [row for row in result["rows"] if row["part"] == "walk"]
    ends = [steps[-1], *(row for row in result["rows"] if row["part"] == "seeds")]
    others = [row for row in result["rows"] if row["part"] == "alternatives"]
    last = [(row, f"modern(), seed {row['seed']}") for row in ends]
    last += [(row, row["change"]) for row in others]
    last.sort(key=lambda each: -each[0]["val_accuracy"])
    settings = result["settings"]
    columns = ["validation accuracy, %", "M multiply-adds"]
    return (
        "## From the published network to modern()\n\n"
        f"{settings['epochs']} epochs of {settings['train_images']:,} images, accuracy on "
        f"{settings['validation_images']:,} validation images ({link('walk')}). Each step keeps "
        "those before it. Each has one seed, so a difference of three points may be chance.\n\n"
        + table(
            ["step", "change", *columns],
            [[i, row["change"], *_screened(row)] for i, row in enumerate(steps)],
        )
        + "\nOne change to the last step, with seed 0:\n\n"
        + table(["change", *columns], [[name, *_screened(row)] for row, name in last])
    )


def _screened(row) -> list[str]:
    return [f"{100 * row['val_accuracy']:.1f}", millions(row["multiply_adds"])]


def crops_and_views() -> str:
    """Return the table of what crops and views do to the published network."""
    name = "crops_and_views"
    values = defaultdict(list)
    for row in load(name)["rows"]:
        values[row["crops"], row["view"]].append(row["top1"])
    rows = sorted(values.items(), key=lambda each: -mean(each[1]))
    cells = [[crops, view, len(top1), percent(top1)] for (crops, view), top1 in rows]
    return (
        f"## The published example, its crops and its view\n\n{link(name)}, 20 epochs.\n\n"
    ) + table(["random crops", "tested on", "seeds", "test top-1, %"], cells)


SPEED = {  # file: title, columns and what they are called, the column that ranks (- for fastest)
    "throughput": (
        "Training and inference on two cores",
        {
            "backend": "backend",
            "form": "network, in float32 unless it says otherwise",
            "training_images_per_second": "training, images/s",
            "inference_images_per_second": "inference, images/s",
        },
        lambda row: -row["training_images_per_second"],
    ),
    "time_to_accuracy": (
        "Time to 56.5 % validation accuracy",
        {"form": "network", "epochs": "epochs", "seconds": "seconds"},
        lambda row: row["seconds"],
    ),
    "scenes10_speed": (
        "Scenes",
        {
            "measured": "measured",
            "num_tokens": "tokens",
            "multiply_adds": "M multiply-adds",
            "images_per_second": "made, scenes/s",
            "training_images_per_second": "training, images/s",
            "inference_images_per_second": "inference, images/s",
        },
        lambda row: -row.get("training_images_per_second", 1e9),
    ),
    "tokens_at_224": (
        "A larger network on 224 pixels",
        {
            "layer": "reduction",
            "num_tokens": "tokens",
            "after_blocks": "blocks before",
            "milliseconds": "ms, inference",
            "peak_mib": "MiB for a gradient",
        },
        lambda row: row["milliseconds"],
    ),
    "pooling": (
        "TokenLearner's pooling: one matrix product against the published form",
        {
            "batch": "batch",
            "cells": "cells",
            "dim": "width",
            "pass": "pass",
            "form": "form",
            "milliseconds": "ms",
            "peak_mib": "peak MiB",
        },
        lambda row: row["milliseconds"],
    ),
    "shapes10": (
        "shapes10, the data set of drawn shapes",
        {
            "measured": "measured",
            "epoch": "epoch",
            "images_per_second": "images/s",
            "test_accuracy": "test accuracy",
        },
        lambda row: -row.get("test_accuracy", 0),
    ),
    "live_speed": (
        "The live page in Chromium",
        {"action": "what the reader does", "network": "network", "ms": "ms until it is drawn"},
        lambda row: row["ms"],
    ),
}


SPEED_NOTES = {
    "throughput": "Batches of 256 images of CIFAR-10.",
    "scenes10_speed": "All rates are those of one core.",
    "time_to_accuracy": (
        "The published example's time for 20 epochs is computed from its "
        "images per second, with 4 tokens; published(8) reaches the accuracy after 12 (median of "
        "five seeds). modern() ran once, with its schedule cut to the one epoch."
    ),
}
SPEED_WORDS = {"network": "the network", "rate": "drawing", "cnn": "a small convolutional network"}


def _cell(row, key):
    value = row.get(key)
    return millions(value) if key == "multiply_adds" and value else value


def speed() -> str:
    """Return the tables of what was timed."""
    text = "## Speed and memory\n"
    for name, (title, columns, rank) in SPEED.items():
        result = load(name)
        rows = [[_cell(row, key) for key in columns] for row in sorted(result["rows"], key=rank)]
        rows = [[SPEED_WORDS.get(cell, cell), *others] for cell, *others in rows]
        note = f" {SPEED_NOTES[name]}" if name in SPEED_NOTES else ""
        text += f"\n### {title}\n\n{link(name)}, {result['machine']}.{note}\n\n"
        text += table(list(columns.values()), rows)
    return text


def field() -> str:
    """Return the table of other people's numbers."""
    rows = [
        [network, f"{top1:.2f}", epochs, parameters, macs, SOURCES[source]]
        for network, top1, epochs, parameters, macs, source in FIELD
    ]
    head = ["network", "CIFAR-10 top-1, %", "epochs", "M parameters", "M multiply-adds", "source"]
    return (
        "## What others report\n\n"
        "These numbers are their authors', not ours. They come from other augmentation, all 50,000 "
        "training images and often the best epoch on the test images. The Keras example's are "
        "means of five runs, but for its rows with v1.1 it does not say how many. Our "
        "runs stop at 20 or 100 epochs and use only crops and flips.\n\n"
    ) + table(head, rows)


def parts_of(name: str) -> list[dict]:
    """Return the parts of a result file that may say what made them."""
    result = load(name)
    if name == "notebook_minutes":  # by notebook and profile
        return [run for profiles in result.values() for run in profiles.values()]
    return [result, *result.get("runs", []), *result.get("rows", [])]


def provenance(dates: dict) -> str:
    """Return for each file when, from what and on what it was made."""
    rows = []
    for name in dates:
        parts = parts_of(name)
        commands, machines, seeds = (
            list(dict.fromkeys(part[key] for part in parts if key in part))
            for key in ("command", "machine", "seed")
        )
        how = "<br>".join([*(f"`{command}`" for command in commands), *machines])
        date, commit = dates[name]["date"], dates[name]["commit"]
        seeds = ", ".join(map(str, sorted(seeds))) or None
        rows.append([link(name, name.replace("_", " ")), f"{date}<br>`{commit}`", seeds, how])
    rows.sort(key=lambda row: (row[1][:10], row[0]), reverse=True)
    return (
        "## How each number was made\n\n"
        "The table has the date of publication and the commit at that time. The files also have "
        "versions and settings. [The guide](GUIDE.md) has the notebooks' minutes.\n\n"
    ) + table(["file", "date and commit", "seeds", "command and machine"], rows)


def make_page(dates: dict) -> str:
    """Return the page as Markdown."""
    sections = [
        *map(study, STUDIES),
        whole_trainings(),
        maps_worth(),
        layouts(),
        nested(),
        walk(),
        crops_and_views(),
        speed(),
    ]
    return "\n".join([HEAD, *sections, field(), provenance(dates)])


# files


def result_files() -> dict[str, Path]:
    """Return the result files by name."""
    return {path.stem: path for path in sorted(RESULTS.glob("*.json"))}


def fingerprint(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]


def up_to_date(dates: dict) -> dict:
    """Return the dates with an entry for every file; a new or changed one was published today."""
    commit = ["git", "rev-parse", "--short", "HEAD"]
    now = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": subprocess.run(
            commit, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip(),
    }
    found = {}
    for name, path in result_files().items():
        entry = dates.get(name, {})
        same = entry.get("sha256") == fingerprint(path)
        found[name] = entry if same else {"sha256": fingerprint(path), **now}
    return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    dates = up_to_date(json.loads(DATES.read_text("utf-8")) if DATES.exists() else {})
    write_text(DATES, json.dumps(dates, indent=1) + "\n")
    write_text(PAGE, make_page(dates))
    pictures = {name: load(f"study_{name}")["rows"] for name in STUDIES}
    for name, rows in {**pictures, "published": published_rows()}.items():
        title = STUDIES.get(name, "The published networks, trained again")
        figure = accuracy_against_cost(rows, title)
        PAGE.with_name(f"results_{name}.png").write_bytes(to_png(figure))
    print(f"Wrote {PAGE.name} with {len(pictures) + 1} pictures.")


if __name__ == "__main__":
    main()
