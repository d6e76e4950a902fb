"""The series, and the text of its pages: what is prose, which headings and links it has."""

import re

SERIES = (
    "00_start_here",
    "01_patch_encoder",
    "02_mlp_and_transformer_block",
    "03_token_learner",
    "04_vision_transformer",
    "05_training",
    "06_attention_maps",
    "07_token_learner_v11_and_fuser",
    "08_experiments",
    "09_better_training",
)
GLOSSARY = "glossary"
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+)[^`](?:.|\n(?!\n))*?\1")  # within a paragraph
LINK = re.compile(
    r"""(?<!!)\[(?P<label>[^\]]*)\]\((?P<to>(?:[^()\s]|\([^()\s]*\))+)\)|href="(?P<href>[^"]+)\""""
)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def without_magics(source):
    """Return the code of a cell without the lines that only IPython understands."""
    return "\n".join(x for x in source.splitlines() if not re.match(r"\s*[%!]", x))


def markdown(notebook):
    """Return the text of a notebook, without blocks of code."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n\n".join(FENCED.sub("", source) for source in sources)


def headings(text):
    """Return `(level, heading)` of all headings, in order."""
    found = re.findall(r"^(#{1,6}) +(.+?) *$", FENCED.sub("", text), re.MULTILINE)
    return [(len(marks), heading) for marks, heading in found]


def links(text):
    """Return where the links of a text lead, in order."""
    found = LINK.finditer(CODE.sub("", FENCED.sub("", text)))
    return [match["to"] or match["href"] for match in found]


def jupyter_anchor(heading):
    """Return the id that JupyterLab and nbconvert give a heading: its text, hyphens for blanks."""
    return re.sub(r"[*`]", "", LINK.sub(r"\1", heading)).replace(" ", "-")


def github_anchor(heading):
    """Return the id that GitHub gives a heading of a Markdown file."""
    return re.sub(r"[^\w -]", "", LINK.sub(r"\1", heading)).lower().replace(" ", "-")
