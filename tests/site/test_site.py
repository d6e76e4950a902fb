"""The site as a reader gets it: every page is there, links lead somewhere, nothing is fetched."""

import re
from html.parser import HTMLParser
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

import pytest

from bootstrap_cell import bootstrap_source
from build_site import badges, build, links_to, with_address, with_site_links
from run_notebooks import read_notebook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("myst_nb") is None, reason="the extra `site` is not installed"),
]
REPOSITORY = "made-up/tokens"


class Page(HTMLParser):
    """The ids of a page, where its links lead, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        loaded = attributes.get("href") if tag == "link" else attributes.get("src")
        if loaded:
            self.loads.append(loaded)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site; building it raises where Sphinx warns."""
    out = tmp_path_factory.mktemp("site") / "site"
    build(out, REPOSITORY)
    return out


@pytest.fixture(scope="module")
def pages(site):
    paths = (path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path: Page(path) for path in paths}


def test_every_link_within_the_site_leads_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            anchor = unquote(parts.fragment)
            if not target.exists() or (
                anchor and target in pages and anchor not in pages[target].ids
            ):
                lost.append(f"{path.name}: {link}")
    assert not lost


def test_no_page_loads_anything_from_elsewhere(pages):
    loads = {load for page in pages.values() for load in page.loads}
    assert not [load for load in loads if urlsplit(load).scheme not in ("", "data")]


def test_every_page_fits_a_phone_and_nothing_fails(pages, new_page):
    page = new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(120_000)  # a long page on a busy machine
    for path in pages:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path.name


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("index", "light"), ("TEACHING", "dark"), ("notebooks/03_token_learner", "light")],
)
def test_axe_finds_nothing_serious(site, new_page, axe, name, scheme):
    page = new_page(color_scheme=scheme)
    page.set_default_timeout(120_000)
    page.goto((site / f"{name}.html").as_uri())
    violations = axe.run(page, options={"preload": False}).response["violations"]
    assert not [v["id"] for v in violations if v["impact"] in ("serious", "critical")]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        build(tmp_path, REPOSITORY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_a_repository_no_page_names_one():
    assert badges("00_start_here", None) == ""
    link = "[the results](../tlvit_utils/assets/results/walk.json)"
    assert with_site_links(link, None) == "the results"
    assert REPOSITORY in with_site_links(link, REPOSITORY)


def test_a_copy_of_a_notebook_installs_from_its_own_repository(committed):
    """`test_notebooks.py` runs this cell; what it gives to pip is the address in it."""
    notebook = read_notebook(committed / "notebooks" / "00_start_here.ipynb")
    sources = [cell.source for cell in with_address(notebook, "00_start_here", REPOSITORY).cells]
    assert bootstrap_source(f"https://github.com/{REPOSITORY}") in sources


def test_published_copies_lead_to_colab_binder_and_the_site_and_nowhere_else_by_a_path(site):
    readme = (site / "README.md").read_text("utf-8")
    copies = sorted((site / "notebooks").glob("*.ipynb"))
    assert len(copies) == 10
    for path in copies:
        first, *others = (c.source for c in read_notebook(path).cells if c.cell_type == "markdown")
        for place in ("colab.research.google.com", "mybinder.org", "made-up.github.io/tokens"):
            assert place in links_to(path.stem, REPOSITORY)
        assert links_to(path.stem, REPOSITORY) in first
        assert links_to(path.stem, REPOSITORY) in readme
        assert not [text for text in others if "](../" in text]
    targets = re.findall(r"\]\(([^)]+)\)", readme)
    assert [each for each in targets if not each.startswith(("https://", "#"))] == []
