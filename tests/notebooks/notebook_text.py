"""What the tests of notebooks and pages read: cells, prose, headings, links."""

import itertools
import linecache
import re

CELLS = itertools.count()
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+)[^`](?:.|\n(?!\n))*?\1")  # within a paragraph
SOLUTION = re.compile(
    r"<details><summary><b>Solution</b></summary>\n\n```python\n(.*?)```\n.*?</details>", re.DOTALL
)
LINK = re.compile(
    r"""(?<!!)\[(?P<label>[^\]]*)\]\((?P<to>(?:[^()\s]|\([^()\s]*\))+)\)"""
    r"""|(?:href|src)="(?P<href>[^"]+)\""""
)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def without_magics(source):
    """Return the code of a cell without the lines that only IPython understands."""
    return "\n".join(x for x in source.splitlines() if not re.match(r"\s*[%!]", x))


def run_cell(source, scope):
    """Run a cell as a kernel does, which lets `inspect` and tracebacks find its source."""
    name = f"<cell {next(CELLS)}>"
    source = without_magics(source)
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    exec(compile(source, name, "exec"), scope)


def markdown(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def prose(text):
    """Return a Markdown text without its code."""
    return CODE.sub("", FENCED.sub("", text))


def printed(notebook):
    """Return what the cells of a notebook wrote, as text."""
    texts = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            texts.append(output.get("text", ""))
            texts += [v for kind, v in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(texts)


def headings(text):
    return re.findall(r"^#{1,6} +(.+?) *$", FENCED.sub("", text), re.MULTILINE)


def links(text):
    """Return where the links of a text lead, in order."""
    return [match["to"] or match["href"] for match in LINK.finditer(prose(text))]


def jupyter_anchor(heading):
    """Return the id that JupyterLab and nbconvert give a heading: its text, hyphens for blanks."""
    return re.sub(r"[*`]", "", LINK.sub(r"\1", heading)).replace(" ", "-")


def github_anchor(heading):
    """Return the id that GitHub gives a heading of a Markdown file."""
    return re.sub(r"[^\w -]", "", LINK.sub(r"\1", heading)).lower().replace(" ", "-")
