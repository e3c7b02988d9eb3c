"""Networks as users have them, which are not "Tensor to Tensor": factories, loaded as a file of his.

All but those that say otherwise are `Conv2d(3, 8, 3, padding=1)`, the spatial mean and `Linear(8, 10)`: 314
parameters, and for images of 16 pixels 55,376 multiply-accumulates each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical


class Net(nn.Module):
    def __init__(self, answer: Callable[[Tensor], Any] = lambda logits: logits) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)
        self.answer = answer

    def features(self, images: Tensor) -> Any:
        return self.conv(images).mean((2, 3))

    def forward(self, images: Tensor) -> Any:
        return self.answer(self.fc(self.features(images)))


class TwoHeads(Net):
    """An auxiliary head in training alone, as GoogLeNet has."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Any:
        features = self.features(images)
        return (self.fc(features), self.aux(features)) if self.training else self.fc(features)


class Forgetful(Net):
    """Neither `train` nor `to` returns the module."""

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)

    def to(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        super().to(*args, **kwargs)


class InPlace(Net):
    """Normalises the images where they are: after some sixty steps the same ones are infinite."""

    def forward(self, images: Tensor) -> Any:
        images.sub_(0.45).div_(0.225)
        return super().forward(images)


class Hidden(Net):
    """The same, so that torch does not count it."""

    def forward(self, images: Tensor) -> Any:
        images.data.sub_(0.45).div_(0.225)
        return super().forward(images)


class Spectral(Net):
    """With 432 complex weights, and tables of each kind beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.randn(3, 16, 9, dtype=torch.complex128))
        self.register_buffer("turns", torch.polar(torch.ones(9), torch.arange(9.0)))
        self.order = nn.Parameter(torch.arange(8), requires_grad=False)

    def forward(self, images: Tensor) -> Any:
        filtered = torch.fft.rfft2(images.float()) * self.filter * self.turns
        images = torch.fft.irfft2(filtered, s=images.shape[-2:]).to(self.conv.weight.dtype)
        return self.fc(self.features(images)[:, self.order])


class Volumes(Net):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 8, (1, 3, 3), padding=(0, 1, 1))  # type: ignore[assignment]

    def features(self, images: Tensor) -> Any:
        return self.conv(images.unsqueeze(2)).mean((2, 3, 4))


class Lines(Net):
    """A convolution in one dimension: no weight has four."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 3, padding=1)  # type: ignore[assignment]

    def features(self, images: Tensor) -> Any:
        return self.conv(images.flatten(2)).mean(2)


class Tied(nn.Module):
    """One weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(768, 768, bias=False), nn.Linear(768, 768, bias=False)
        self.second.weight = self.first.weight
        self.fc = nn.Linear(768, 10)

    def forward(self, images: Tensor) -> Any:
        return self.fc(self.second(self.first(images.flatten(1))))


def frozen(network: nn.Module, part: nn.Module | None = None) -> nn.Module:
    (part or network).requires_grad_(False)
    return network


def plain() -> nn.Module:
    return Net()


def as_dict() -> nn.Module:
    return Net(lambda logits: {"aux": logits.detach(), "out": logits})


def as_distribution() -> nn.Module:
    return Net(lambda logits: Categorical(logits=logits))


def as_nothing() -> nn.Module:
    return Net(lambda logits: None)


def as_labels() -> nn.Module:
    return Net(lambda logits: logits.argmax(1))


def as_detached() -> nn.Module:
    return Net(lambda logits: logits.detach())


def as_infinity() -> nn.Module:
    return Net(lambda logits: {"logits": logits / 0})


def two_heads() -> nn.Module:
    return TwoHeads()


def forgetful() -> nn.Module:
    return Forgetful()


def in_place() -> nn.Module:
    return InPlace()


def hidden() -> nn.Module:
    return Hidden()


def spectral() -> nn.Module:
    return Spectral()


def volumes() -> nn.Module:
    return Volumes()


def lines() -> nn.Module:
    return Lines()


def tied() -> nn.Module:
    return Tied()


def all_frozen() -> nn.Module:
    return frozen(Net())


def frozen_backbone() -> nn.Module:
    network = Net()
    return frozen(network, network.conv)


def without_parameters() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(16), nn.Flatten())


def segmentation() -> nn.Module:
    return nn.Conv2d(3, 21, 1)


def normalised() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 10))


def failing() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(7, 10))


class LazyHead(Net):
    """A head of lazy layers in training alone, and groups of eight images."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Sequential(nn.LazyBatchNorm1d(affine=False), nn.LazyLinear(10))

    def forward(self, images: Tensor) -> Any:
        features = self.features(images).reshape(len(images) // 8, 8, 8).flatten(0, 1)
        return (self.fc(features), self.aux(features)) if self.training else self.fc(features)


def lazy_head() -> nn.Module:
    return LazyHead()


def lazy_for_ever() -> nn.Module:
    network = Net()
    network.spare = nn.LazyLinear(10)
    return network
