"""A textbook's training loop, written as textbooks and tutorials write it: what ours is compared with.

Pictures are resized one by one in the workers of a DataLoader, and the loss and the hits are fetched with
`.item()` at every step; fp32, NCHW, torch's own flags. It stands in a module of its own because workers
have to be able to import it, and because collecting the benchmarks imports no torch.

Where a textbook leaves a choice, it is made in this loop's favour: the workers live as long as the loop
does, so no lap pays for starting them, and there is one for each usable core.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import transforms

from bench import datasets
from bench.child.training.schedule import rate
from bench.contracts.dataset import Images, Split
from bench.schema.case import Case
from models.load import load


@dataclass(frozen=True)
class Lap:
    """Some steps of a training loop: seconds of all of it, and of those the seconds without a batch."""

    images: int
    seconds: float
    loading_seconds: float


class Pictures(Dataset[tuple[Tensor, int]]):
    """One split of grey images as torchvision's datasets give it: a PIL image, transformed, and its label."""

    def __init__(self, images: Images, transform: transforms.Compose) -> None:
        self._images, self._transform = images, transform

    def __len__(self) -> int:
        return len(self._images.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._images.images[index, 0].numpy())
        return self._transform(picture), int(self._images.labels[index])


class Chosen(Sampler[int]):
    """Which images the next pass over a loader gives, in this order: an epoch is cut into laps."""

    def __init__(self) -> None:
        self.indices: Sequence[int] = ()

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


class PlainLoop:
    """One network of the catalogue in training on grey images, from the weights that the case's seed gives.

    The case says what is learned; of its precision, layout and engine nothing is used. `where` is torch's
    name of the device. Every lap must have the same number of steps, the recipe's epochs counted in laps.
    """

    def __init__(self, case: Case, where: str, split: Split, workers: int) -> None:
        assert case.task is not None
        self._case, self._recipe, self._where = case, case.task.recipe, where
        torch.manual_seed(case.learning_seed)
        self.model = load(
            case.model,
            channels=case.channels,
            image=case.image,
            classes=case.classes,
            init=self._recipe.init,
            device=where,
        ).module
        self._criterion = nn.CrossEntropyLoss(label_smoothing=self._recipe.label_smoothing)
        self._optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=self._recipe.lr,
            momentum=self._recipe.momentum,
            weight_decay=self._recipe.weight_decay,
        )
        transform = _transform(case)
        self._chosen = Chosen()
        self._loader = DataLoader(
            Pictures(split.train, transform),
            batch_size=case.batch,
            sampler=self._chosen,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        self._test = DataLoader(Pictures(split.test, transform), batch_size=case.batch)

    def lap(self, number: int, indices: Sequence[int]) -> Lap:
        """Learn from these training images, in batches; `number` counts from 1."""
        self._chosen.indices = indices
        steps = len(self._loader)
        self.model.train()
        loading = total_loss = 0.0
        hits = 0
        began = asked = time.perf_counter()
        for step, (images, labels) in enumerate(self._loader):
            images, labels = images.to(self._where), labels.to(self._where)
            loading += time.perf_counter() - asked
            for group in self._optimizer.param_groups:
                group["lr"] = rate(self._recipe, (number - 1) * steps + step, steps)
            outputs = self.model(images)
            loss = self._criterion(outputs, labels)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            total_loss += loss.item()
            hits += (outputs.argmax(1) == labels).sum().item()
            asked = time.perf_counter()
        return Lap(len(indices), asked - began, loading)

    @torch.no_grad()
    def accuracy(self) -> float:
        """The share of the test images that is right."""
        self.model.eval()
        hits = 0
        for images, labels in self._test:
            outputs = self.model(images.to(self._where))
            hits += int((outputs.argmax(1) == labels.to(self._where)).sum().item())
        return hits / len(self._test.dataset)  # type: ignore[arg-type]


def _transform(case: Case) -> transforms.Compose:
    assert case.task is not None
    parts = [transforms.Resize((case.image, case.image)), transforms.ToTensor()]
    if case.task.recipe.normalise:
        dataset = datasets.get(case.task.dataset)
        parts.append(transforms.Normalize(dataset.mean, dataset.std))
    return transforms.Compose(parts)
