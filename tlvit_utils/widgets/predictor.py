"""What models make of a set of images, each computed once, when it is first asked for."""

from dataclasses import dataclass

import keras
import numpy as np

from tlvit_utils.analysis import interventions
from tlvit_utils.analysis.maps import Predictions, find_token_learner, look
from tlvit_utils.blocks import TransformerBlock

RANDOM_SEED = 0  # of the weights in the place of the learned ones
UNKNOWN = -1  # the label of an image whose class is unknown


def blocks_before(model: keras.Model) -> int:
    """Return how many Transformer blocks a cell has been through when TokenLearner reads it.

    Raises:
        ValueError: as `find_token_learner`.
    """
    place = model.layers.index(find_token_learner(model).layer)
    return sum(isinstance(layer, TransformerBlock) for layer in model.layers[:place])


@dataclass(frozen=True, eq=False)
class Ablation:
    """One image's tokens, what each of them does, and the network that reads them.

    Attributes:
        tokens: `(1, num_tokens, dim)`.
        effects: what leaving out each token changes; None where there is only one.
        parts: the network, split at its TokenLearner.
    """

    tokens: np.ndarray
    effects: interventions.TokenEffects | None
    parts: interventions.NetworkParts

    def without(self, removed) -> np.ndarray:
        """Return what the network predicts without the tokens of these indices, `(classes,)`."""
        return self.parts.predict(np.delete(self.tokens, removed, axis=1))[0]


class Predictor:
    """Several models and the same images for all of them; no model runs before it is asked for.

    Args:
        models: a model with a TokenLearner, or a dict of names and such models.
        images: `(N, 32, 32, 3)`, 0..255.
        labels: `(N,)`, integers, or None where the true classes are unknown.
        masks: `(N, 32, 32)`, 1 where the object is, or None.
        class_names: name of each label.

    Raises:
        ValueError: no models or no images, a model without a (single) TokenLearner, or labels,
            masks or class names that do not fit.
    """

    def __init__(self, models, images, labels, masks, class_names):
        self.models = models if isinstance(models, dict) else {models.name: models}
        self.images = np.asarray(images)
        self.labels = None if labels is None else np.asarray(labels)
        self.masks = None if masks is None else np.asarray(masks)
        self.class_names = class_names
        self.names = {}  # of the images that were added later, by index
        self._check()
        self._random_models = {}
        self._looks = {}
        self._parts = {}
        self._ablation = None

    def _check(self):
        count, classes = len(self.images), len(self.class_names)
        if not self.models:
            raise ValueError("There are no models; give one, or a dict with at least one.")
        for name, model in self.models.items():
            find_token_learner(model)
            if model.output_shape[-1] != classes:
                raise ValueError(
                    f"There are {classes} class names, but the model {name!r} tells "
                    f"{model.output_shape[-1]} classes apart; give one name per class."
                )
        if count == 0:
            raise ValueError("There are no images; give at least one.")
        if self.labels is not None and self.labels.shape != (count,):
            raise ValueError(
                f"There are {count} images and labels of shape {self.labels.shape}; give one "
                "label per image, or None."
            )
        if self.labels is not None and not np.isin(self.labels, range(classes)).all():
            raise ValueError(
                f"A label is none of the {classes} classes, whose indices are 0 to {classes - 1}."
            )
        if self.masks is not None and self.masks.shape != self.images.shape[:3]:
            raise ValueError(
                f"The images have shape {self.images.shape} and the masks {self.masks.shape}; give "
                "one mask per image, of its height and width, or None."
            )

    def model(self, name: str, randomised: bool = False) -> keras.Model:
        """Return the model of this name, or the same with fresh initial weights."""
        if not randomised:
            return self.models[name]
        if name not in self._random_models:
            self._random_models[name] = interventions.randomised(self.models[name], RANDOM_SEED)
        return self._random_models[name]

    def look(self, name: str, randomised: bool = False) -> Predictions:
        """Return what a model makes of all images; it runs the first time only."""
        key = name, randomised
        if key not in self._looks:
            self._looks[key] = look(self.model(*key), self.images, self.masks)
        return self._looks[key]

    def add(self, image, name: str) -> int:
        """Take one more image, of which no class and no mask is known; return its index.

        Args:
            image: `(32, 32, 3)`, 0..255.
            name: to show it by.

        Raises:
            TypeError, ValueError: as `data.check_images`.
        """
        images = np.asarray(image)[None]
        masks = None if self.masks is None else np.zeros((1, *self.masks.shape[1:]), "uint8")
        looks = {
            key: each + look(self.model(*key), images, masks) for key, each in self._looks.items()
        }
        self._looks = looks
        self.images = np.concatenate([self.images, images])
        if masks is not None:
            self.masks = np.concatenate([self.masks, masks])
        if self.labels is not None:
            self.labels = np.append(self.labels, UNKNOWN)
        index = len(self.images) - 1
        self.names[index] = name
        return index

    def ablation(self, name: str, randomised: bool, image_index: int) -> Ablation:
        """Return what can be asked about a model's tokens of one image; the last one is kept.

        Raises:
            ValueError: as `interventions.NetworkParts`.
        """
        key = name, randomised, image_index
        if self._ablation is None or self._ablation[0] != key:
            if key[:2] not in self._parts:
                self._parts[key[:2]] = interventions.NetworkParts(self.model(*key[:2]))
            parts = self._parts[key[:2]]
            image = self.images[image_index]
            grid = parts.grid(image[None])
            tokens = parts.tokens(grid, parts.maps(grid))
            effects = None if tokens.shape[1] == 1 else interventions.token_effects(parts, image)
            self._ablation = key, Ablation(tokens, effects, parts)
        return self._ablation[1]
