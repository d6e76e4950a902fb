"""docs/RESULTS.md is made by a tool from the result files."""

import json

import pytest

from make_results_page import DATES, PAGE, fingerprint, make_page, result_files, verdict
from tlvit_utils.analysis.comparison import Difference

RUN_IT = "run `python tools/make_results_page.py`"


@pytest.fixture(scope="module")
def dates():
    return json.loads(DATES.read_text("utf-8"))


def test_the_page_is_what_the_tool_makes_of_the_files(dates):
    files = {name: fingerprint(path) for name, path in result_files().items()}
    assert {name: entry["sha256"] for name, entry in dates.items()} == files, RUN_IT
    assert PAGE.read_text("utf-8") == make_page(dates), RUN_IT


def test_every_file_and_every_picture_has_its_place(dates):
    page = PAGE.read_text("utf-8")
    assert [name for name in dates if f"/{name}.json)" not in page] == []
    pictures = {path.name for path in PAGE.parent.glob("results_*.png")}
    assert pictures == {name for name in pictures if f"]({name})" in page}
    assert page.count("](results_") == len(pictures)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.001, 0.05, "ahead"),
        (-0.05, -0.001, "behind"),
        (-0.009, 0.009, "level"),
        (-0.02, 0.005, "open"),
        (0, 0, "level"),
    ],
)
def test_a_verdict_is_the_one_of_the_plan(low, high, says):
    assert verdict(Difference((low + high) / 2, low, high, None)) == says
