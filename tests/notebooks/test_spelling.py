"""One spelling, British, without typing errors: notebooks, pages, docstrings, comments, messages.

A word must stand in the dictionary, which is pyspellchecker's, made British with the help of
`typos`, or in `words.txt`, which holds names and technical terms.
"""

import ast
import io
import re
import subprocess
import sysconfig
import tokenize
from functools import cache
from pathlib import Path

import pytest
from notebook_text import CODE, FENCED, code_cells, markdown, without_magics
from spellchecker import SpellChecker

OWN_WORDS = Path(__file__).with_name("words.txt").read_text("utf-8").splitlines()
NOT_READ = (
    FENCED,
    CODE,
    re.compile(r"^## [^\n]*[Rr]eferences\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE),
    re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL),  # formulas
    re.compile(r"\[[^\]]*\]\(https?:[^)]*\)"),  # titles of pages elsewhere
    re.compile(r"\]\([^)]*\)|https?://\S+|<[^<>]+>"),  # addresses and tags
    re.compile(r"\\\w+|\S*[\w)]/[\w(]\S*|\S*\w[._]\w\S*|\w*\d\w*"),  # escapes, paths, names
)
WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:['’][A-Za-z]+)*")
AMERICAN = re.compile(r"\w+(?<!s)[iy]z(?:e[ds]?|ers?|ing|ations?|able)")  # typos knows not all
TYPOS = Path(sysconfig.get_path("scripts"), "typos")


def words(text):
    """Yield the words of a text, but not code, formulas, links, references, acronyms, classes."""
    for pattern in NOT_READ:
        text = pattern.sub(" ", text)
    for word in WORD.findall(text):
        word = word.replace("’", "'").removesuffix("'s")
        if len(word) > 1 and sum(map(str.isupper, word)) < 2:
            yield word


def comments(source):
    """Return the comments of Python code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def docstrings(source):
    """Return the docstrings of Python code."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return "\n".join(ast.get_docstring(node) or "" for node in nodes)


def messages(source):
    """Return the texts in Python code that have a blank in them."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return "\n".join(n.value for n in nodes if isinstance(n.value, str) and " " in n.value)


@cache
def known_words():
    """Return pyspellchecker's words, as `typos` corrects them for British English, and our own."""
    listed = SpellChecker().word_frequency.dictionary
    corrections = {word: [word.replace("z", "s")] for word in filter(AMERICAN.fullmatch, listed)}
    command = [TYPOS, "--isolated", "--locale", "en-gb", "--format", "brief", "-"]
    result = subprocess.run(command, input="\n".join(listed).encode(), capture_output=True)
    assert result.returncode == 2, result.stderr  # it found mistakes
    for line in result.stdout.decode().splitlines():
        wrong, *right = re.findall("`(.+?)`", line)
        corrections[wrong] = right
    british = {word for right in corrections.values() for word in right}
    return (set(listed) - set(corrections)) | british | set(OWN_WORDS)


def unknown(text):
    """Return the words of a text that are not known as they are nor in small letters."""
    return [word for word in words(text) if not {word, word.lower()} & known_words()]


@pytest.fixture(scope="module")
def texts(committed, notebooks):
    """What is read of the project, by file."""
    texts = {}
    for name, notebook in notebooks.items():
        code = "\n".join(without_magics(cell.source) for cell in code_cells(notebook))
        texts[f"{name}.ipynb"] = "\n".join([markdown(notebook), comments(code), messages(code)])
    for path in (committed / "README.md", *(committed / "docs").glob("*.md")):
        texts[path.name] = path.read_text("utf-8")
    for path in committed.glob("*/**/*.py"):
        code = path.read_text("utf-8")
        of_tests = path.is_relative_to(committed / "tests")
        read = docstrings(code) if of_tests else messages(code)
        texts[path.relative_to(committed).as_posix()] = f"{comments(code)}\n{read}"
    return texts


def test_words_are_known(texts):
    found = {name: sorted(set(unknown(text))) for name, text in texts.items()}
    assert not {name: each for name, each in found.items() if each}


def test_own_words_are_a_tidy_list():
    assert sorted(set(OWN_WORDS), key=lambda word: (word.lower(), word)) == OWN_WORDS


@pytest.mark.parametrize(
    "text", ["normalized maps", "its colors", "vectorized", "at the center", "a labeled image"]
)
def test_an_american_spelling_is_found(text):
    assert len(unknown(text)) == 1


@pytest.mark.parametrize("text", ["The attenion.", "embeding’s", "# patchs", "It dosn't."])
def test_a_typing_error_is_found(text):
    assert len(unknown(text)) == 1


def test_british_spelling_is_known():
    assert unknown("Normalised, labelled, vectorised: its neighbours' colours are not grey.") == []


def test_code_formulas_and_references_are_not_read():
    text = (
        "`colr` $\\frac ab$ [a link](centr.html) <b titel=x> https://abc.de/fgh TokenLerner MLPs\n"
        "```python\ncolr\n```\n[Color](https://abc.de)\n## References\nA. Autor, *Color*\n## End\n"
    )
    assert list(words(text)) == ["link", "End"]


def test_docstrings_messages_and_comments_are_read():
    source = 'def f(x):\n    """Return fiv."""\n    print(f"sevn {x} yes")  # nin'
    assert list(words(docstrings(source))) == ["Return", "fiv"]
    assert list(words(messages(source))) == ["Return", "fiv", "sevn", "yes"]
    assert list(words(comments(source))) == ["nin"]
