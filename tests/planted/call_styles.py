"""One small network, written in the ways in which people call layers.

A convolution of 3 to 8 channels with a 3x3 kernel, the mean over all pixels, a linear layer of 8 to 10: all
compute the same, and each style is some way of a user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint


class Small(nn.Module):
    """The network as it is usually written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)

    def features(self, images: Tensor) -> Tensor:
        result: Tensor = self.conv(images)
        return result

    def forward(self, images: Tensor) -> Any:
        return self.fc(self.features(images).mean((2, 3)))


class Keywords(Small):
    def forward(self, images: Tensor) -> Any:
        return self.fc(input=self.conv(input=images).mean((2, 3)))


class DirectForward(Small):
    def forward(self, images: Tensor) -> Any:
        return self.fc.forward(self.conv.forward(images).mean((2, 3)))


class Functional(nn.Module):
    """Its own weights, and no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 3, 3, 3) / 5)
        self.weight = nn.Parameter(torch.randn(8, 10) / 3)

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.kernel, padding=1).mean((2, 3)) @ self.weight


class Block(nn.Module):
    """Multiplies, and calls a child."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 3, 3, 3) / 5)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, images: Tensor) -> Any:
        return self.norm(F.conv2d(images, self.kernel, padding=1))


class OwnWorkBesideAChild(Small):
    def __init__(self) -> None:
        super().__init__()
        self.conv = Block()


class Unregistered(Small):
    """A list hides its layers from the network: their weights are plain tensors to it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Identity()
        self.hidden = [nn.Conv2d(3, 8, 3, padding=1)]

    def features(self, images: Tensor) -> Tensor:
        result: Tensor = self.hidden[0](images)
        return result


class Parametrized(Small):
    def __init__(self) -> None:
        super().__init__()
        parametrizations.weight_norm(self.conv)


class OldWeightNorm(Small):
    def __init__(self) -> None:
        super().__init__()
        torch.nn.utils.weight_norm(self.conv)


class Pruned(Small):
    def __init__(self) -> None:
        super().__init__()
        prune.random_unstructured(self.conv, "weight", 0.5)


class Checkpointed(Small):
    reentrant = False

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def features(self, images: Tensor) -> Tensor:
        def block(given: Tensor) -> Any:
            return self.relu(self.conv(given))

        if self.training:
            # the older kind recomputes only what gets a gradient of its input
            given = images.requires_grad_() if self.reentrant else images
            result: Tensor = checkpoint(block, given, use_reentrant=self.reentrant)
            return result
        plain: Tensor = block(images)
        return plain


class CheckpointedReentrant(Checkpointed):
    reentrant = True


class FrozenBelow(Small):
    def features(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = super().features(images)
        return result


class InPlace(Small):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def features(self, images: Tensor) -> Tensor:
        result: Tensor = self.relu(self.conv(images).add_(1))
        return result


@dataclass
class Out:
    features: Tensor
    size: int


class _Wrapped(nn.Conv2d):
    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__(3, 8, 3, padding=1)
        self.wrap = wrap

    def forward(self, images: Tensor) -> Any:
        return self.wrap(super().forward(images))


class Containers(Small):
    """Layers that return a tuple, a dict or a dataclass."""

    def __init__(self, wrap: Callable[[Tensor], Any], unwrap: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.conv = _Wrapped(wrap)
        self.unwrap = unwrap

    def features(self, images: Tensor) -> Tensor:
        return self.unwrap(self.conv(images))


class _Scale(nn.Module):
    """Takes no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(8))

    def forward(self, times: int) -> Tensor:
        return self.value * times


class _Count(nn.Module):
    """Takes a tensor and returns none."""

    def forward(self, given: Tensor) -> int:
        return given.shape[0]


class NoTensors(Small):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.count = _Scale(), _Count()

    def features(self, images: Tensor) -> Tensor:
        result: Tensor = self.conv(images)
        scale: Tensor = self.scale(self.count(images))
        return result * scale.view(1, -1, 1, 1)


def styles() -> Iterator[tuple[str, Small | Functional]]:
    """Networks by the name of their style."""
    torch.manual_seed(0)
    for kind in (
        Small,
        Keywords,
        DirectForward,
        Functional,
        OwnWorkBesideAChild,
        Unregistered,
        Parametrized,
        OldWeightNorm,
        Pruned,
        Checkpointed,
        CheckpointedReentrant,
        FrozenBelow,
        InPlace,
        NoTensors,
    ):
        yield kind.__name__, kind()
    yield "Tuple", Containers(lambda made: (made, 8), lambda pair: pair[0])
    yield "Dict", Containers(lambda made: {"out": made}, lambda found: found["out"])
    yield "Dataclass", Containers(lambda made: Out(made, 8), lambda found: found.features)
