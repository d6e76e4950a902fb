"""A widget for a learner's own picture: a button, the picture as the model sees it, a sentence.

Runs on ipywidgets 7.7.1 (as Colab ships it) and 8.
"""

from html import escape

import ipywidgets as widgets
import numpy as np
import traitlets

from tlvit_utils.data.datasets import CIFAR10_CLASSES
from tlvit_utils.figures.overlay import encode_png, enlarge
from tlvit_utils.widgets.pictures import PictureError, read_picture

SEEN_SIZE = 192


class PictureUpload(widgets.VBox):
    """Choose a picture of your own and see it as the model does.

    The trait `picture` is the picture for the model, uint8 `(32, 32, 3)`, or None as long as there
    is none; `name` is its file's name. A file that cannot be used changes neither: the reason
    stands below the button, and the old picture stays. Whoever has a use for the picture observes
    it:

        upload = PictureUpload()
        upload.observe(lambda change: viewer.add_image(change.new, upload.name), "picture")

    `preview` and `seen` are the `widgets.Image`s with the whole picture and the model's, `text` is
    the sentence on what was done, which is also their text alternative.

    Args:
        class_names: the names of the classes that the model knows.
        size: side of the picture for the model in pixels.
    """

    picture = traitlets.Instance(np.ndarray, allow_none=True, read_only=True)
    name = traitlets.Unicode(read_only=True)

    def __init__(self, class_names=CIFAR10_CLASSES, size=32):
        super().__init__()
        self.class_names = class_names
        self.size = size
        self.upload = widgets.FileUpload(
            accept="image/*",
            description="Choose a picture",
            layout=widgets.Layout(width="max-content"),
        )
        hidden = {"display": "none", "margin": "2px 8px 2px 0", "object_fit": "contain"}
        self.preview, self.seen = (
            widgets.Image(format="png", layout=widgets.Layout(max_width="47%", **hidden))
            for _ in range(2)
        )
        self.text = widgets.HTML()
        self.children = [self.upload, widgets.HBox([self.preview, self.seen]), self.text]
        self.upload.observe(self._on_upload, "value")

    def load(self, source) -> None:
        """Take a picture from a path, or whatever else `read_picture` reads.

        Raises:
            PictureError: a ValueError, as `read_picture`; the old picture stays.
        """
        new = read_picture(source, self.class_names, self.size)
        self.preview.value = encode_png(new.preview)
        self.seen.value = encode_png(enlarge(new.pixels, SEEN_SIZE))
        for image in (self.preview, self.seen):
            image.layout.display = "block"
        words = "The whole picture, and what the model sees of it."
        self.text.value = _message("status", f"{words} {new.sentence}")
        self.set_trait("name", new.name)
        self.set_trait("picture", new.pixels)

    def _on_upload(self, change):
        if not change.new:  # when it is emptied, below
            return
        try:
            self.load(change.new)
        except PictureError as error:
            stays = "" if self.picture is None else f" {self.name!r} stays."
            self.text.value = _message("alert", f"{error}{stays}")
        finally:
            self._empty()

    def _empty(self):
        """Let go of the file, which would otherwise be saved with the notebook."""
        if isinstance(self.upload.value, tuple):  # ipywidgets 8
            self.upload.value = ()
        else:
            self.upload.data = self.upload.metadata = []


def _message(role: str, text: str) -> str:
    """Return a sentence as HTML; screen readers read it out when it appears."""
    return f"<div role='{role}' style='max-width:40em;line-height:1.5'>{escape(text)}</div>"
