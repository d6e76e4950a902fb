"""Watch where the maps look while a network trains (notebook 03)."""

import keras

from tlvit_utils.analysis.maps import mask_shares, predict_with_maps, seen_images, seen_masks
from tlvit_utils.analysis.scores import localisation
from tlvit_utils.data.datasets import Dataset
from tlvit_utils.training.progress import CellOutput, in_notebook

PICTURES = 4
MEASURED = 500


class WatchMaps(keras.callbacks.Callback):
    """Draw, before the first epoch and after each, the curves and where the maps look.

    They show loss and accuracy; the share of validation images in which the mean of all tokens'
    maps is highest on the object (the data set needs masks); and the mean maps of a few of them.
    In a notebook the picture is replaced; elsewhere the share is printed.
    """

    def __init__(self, dataset: Dataset):
        super().__init__()
        split = dataset.validation.take(MEASURED)
        if split.masks is None:
            raise ValueError(f"{dataset.name} has no masks that say where its objects are.")
        self.class_names, self.split = dataset.class_names, split
        self.output = CellOutput()

    def on_train_begin(self, logs=None):
        self.history, self.found = {}, {}
        self.mask_shares = mask_shares(self.model, self.split.masks)

    def on_epoch_begin(self, epoch, logs=None):
        if not self.found:
            self._show(epoch)

    def on_epoch_end(self, epoch, logs=None):
        for name, value in logs.items():
            self.history.setdefault(name, [float("nan")] * epoch).append(float(value))
        self._show(epoch + 1)

    def _show(self, epoch):
        probabilities, maps = predict_with_maps(self.model, self.split.images)
        scores = localisation(maps, self.mask_shares)
        self.found[epoch] = scores["own"].mean_map_hit
        chance = scores["chance"].mean_map_hit
        caption = (
            f"After epoch {epoch} the mean map is highest on the object in "
            f"{self.found[epoch]:.0%} of the images; chance is {chance:.0%}."
        )
        if in_notebook():
            from tlvit_utils.figures.plots import mime_bundle

            figure = self._draw(epoch, probabilities[:PICTURES], maps[:PICTURES], chance)
            self.output.show(*mime_bundle(figure, caption))
        else:
            print(caption, flush=True)

    def _draw(self, epoch, probabilities, maps, chance):
        from tlvit_utils.figures.watch import watch_figure

        shown = self.split.take(PICTURES)
        pairs = zip(shown.labels, probabilities.argmax(axis=1), strict=True)
        return watch_figure(
            epochs=self.params["epochs"],
            history=self.history,
            found=self.found,
            chance=chance,
            guess=1 / len(self.class_names),
            pictures=seen_images(self.model, shown.images),
            maps=maps.mean(axis=1),
            masks=seen_masks(self.model, shown.masks),
            titles=[f"{self.class_names[x]}, seen as {self.class_names[y]}" for x, y in pairs],
            title=f"after epoch {epoch}",
        )
