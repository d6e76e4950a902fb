"""Build the site from the committed notebooks, without running them and without a network.

    python tools/build_site.py --out DIR [--repository OWNER/NAME]

DIR/index.html is the first page. Beside the pages stand copies of the README and the notebooks that
know the repository's address: they link to Colab, Binder and the site, and Colab opens them. The
repository is the one that `GITHUB_REPOSITORY` names, unless another is given; without one, there
are no such links and copies. Needs the extra `site`.
"""

import argparse
import base64
import os
import re
import shutil
import struct
import sys
import tempfile
from html import escape, unescape
from pathlib import Path

import nbformat

from bootstrap_cell import OWNER_AND_NAME, TAG, link_to_repository
from run_notebooks import all_notebooks, read_notebook

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "docs" / "site"
GLOSSARY = ROOT / "notebooks" / "glossary.ipynb"
BRANCH = "gh-pages"  # where the workflow publishes the site and the copies of the notebooks
WIDGET = "application/vnd.jupyter.widget-view+json"
LINK = re.compile(r"\[([^\]]*)\]\(\.\./([^)#\s]*)(#[^)\s]*)?\)")


def with_site_links(text: str, repository: str | None) -> str:
    """Return Markdown whose links out of its folder lead to the site or to the repository.

    Without a repository, a link to a file becomes the file's name.
    """

    def replace(match):
        label, path, anchor = match.group(1), match.group(2), match.group(3) or ""
        if path == "README.md":
            return f"[{label}](/index.md)"
        if path.startswith("notebooks/"):
            return f"[{label}](/{path}{anchor})"
        if path.startswith("docs/"):
            return f"[{label}](/{path.removeprefix('docs/')}{anchor})"
        if repository is None:
            return label
        return f"[{label}](https://github.com/{repository}/blob/HEAD/{path}{anchor})"

    return LINK.sub(replace, text)


def with_address(
    notebook: nbformat.NotebookNode, name: str, repository: str
) -> nbformat.NotebookNode:
    """Fill the repository's address into the links and the bootstrap cell of a notebook."""
    link_to_repository(notebook, repository)
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n{links_to(name, repository)}\n{rest}"
    return notebook


def published_readme(repository: str) -> str:
    """Return the README with the repository's address; its table says where each notebook runs."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    address = f"https://github.com/{repository}"
    readme = re.sub(r"(!\[[^\]]*\])\((?!http)", rf"\1({address}/raw/HEAD/", readme)
    readme = re.sub(r"\]\((?!http|#)", rf"]({address}/blob/HEAD/", readme)
    readme = re.sub(
        r"^\| \[(\d\d_\w+)\].*$",
        lambda row: f"{row[0]} {links_to(row[1], repository)} |",
        readme,
        flags=re.MULTILINE,
    )
    head = r"^(\| notebook \|.*)\n(\|---.*)$"
    return re.sub(head, r"\1 run or read |\n\2---|", readme, flags=re.MULTILINE)


def links_to(name: str, repository: str) -> str:
    """Return Markdown with the places where the notebook `name` can be run and read."""
    owner, repository_name = repository.split("/")
    site = f"{owner}.github.io"
    if repository_name.lower() != site.lower():  # the owner's own site has no folder
        site += f"/{repository_name}"
    page = f"https://{site}/notebooks/{name}.html"
    places = {**places_to_run(name, repository), "Read on the site": page}
    return joined(places)


def joined(places: dict[str, str]) -> str:
    """Return links in Markdown, by what they say, on one line."""
    return " · ".join(f"[{text}]({address})" for text, address in places.items())


def places_to_run(name: str, repository: str) -> dict[str, str]:
    """Return where the notebook `name` can be run, by what the links say."""
    notebook = f"notebooks/{name}.ipynb"
    return {
        "Open in Colab": (
            f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{notebook}"
        ),
        "Launch Binder": (
            f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/{notebook}"
        ),
    }


def badges(name: str, repository: str | None) -> str:
    """Return the links to run a notebook as HTML; nothing without a repository."""
    if repository is None:
        return ""
    links = places_to_run(name, repository).items()
    items = "".join(f'<li><a href="{address}">{text}</a></li>' for text, address in links)
    return f'\n\n<ul class="badges">{items}</ul>'


def for_the_site(notebook: nbformat.NotebookNode, name: str, repository: str | None, figures: Path):
    """Change a notebook into what its page is made of; its pictures go to the folder `figures`."""
    first = notebook.cells[0]
    title, _, rest = first.source.partition("\n")
    first.source = title + badges(name, repository) + "\n" + rest
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = with_site_links(cell.source, repository)
            continue
        if TAG in cell.metadata.get("tags", []):
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-input"]
        for place, output in enumerate(cell.get("outputs", [])):
            _with_picture_as_file(output, figures / f"{name}_{number}_{place}.png")


def _with_picture_as_file(output, path: Path) -> None:
    """Put an <img> with its alternative text in place of a picture; a live page stays as it is."""
    data = output.get("data", {})
    data.pop(WIDGET, None)
    if "image/png" not in data or "text/html" in data:
        return
    picture = base64.b64decode(data.pop("image/png"))
    path.write_bytes(picture)
    width, height = struct.unpack(">II", picture[16:24])  # so that the page has room for it
    alternative = escape(output.metadata.get("image/png", {}).get("alt", ""))
    data["text/html"] = (
        f'<img class="figure" loading="lazy" src="../_static/{path.name}" alt="{alternative}" '
        f'width="{width}" height="{height}">'
    )


def live_page(notebook: nbformat.NotebookNode) -> str:
    """Return the first live page among a notebook's outputs, a whole HTML file, or nothing."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            if match := re.search(r"""srcdoc=(["'])(.*?)\1""", html, re.DOTALL):
                return unescape(match[2])
    return ""


def series_table(repository: str | None) -> str:
    """Return the README's table of the series with links to the pages.

    With a repository, a column says where each notebook runs.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if re.match(r"\| \[\d\d_", line)]
    where = " run it |" if repository else ""
    table = [
        f"| notebook | you build | and see |{where}",
        f"|---|---|---|{'---|' if where else ''}",
    ]
    for row in rows:
        notebook, build, see = (part.strip() for part in row.strip("|").split("|"))
        name = re.search(r"\[(.+?)\]", notebook)[1]
        run = f" {joined(places_to_run(name, repository))} |" if repository else ""
        table.append(f"| [](notebooks/{name}.ipynb) | {build} | {see} |{run}")
    return "\n".join(table)


