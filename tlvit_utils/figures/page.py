"""Pages of plain HTML, CSS and JavaScript in one file, which a notebook shows without a kernel."""

import base64
import json
import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tlvit_utils._files import replacing

HEIGHT = 900  # of the frame in a notebook, in pixels, until the page says how high it is


@dataclass(frozen=True, eq=False)
class HtmlPage:
    """A page that needs no kernel, server or network; the last expression of a cell shows it.

    Attributes:
        template: the HTML file, beside which lie the style sheets and scripts that it names.
        data: what the page knows, as JSON holds it, or arrays; `data["title"]` is its title.
        png: a still picture, for where no page can be shown.
        words: what the still picture shows.
    """

    template: Path
    data: dict
    png: bytes
    words: str

    @property
    def html(self) -> str:
        """The page: one file that holds all it needs."""
        page = re.sub(
            r'<link rel="stylesheet" href="(?P<style>.+?)">'
            r'|<script src="(?P<script>.+?)"></script>',
            self._file,
            self._source(),
        )
        return page.replace('id="data"></script>', f'id="data">{_json(self.data)}</script>')

    def _source(self) -> str:
        return self.template.read_text(encoding="utf-8")

    def _file(self, reference) -> str:
        """Return the style sheet or script that stands in the page in place of its reference."""
        element = reference.lastgroup
        text = (self.template.parent / reference[element]).read_text(encoding="utf-8")
        return f"<{element}>\n{text}</{element}>"

    def save(self, path: str | os.PathLike) -> None:
        """Write the page to `path`, complete or not at all."""
        page = self.html
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def _repr_mimebundle_(self, include=None, exclude=None):
        """Return the page in a frame of its own, and a picture, which shows where no frame may."""
        title, words = escape(str(self.data["title"])), escape(self.words)
        frame = (
            "<style>@media screen { .tlvit-live + img { display: none } }"
            "@media print { .tlvit-live { display: none } }</style>"
            f"<iframe class='tlvit-live' srcdoc='{escape(self.html)}' title='{title}' "
            f"style='width:100%;height:{HEIGHT}px;border:0' allow='clipboard-write'></iframe>"
            f"<img src='data:image/png;base64,{base64.b64encode(self.png).decode()}' alt='{words}'>"
        )
        data = {"text/html": frame, "image/png": self.png, "text/plain": self.words}
        return data, {"image/png": {"alt": self.words}}


def _json(data) -> str:
    """Return JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(  # ASCII, so no U+2028
        data, separators=(",", ":"), allow_nan=False, default=lambda array: array.round(6).tolist()
    )
    return text.translate({ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&"})
