"""How the notebooks teach: all have the same parts in one order, and links lead somewhere."""

import ast
import json
import re
from collections import Counter
from itertools import pairwise
from urllib.parse import unquote

import pytest
from notebook_text import (
    CODE,
    FENCED,
    GLOSSARY,
    LINK,
    SERIES,
    code_cells,
    github_anchor,
    headings,
    jupyter_anchor,
    links,
    markdown,
)

from run_notebooks import RESULTS, ROOT, with_minutes

HEAD = re.compile(
    r"# (?P<title>.+)\n\n"
    r"(?P<links>.+)\n\n"
    r"(?P<minutes>\*Takes .+\*)\n\n"
    r"(?P<idea>(?:.|\n)+?)\n\n"
    r"\*\*After it you can\*\*\n+(?P<goals>(?:- .+\n?)+)"
)
OPTION = re.compile(r"<details><summary>\((\w)\) [^\n]+</summary>\n\n(.+?)\n</details>", re.DOTALL)
MEASURED = re.compile(r"(?<![\w.,])(\d{2,}\.\d+|\d\.\d{2,})(?= (?:%|million|points|MiB|ms))")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
NOT_MEASURED = {  # published elsewhere, or counted with the functions that notebook 04 builds
    "01_patch_encoder": {"61.4", "64.2"},
    "04_vision_transformer": {"60.4", "65.7", "70.1", "135.5"},
    "05_training": {"0.44", "22.9", "77.2"},
    "09_better_training": {"0.13", "0.26", "0.44", "56.11", "56.37", "56.55"},
    "07_token_learner_v11_and_fuser": {"56.55"},
    "08_experiments": {"0.26", "0.258", "0.438"},
}
MAP = "00_start_here.ipynb#The-series"
MAX_CELLS, MAX_LINES, MAX_LINES_OF_COMPONENT = 60, 25, 30
NEIGHBOURS = dict(zip(SERIES, zip((None, *SERIES), (*SERIES[1:], None), strict=False), strict=True))


@pytest.fixture(params=SERIES)
def name(request):
    return request.param


@pytest.fixture
def notebook(name, notebooks):
    return notebooks[name]


@pytest.fixture(params=(*SERIES, GLOSSARY))
def page(request, notebooks):
    return notebooks[request.param]


@pytest.fixture
def head(notebook):
    """The parts of the first cell."""
    found = HEAD.match(notebook.cells[0].source)
    assert found, "title, links, minutes, idea, **After it you can**: not in this order"
    return found


@pytest.fixture(scope="module")
def results(committed):
    return json.loads((committed / RESULTS.relative_to(ROOT)).read_text("utf-8"))


# the first three cells


def test_title_has_the_notebooks_number(name, head):
    assert name.startswith("00") or re.match(f"{name[:2]} .+: .+", head["title"])


def test_links_lead_to_the_map_and_the_neighbours(name, head):
    before, after = (each and f"{each}.ipynb" for each in NEIGHBOURS[name])
    the_map = MAP.removeprefix(f"{name}.ipynb")
    assert links(head["links"]) == [each for each in (before, the_map, after) if each]


def test_minutes_are_the_measured_ones(name, head, results):
    assert with_minutes(head["minutes"], results[name]) == head["minutes"]
    assert {"quick", "smoke"} <= set(results[name])
    assert all(run["machine"].startswith("2 cores") for run in results[name].values())


def test_idea_is_a_question_and_goals_are_a_list(head):
    assert "?" in head["idea"]
    assert head["goals"].count("- ") >= 2


def test_diagram_marks_the_notebooks_place(name, notebook):
    place = name.split("_", 1)[1]
    cell = f"from tlvit_utils import diagram\ndiagram.show({place!r})"
    assert ast.unparse(ast.parse(notebook.cells[2].source)) == cell


# what stands between


def test_predictions_are_made_by_choosing(notebook):
    predictions = markdown(notebook).split("**Predict")[1:]
    choices = [options for each in predictions if (options := OPTION.findall(each))]
    letters = ["".join(letter for letter, _ in options) for options in choices]
    assert set(letters) <= {"ab", "abc", "abcd"}
    right = [any(answer.startswith("Right") for _, answer in options) for options in choices]
    assert sum(right) >= 2  # others may depend on the machine


def test_a_cell_has_a_check_that_raises(notebook):
    cells = [c for c in code_cells(notebook) if "exercise" not in c.metadata.get("tags", [])]
    assert any(
        re.search(r"^ *(assert |raise |np\.testing)", c.source, re.MULTILINE) for c in cells[1:]
    )


def test_two_or_three_exercises(name, notebook):
    tags = Counter(tag for cell in code_cells(notebook) for tag in cell.metadata.get("tags", []))
    assert tags["exercise"] in (2, 3) or name[:2] in ("00", "09")
    assert bool(tags["exercise"]) == ((2, "Exercises") in headings(markdown(notebook)))


def test_last_sections(name, notebook):
    text = markdown(notebook)
    *_, remember, depart, references = [title for level, title in headings(text) if level == 2]
    assert (remember, references) == ("Remember", "References")
    assert depart.startswith("Where we depart from ")
    assert re.search(r"^- .*https://", text.split("\n## References\n")[1], re.MULTILINE)


