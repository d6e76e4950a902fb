"""The site as a reader gets it: every page is there, links lead somewhere, nothing is fetched."""

import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from build_site import badges, build, with_address, with_site_links
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
def test_axe_finds_nothing_serious(site, new_page, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not here")
    page = new_page(color_scheme=scheme)
    page.set_default_timeout(120_000)
    page.goto((site / f"{name}.html").as_uri())
    violations = axe.Axe().run(page, options={"preload": False}).response["violations"]
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


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, committed):
    """The address of a server of this machine that has the project as the made-up repository."""
    work = tmp_path / "work"
    bare = tmp_path / "www" / f"{REPOSITORY}.git"
    git = partial(subprocess.run, check=True, capture_output=True)
    git(["git", "init", "-q", str(work)])
    git(["git", f"--work-tree={committed}", f"--git-dir={work}/.git", "add", "-A", "."])
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    git(["git", f"--git-dir={work}/.git", *identity, "commit", "-qm", "all"])
    git(["git", "clone", "-q", "--bare", str(work), str(bare)])
    git(["git", "update-server-info"], cwd=bare)
    (bare.parent / bare.stem).symlink_to(bare)  # GitHub's addresses have no .git
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "www"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def test_the_cell_that_colab_runs_installs_from_the_own_repository(
    served, committed, tmp_path, monkeypatch
):
    path = Path(committed) / "notebooks" / "00_start_here.ipynb"
    cell = next(
        cell
        for cell in with_address(read_notebook(path), REPOSITORY).cells
        if "bootstrap" in cell.metadata.get("tags", [])
    )
    (line,) = (x.strip() for x in cell.source.splitlines() if x.strip().startswith("%pip"))
    names = {}
    exec(next(x for x in cell.source.splitlines() if x.startswith("REPOSITORY")), names)
    arguments = line.removeprefix("%pip ").format(**names).split()
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")  # git asks this machine in GitHub's place
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{served}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    target = ["--target", str(tmp_path / "installed"), "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", *arguments, *target], check=True)
    assert (tmp_path / "installed" / "tlvit_utils" / "vit.py").exists()
