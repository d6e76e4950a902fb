"""What a learner sees while a model trains: one line of progress, and curves that grow."""

import math
import shutil
import sys
import time

import keras

from tlvit_utils._text import format_seconds, printable

BAR_LENGTH = 12
EVERY = 0.5  # seconds between two lines


def in_notebook() -> bool:
    """Return whether this runs in a kernel, which can show more than text."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class CellOutput:
    """One output of a notebook's cell, replaced in place."""

    def __init__(self):
        self.handle = None

    def show(self, data, metadata=None):
        """Show a MIME bundle, in place of the one before."""
        from IPython.display import display

        if self.handle is None:
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)


class ProgressLine(keras.callbacks.Callback):
    """One line with a bar: epoch, images per second, time left, loss and accuracy, live.

    It is replaced in place; a log file gets only each epoch's last line.
    """

    def __init__(self, name, num_images, batch_size):
        super().__init__()
        self.name = name
        self.num_images = num_images
        self.batch_size = batch_size
        self.output = CellOutput()
        self.train_seconds, self.train_images = 0.0, 0
        self.validation_seconds, self.shown = 0.0, 0.0

    def write(self, text, keep=False):
        """Show `text` in place of the text before; outside notebooks it can be kept."""
        if in_notebook():
            return self.output.show({"text/plain": text})
        text = printable(text)
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns - 1
            shown = text if keep else text[:width]  # a line that wraps could not be replaced
            print(f"\r{shown:<{width}}", end="\n" if keep else "", flush=True)
        elif keep:
            print(text, flush=True)

    def on_train_begin(self, logs=None):
        self.epochs = self.params["epochs"]
        self.write(f"{self.name}: compiling the training step …")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.batch_end = None

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if self.batch_end is not None:  # the first batch of an epoch also compiles or refills
            self.train_seconds += now - self.batch_end
            self.train_images += self.batch_size
        self.batch_end = now
        if now - self.shown > EVERY and self.train_images:
            self.shown = now
            self.write(self._line((batch + 1) * self.batch_size, logs))

    def on_epoch_end(self, epoch, logs=None):
        self.validation_seconds = time.perf_counter() - self.batch_end
        text = self._line(self.num_images, logs)
        if "val_accuracy" in logs:
            text += f" · validation accuracy {logs['val_accuracy']:.1%}"
        self.write(text, keep=True)

    @property
    def images_per_second(self):
        """Training images per second so far, without compilation and validation; or None."""
        return self.train_images / self.train_seconds if self.train_images else None

    def _line(self, done, logs):
        speed = ""
        if rate := self.images_per_second:
            epochs_left = self.epochs - self.epoch - 1
            left = (self.num_images - done + epochs_left * self.num_images) / rate
            left += epochs_left * self.validation_seconds
            speed = f"{rate:,.0f} images/s · {format_seconds(left)} left · "
        bar = "█" * (BAR_LENGTH * done // self.num_images)
        return (
            f"{self.name}: epoch {self.epoch + 1} of {self.epochs} {bar:░<{BAR_LENGTH}} {speed}"
            f"loss {logs['loss']:.3f} · accuracy {logs['accuracy']:.1%}"
        )


class LiveCurves(keras.callbacks.Callback):
    """A figure, `draw(history, epochs)`, that is redrawn in a notebook as a network trains.

    `history` has a list for each of Keras's logs. Training has `points` values per epoch, at
    `history["at"]`, each the mean over the batches since the one before. Validation has one value
    per epoch; the epochs before a resumed training are NaN.
    """

    def __init__(self, draw, points=5):
        super().__init__()
        self.draw = draw
        self.points = points
        self.output = CellOutput()

    def on_train_begin(self, logs=None):
        self.history = {"at": []}
        self.steps = self.params["steps"]

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.done, self.sums = 0, {}  # of this epoch's batches, up to its last point

    def on_train_batch_end(self, batch, logs=None):
        done = batch + 1
        if done * self.points // self.steps == batch * self.points // self.steps:
            return
        self.history["at"].append(self.epoch + done / self.steps)
        for name, mean in logs.items():  # over the epoch so far
            total = done * float(mean)
            since = (total - self.sums.get(name, 0.0)) / (done - self.done)
            self.history.setdefault(name, []).append(since)
            self.sums[name] = total
        self.done = done
        if done < self.steps:
            self._show()

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            if name.startswith("val_"):
                self.history.setdefault(name, [math.nan] * epoch).append(float(value))
        self._show()

    def _show(self):
        if not in_notebook():
            return
        from tlvit_utils.figures.plots import mime_bundle

        epochs = self.params["epochs"]
        caption = f"Curves of loss and accuracy, {self.history['at'][-1]:.3g} of {epochs} epochs."
        self.output.show(*mime_bundle(self.draw(self.history, epochs), caption))
