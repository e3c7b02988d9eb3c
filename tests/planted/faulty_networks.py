"""Networks whose training step gives other bits, or none that are fixed: factories, as in a user's file.

All take images of 3 channels and 16 pixels and give 10 classes.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

FLIPS_ON = "PLANTED_FLIP_ON"
"""Name of the node on which one bit of one gradient is flipped."""


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)

    def features(self, images: Tensor) -> Tensor:
        found: Tensor = self.conv(images)
        return found

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.fc(self.features(images).relu().mean((2, 3)))
        return found


class Unrepeatable(Small):
    """Its noise comes from the system, and no seed reaches it."""

    def features(self, images: Tensor) -> Tensor:
        return super().features(images) * (1 + os.urandom(1)[0] / 2**20 + os.urandom(1)[0] / 2**12)


class Unpooling(Small):
    """Torch refuses its unpooling where algorithms must be deterministic."""

    def features(self, images: Tensor) -> Tensor:
        pooled, places = nn.functional.max_pool2d(super().features(images), 2, return_indices=True)
        return nn.functional.max_unpool2d(pooled, places, [2])


def flipping() -> nn.Module:
    """The last bit of a gradient is flipped on the node that FLIPS_ON names."""
    module = Small()
    module.fc.weight.register_hook(_flipped)
    return module


def _flipped(gradient: Tensor) -> Tensor:
    if os.environ.get("CONVBENCH_NODE_NAME", "") != os.environ.get(FLIPS_ON, "nowhere"):
        return gradient
    bits = gradient.clone().view(torch.int32)
    bits.view(-1)[:1].bitwise_xor_(1)
    return bits.view(torch.float32)


def unrepeatable() -> nn.Module:
    return Unrepeatable()


def unpooling() -> nn.Module:
    return Unpooling()
