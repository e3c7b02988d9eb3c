"""Planted datasets and training runs, for the tests of everything that learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import structs
from torch import Tensor, nn

from bench.child.training.learner import Learner
from bench.contracts.dataset import Images, Split
from bench.contracts.device import Device
from bench.devices.fake import FakeDevice
from bench.schema.case import Case
from bench.schema.training_task import Recipe, TrainingTask


@dataclass
class PlantedData:
    """Random images; the first pixel of a training image is its number, by which a batch tells its order."""

    name: str = "planted"
    summary: str = "planted"
    source: str = "a test"
    channels: int = 1
    image: int = 4
    classes: int = 3
    train_images: int = 22
    test_images: int = 11
    mean: tuple[float, ...] = (0.4,)
    std: tuple[float, ...] = (0.25,)
    mirrors: bool = True
    learns: bool = True
    downloads: bool = False

    def why_missing(self, data_dir: Path | None) -> str | None:
        return None

    def fetch(self, data_dir: Path | None) -> None:
        return None

    def load(self, data_dir: Path | None) -> Split:
        generator = torch.Generator().manual_seed(12)

        def drawn(count: int) -> Images:
            shape = (count, self.channels, self.image, self.image)
            images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
            return Images(images, torch.randint(self.classes, (count,), generator=generator))

        split = drawn(self.train_images)
        split.images[:, :, 0, 0] = torch.arange(self.train_images, dtype=torch.uint8)[:, None]
        return Split(split, drawn(self.test_images))


GREY = PlantedData()
COLOUR = PlantedData(channels=3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), image=8)


def training_case(data: PlantedData = GREY, *, batch: int = 8, seed: int = 0, **recipe: Any) -> Case:
    """A training run on planted data: 3 epochs at rate 0.1, unless other fields of the recipe are given."""
    fields = {"name": "planted", "epochs": 3, "lr": 0.1, **recipe}
    return Case(
        model="planted",
        workload="accuracy",
        batch=batch,
        image=data.image,
        channels=data.channels,
        classes=data.classes,
        seed=seed,
        task=TrainingTask(dataset=data.name, recipe=Recipe(**fields)),
    )


def network(data: PlantedData = GREY, *, dropout: float = 0.0, seed: int = 0) -> nn.Sequential:
    """Two layers, the same at every call."""
    torch.manual_seed(seed)
    pixels = data.channels * data.image**2
    layers = nn.Linear(pixels, 7), nn.Tanh(), nn.Dropout(dropout), nn.Linear(7, data.classes)
    return nn.Sequential(nn.Flatten(), *layers)


def learner(
    case: Case,
    module: nn.Module,
    data: PlantedData = GREY,
    *,
    device: Device | None = None,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> Learner:
    split = data.load(None)
    return Learner(case, device or FakeDevice(False), module, forward or module, data, split)


def changed(case: Case, **fields: Any) -> Case:
    """The case with other fields of its recipe."""
    assert case.task is not None
    recipe = structs.replace(case.task.recipe, **fields)
    return structs.replace(case, task=structs.replace(case.task, recipe=recipe))


def quiet(step: int, steps: int) -> None:
    """For `told`."""


def no_energy() -> float | None:
    """For `joules`."""
    return None
