"""What a training run learns and how: the dataset, the recipe, the accuracy to reach. Data only, no torch."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from models.arch import Init

Schedule = Literal["constant", "cosine"]
Augmentation = Literal["crop", "flip", "pca"]

SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine")
AUGMENTATIONS: tuple[Augmentation, ...] = ("crop", "flip", "pca")


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network is trained: stochastic gradient descent on the cross-entropy.

    name             of the recipe, and after a plus what was changed in it (`quick+momentum=0`)
    lr               the learning rate, at its highest
    warmup_epochs    epochs in which the rate rises linearly to `lr`
    schedule         of the rate after the warm-up; cosine falls to 0 at the end of the last epoch
    label_smoothing  share of a label that is spread over all classes
    augment          crop: shifted by up to an eighth of the side; flip: mirrored left to right, where the
                     dataset allows it; pca: the color jitter of Krizhevsky et al. 2012, section 4.1, for
                     color images
    init             first weights of our own networks, as `models.build` has them
    normalise        subtract the dataset's mean and divide by its standard deviation
    """

    name: str
    epochs: int
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    warmup_epochs: float = 0.0
    schedule: Schedule = "constant"
    label_smoothing: float = 0.0
    augment: tuple[Augmentation, ...] = ()
    init: Init = "xavier"
    normalise: bool = False


class TrainingTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes a case a training run.

    target         the test accuracy (0.9 is 90%) to which time and energy are measured, or None
    deterministic  whether an operator without a deterministic implementation is an error
    """

    dataset: str
    recipe: Recipe
    target: float | None = None
    deterministic: bool = False