def test_last_line_leads_on(name, notebook):
    *_, last = markdown(notebook).rstrip().splitlines()
    assert last.startswith("**Next:** ")
    after = NEIGHBOURS[name][1]
    assert links(last) == [f"{after}.ipynb"] if after else links(last)


def test_code_cells_are_short(notebook):
    most = {"component": MAX_LINES_OF_COMPONENT}
    _, *cells = code_cells(notebook)
    long = [
        cell.source
        for cell in cells
        if len(cell.source.splitlines())
        > max(most.get(tag, MAX_LINES) for tag in cell.metadata.get("tags") or [""])
    ]
    assert not long


def test_cells_are_few(page):
    assert len(page.cells) <= MAX_CELLS


# pictures


def test_every_picture_has_words(notebook):
    """All have a text alternative; a figure has it as its caption, too.

    A widget and the live curves of a training say in words what they show elsewhere.
    """
    captions = 0
    for cell in code_cells(notebook):
        for output, after in pairwise([*cell.outputs, {}]):
            data, data_after = output.get("data", {}), after.get("data", {})
            if "image/png" in data:
                alt = output.metadata["image/png"]["alt"]
                assert len(alt) > 20
                captions += data_after.get("text/markdown") == f"*{alt}*"
            for tag in re.findall(r"<img[^>]*>", data.get("text/html", "")):
                assert re.search(r'alt="[^"]+"', tag), tag[:80]
    assert captions >= 2


def numbers(text):
    return [float(each.replace(",", "")) for each in NUMBER.findall(text)]


def printed(notebook):
    """Return what the cells of a notebook wrote, as text."""
    texts = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            texts.append(output.get("text", ""))
            texts += [v for kind, v in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(texts)


def test_measured_numbers_are_printed(name, notebook, committed):
    """By a cell, or they stand in a file of results to which the notebook links."""
    text = CODE.sub("", markdown(notebook)).split("\n## References")[0]
    kept = [committed / "notebooks" / to for to in links(text) if to.endswith(".json")]
    values = [each * unit for each in numbers(printed(notebook)) for unit in (1, 1e-6)]
    values += [100 * each for path in kept for each in numbers(path.read_text("utf-8"))]
    unprinted = {
        number
        for number in MEASURED.findall(text)
        if float(number) not in {round(each, len(number.split(".")[1])) for each in values}
    }
    assert unprinted <= NOT_MEASURED.get(name, set())


# headings and links


def test_headings_form_an_outline(page):
    levels = [level for level, _ in headings(markdown(page))]
    assert levels[0] == 1 and levels.count(1) == 1
    jumps = [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1]
    assert not jumps


def test_headings_differ(page):
    anchors = Counter(jupyter_anchor(heading) for _, heading in headings(markdown(page)))
    assert max(anchors.values()) == 1, anchors.most_common(1)


def test_anchors_are_those_of_the_viewers():
    heading = "Exercise 1: `mean` or [sum](a.ipynb)? *(5 minutes)*"
    assert jupyter_anchor(heading) == "Exercise-1:-mean-or-sum?-(5-minutes)"
    assert github_anchor("The package, alone: `to_grid`") == "the-package-alone-to_grid"


def test_links_to_headings_lead_to_headings(committed, notebooks):
    pages = {f"notebooks/{name}.ipynb": markdown(each) for name, each in notebooks.items()}
    for path in (committed / "README.md", *(committed / "docs").glob("*.md")):
        pages[path.relative_to(committed).as_posix()] = path.read_text("utf-8")
    anchors = {
        path: {
            (jupyter_anchor if path.endswith(".ipynb") else github_anchor)(heading)
            for _, heading in headings(text)
        }
        for path, text in pages.items()
    }
    broken = []
    for path, text in pages.items():
        for link in links(text):
            to, _, fragment = link.partition("#")
            if fragment and not re.match(r"\w+:", link):
                target = (committed / path).parent / to if to else committed / path
                known = anchors.get(target.resolve().relative_to(committed.resolve()).as_posix())
                if not known or unquote(fragment) not in known:
                    broken.append((path, link))
    assert not broken


def test_a_later_notebook_is_named_with_a_link(name, notebook):
    unlinked = LINK.sub("", markdown(notebook))
    assert not [n for n in re.findall(r"[Nn]otebooks? (\d\d)", unlinked) if n > name[:2]]


def running_text(notebook):
    """Return the text from the idea to the references, without headings, options and code."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    idea = HEAD.match(sources[0])["idea"]
    text = "\n\n".join([idea, *sources[1:]]).split("\n## References")[0]
    text = CODE.sub("", FENCED.sub("", text))
    return re.sub(r"^#.*|<summary>.*</summary>", "", text, flags=re.MULTILINE)


def test_terms_are_linked_where_they_are_first_used(notebook):
    text = running_text(notebook)
    linked, late = set(), []
    for link in LINK.finditer(text):
        if (link["to"] or "").startswith(f"{GLOSSARY}.ipynb#") and link["to"] not in linked:
            linked.add(link["to"])
            before = LINK.sub("", text[: link.start()])
            if re.search(rf"\b{re.escape(link['label'])}s?\b", before, re.IGNORECASE):
                late.append(link["to"])
    assert not late
    assert len(linked) >= 8


def test_the_glossary_is_text_only(notebooks):
    assert not code_cells(notebooks[GLOSSARY])