def write_source(source: Path, repository: str | None) -> None:
    """Write into the folder `source` all that Sphinx makes the site of."""
    shutil.copytree(SITE, source, dirs_exist_ok=True)
    static = source / "_static"
    static.mkdir()
    for name in ("site.css", "site.js"):
        shutil.move(source / name, static)
    (source / "notebooks").mkdir()
    for path in (*all_notebooks(), GLOSSARY):
        notebook = read_notebook(path)
        if path.name.startswith("00_"):
            (static / "live.html").write_text(live_page(notebook), "utf-8")
        for_the_site(notebook, path.stem, repository, static)
        nbformat.write(notebook, source / "notebooks" / path.name)
    index = (SITE / "index.md").read_text(encoding="utf-8")
    index = index.replace("<!-- the series -->", series_table(repository))
    (source / "index.md").write_text(index, "utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        (source / path.name).write_text(with_site_links(text, repository), "utf-8")
    for picture in (ROOT / "docs").glob("results_*.png"):
        shutil.copy(picture, source)


def build(out: Path, repository: str | None) -> None:
    """Build the site into the folder `out`, which must be empty or not there.

    Raises:
        ValueError: the folder holds something, or Sphinx warned of something.
    """
    from sphinx.cmd.build import build_main

    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; give a folder that is not there yet.")
    with tempfile.TemporaryDirectory() as folder:
        source, pages = Path(folder, "source"), Path(folder, "pages")
        write_source(source, repository)
        sys.path.insert(0, str(source))  # Sphinx finds `jupyter_anchors` there
        try:
            trees = ["-d", f"{folder}/trees"]
            failed = build_main(["-q", "-W", "--keep-going", *trees, str(source), str(pages)])
        finally:
            sys.path.remove(str(source))
        if failed:
            raise ValueError("Sphinx warned, as said above, so the site was not written.")
        if repository is not None:
            for path in (*all_notebooks(), GLOSSARY):
                notebook = with_address(read_notebook(path), path.stem, repository)
                nbformat.write(notebook, pages / "notebooks" / path.name)
            (pages / "README.md").write_text(published_readme(repository), "utf-8")
        (pages / ".nojekyll").touch()  # GitHub Pages must keep _static
        shutil.copytree(pages, out, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="an empty folder, or a new one")
    parser.add_argument(
        "--repository",
        default=os.environ.get("GITHUB_REPOSITORY") or None,
        help="OWNER/NAME on GitHub; by default what GITHUB_REPOSITORY says",
    )
    options = parser.parse_args()
    if options.repository and not OWNER_AND_NAME.fullmatch(options.repository):
        parser.error(f"--repository is {options.repository!r}, but it must be OWNER/NAME.")
    try:
        build(options.out, options.repository)
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    print(f"The site is in {options.out}.")


if __name__ == "__main__":
    main()
