"""The site as a reader gets it: every page is there, links lead somewhere, nothing is fetched."""

import os
import re
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

from bootstrap_cell import TAG
from build_site import badges, build, links_to, with_site_links
from notebook_text import markdown
from run_notebooks import ROOT, read_notebook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("myst_nb") is None, reason="the extra `site` is not installed"),
]
REPOSITORY = "made-up/tokens"
BUILD = "import sys; sys.modules['keras'] = None; import build_site; build_site.main()"


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
    """The folder of the site, built where Keras is not; the command fails where Sphinx warns."""
    out = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-c", BUILD, "--out", out, "--repository", REPOSITORY]
    subprocess.run(command, cwd=ROOT / "tools", check=True)
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


def test_axe_finds_nothing_serious(pages, new_page, axe):
    """Every other page is looked at in the dark."""
    for number, path in enumerate(sorted(pages)):
        page = new_page(color_scheme=("light", "dark")[number % 2])
        page.set_default_timeout(120_000)
        page.goto(path.as_uri())
        violations = axe.run(page, options={"preload": False}).response["violations"]
        found = [v["id"] for v in violations if v["impact"] in ("serious", "critical")]
        assert not found, path.name
        page.close()


def test_a_link_to_a_heading_shows_it(site, new_page):
    """On a page with pictures and live pages, which load later."""
    page = new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{(site / 'notebooks' / '06_attention_maps.html').as_uri()}#exercises")
    page.wait_for_timeout(1500)
    heading = page.locator("#exercises").get_by_role("heading", name="Exercises")
    assert 0 <= heading.bounding_box()["y"] < 800


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


@pytest.fixture
def git_settings(committed, tmp_path):
    """What lets Git find a repository with the project's files here in place of GitHub."""
    repository = tmp_path / REPOSITORY
    repository.mkdir(parents=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "--git-dir", repository]
    subprocess.run([*git, "init", "-q", "--bare"], check=True)
    for command in (["add", "-A"], ["commit", "-qm", "All"], ["update-server-info"]):
        subprocess.run([*git, "--work-tree", ".", *command], cwd=committed, check=True)
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.http://127.0.0.1:{server.server_port}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/",
        }
        server.shutdown()


def test_a_copy_of_a_notebook_installs_from_its_own_repository(
    site, committed, git_settings, tmp_path
):
    """`test_notebooks.py` runs the cell; here pip does what it would be told on Colab."""
    cells = read_notebook(site / "notebooks" / "00_start_here.ipynb").cells
    (source,) = (cell.source for cell in cells if TAG in cell.metadata.get("tags", []))
    address = re.search(r'^REPOSITORY = "(.+?)"', source, re.MULTILINE)[1]
    install = re.search(r"^ *%pip (.+)", source, re.MULTILINE)[1].format(REPOSITORY=address).split()
    here = ["--no-build-isolation", "--target", tmp_path / "installed"]
    command = [sys.executable, "-m", "pip", *install, *here]
    subprocess.run(command, env={**os.environ, **git_settings}, check=True)
    installed, package = tmp_path / "installed" / "tlvit_utils", committed / "tlvit_utils"
    for path in package.rglob("*.py"):
        assert (installed / path.relative_to(package)).read_bytes() == path.read_bytes()


def test_published_copies_lead_to_colab_binder_and_the_site_and_nowhere_else_by_a_path(site):
    readme = (site / "README.md").read_text("utf-8")
    copies = sorted((site / "notebooks").glob("[0-9]*.ipynb"))
    assert len(copies) == 10
    for path in copies:
        first = read_notebook(path).cells[0].source
        for place in ("colab.research.google.com", "mybinder.org", "made-up.github.io/tokens"):
            assert place in links_to(path.stem, REPOSITORY)
        assert links_to(path.stem, REPOSITORY) in first
        assert links_to(path.stem, REPOSITORY) in readme
    targets = re.findall(r"\]\(([^)]+)\)", readme)
    assert [each for each in targets if not each.startswith(("https://", "#"))] == []


def test_what_pages_and_copies_say_is_published_is(site):
    lost = []
    for path in (*site.rglob("*.html"), *site.rglob("*.ipynb"), site / "README.md"):
        for name in re.findall(r"/blob/gh-pages/([\w./]+)", path.read_text("utf-8")):
            if not (site / name).exists():
                lost.append(f"{path.name}: {name}")
    for path in site.rglob("*.ipynb"):
        links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", markdown(read_notebook(path)))
        lost += [f"{path.name}: {link}" for link in links if not (path.parent / link).exists()]
    assert not lost


def test_the_site_of_an_owner_has_no_folder():
    page = "https://made-up.github.io/notebooks/00_start_here.html"
    assert page in links_to("00_start_here", "made-up/Made-Up.github.io")
