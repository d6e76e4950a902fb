"""A lint for notebooks and pages: outputs, links, and the numbers in the text."""

import json
import re
from collections import defaultdict
from pathlib import PurePosixPath
from posixpath import dirname, normpath
from statistics import mean
from urllib.parse import unquote

import pytest

from notebook_text import (
    LINK,
    code_cells,
    github_anchor,
    headings,
    jupyter_anchor,
    links,
    printed,
    prose,
)
from run_notebooks import RESULTS, ROOT, all_notebooks, faults, with_measurements, with_minutes
from tlvit_utils import checks
from tlvit_utils.checks.answers import EXERCISES
from tlvit_utils.data.datasets import NOT_CIFAR10

SERIES = [path.stem for path in all_notebooks()]
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
MEASURED = re.compile(
    r"(?<![\w.,])(\d{2,}\.\d+|\d\.\d{2,}|\d{1,3}(?:,\d{3})+(?:\.\d+)?)"
    r"(?= (?:%|(?:million|points|MiB|ms|parameters)\b|\|))"
)
ELSEWHERE = {  # by page: what is in the papers, or counted by what another page builds
    "notebooks/05_training.ipynb": {"22.9"},
    "notebooks/glossary.ipynb": {
        *("0.26", "21.4", "22.9", "43.5", "65.7", "79.8", "101.5", "1,355,850")
    },
}


@pytest.fixture(scope="module")
def minutes(committed):
    return json.loads((committed / RESULTS.relative_to(ROOT)).read_text("utf-8"))


@pytest.fixture(params=SERIES)
def name(request):
    return request.param


# outputs


def test_outputs_are_complete_and_clean(name, notebooks):
    assert list(faults(notebooks[name])) == []


def test_outputs_come_from_a_quick_run_on_cifar10(name, notebooks):
    text = printed(notebooks[name])
    assert "profile quick" in text
    assert NOT_CIFAR10 not in text


def test_every_picture_has_words(name, notebooks):
    for cell in code_cells(notebooks[name]):
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                assert output.metadata["image/png"]["alt"].strip()
            for tag in re.findall(r"<img[^>]*>", data.get("text/html", "")):
                assert re.search(r"""alt=("[^"]+"|'[^']+')""", tag), tag[:80]


# links


def target_of(path, link):
    """Return the project's path that a link on a page leads to."""
    return normpath(f"{dirname(path)}/{link}").lstrip("/")


def test_every_link_leads_somewhere(pages, committed):
    broken = []
    for path, text in pages.items():
        for link in links(text):
            to, _, fragment = link.partition("#")
            if re.match(r"\w+:", link):
                continue
            target = target_of(path, unquote(to)) if to else path
            anchor = jupyter_anchor if target.endswith(".ipynb") else github_anchor
            known = {anchor(heading) for heading in headings(pages.get(target, ""))}
            if not (committed / target).exists() or (fragment and unquote(fragment) not in known):
                broken.append((path, link))
    assert not broken


def test_files_named_on_pages_exist(pages, committed):
    folders = "tests|tools|tlvit_utils|benchmarks|docs"
    named = re.findall(rf"(?<=[`\s/])(?:{folders})/[\w./]+\w(?=[`\s])", "\n".join(pages.values()))
    assert len(named) > 5
    assert [each for each in named if not (committed / each).exists()] == []


# numbers


def test_minutes_are_the_measured_ones(name, notebooks, minutes):
    head = notebooks[name].cells[0].source
    assert with_minutes(head, minutes[name]) == head


def test_the_guides_minutes_are_the_measured_ones(minutes, pages):
    assert with_measurements(pages["docs/GUIDE.md"], minutes) == pages["docs/GUIDE.md"]


def test_every_notebook_fits_into_two_gib(name, minutes):
    runs = {profile: run["peak_mib"] for profile, run in minutes[name].items()}
    assert all(peak < 2048 for profile, peak in runs.items() if profile != "full"), runs


def numbers(text):
    return [float(each.replace(",", "")) for each in NUMBER.findall(text)]


def values(result, path=()):
    """Yield `(path, number)` of a result file; of what changed in training only the last epoch."""
    if isinstance(result, dict):
        for key, value in result.items():
            last = key == "history" and isinstance(value, dict)
            value = {k: v[-1] for k, v in value.items()} if last else value
            yield from values(value, (*path, key))
    elif isinstance(result, list):
        for value in result:
            yield from values(value, path)
    elif isinstance(result, int | float):
        yield path, float(result)


def numbers_of_file(path):
    """Return the numbers of a result file, and the means of those that stand in one place."""
    together = defaultdict(list)
    for place, value in values(json.loads(path.read_text("utf-8"))):
        together[place].append(value)
    return [x for each in together.values() for x in (*each, mean(each))]


@pytest.fixture(scope="module")
def evidence(committed, notebooks):
    """A function: the numbers that a text on the page `path` may state."""

    def evidence(path, text):
        found = []
        for to in {target_of(path, link.partition("#")[0]) for link in links(text)} | {path}:
            if to.endswith(".json") and (committed / to).exists():
                found += numbers_of_file(committed / to)
            elif (name := PurePosixPath(to).stem) in notebooks:
                found += numbers(printed(notebooks[name]))
        return [x * unit for x in found for unit in (1, 100, 1e-6)]

    return evidence


def unfounded(text, known):
    """Return the measured numbers in a text that are no rounded number of `known`."""
    stated = MEASURED.findall(re.sub(r"\$[^$]+\$", "", LINK.sub(r"\g<label>", prose(text))))
    digits = {number: len(number.partition(".")[2]) for number in stated}
    rounded = {n: {round(x, n) for x in known} for n in set(digits.values())}
    return {
        number for number, n in digits.items() if float(number.replace(",", "")) not in rounded[n]
    }


def test_measured_numbers_are_printed_or_in_a_linked_file(pages, evidence):
    """In a notebook anywhere; elsewhere in the section that has the link."""
    wrong = {}
    for path, text in pages.items():
        if path in ("docs/RESULTS.md", "docs/BAD_INPUT.md"):  # tools make them from runs
            continue
        text = text.split("\n## References")[0]
        whole = path.removeprefix("notebooks/")[0].isdigit()
        for section in [text] if whole else re.split(r"^#+ ", text, flags=re.MULTILINE):
            known = evidence(path, section)
            if found := unfounded(section, known) - ELSEWHERE.get(path, set()):
                wrong[path, section.splitlines()[0]] = found
    assert not wrong


# the example on the teacher's page


def test_the_example_of_a_check_works(pages, capsys):
    block = pages["docs/TEACHING.md"].split("<!-- a test runs the next block -->")[1]
    lines = block.split("```")[1].splitlines()[1:]
    exec("\n".join(line.removeprefix("   ") for line in lines), {})

    def centred(x, axis=1):
        return x - x.mean(axis=axis, keepdims=True)

    try:
        assert checks.check(centred) is centred
        assert capsys.readouterr().out == "centred: right\n"
        centred.__defaults__ = (0,)
        with pytest.raises(checks.CheckError, match="Wrong axis"):
            checks.check(centred)
    finally:
        del EXERCISES["centred"]
