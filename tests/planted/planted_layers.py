"""Layers that cost a planted time, and steps of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.child.layers.marked import MarkedSteps
from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from tests.planted.planted_steps import MS, nothing


class _Launch(torch.autograd.Function):
    """The identity, which costs a planted time forward and another one backward."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, cost: Callable[[float], None], ahead: float, back: float) -> Tensor:
        ctx.cost, ctx.back = cost, back
        cost(ahead)
        return given.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        ctx.cost(ctx.back)
        return gradient, None, None, None


class Planted(nn.Module):
    """A layer of so many seconds forward and backward."""

    def __init__(self, cost: Callable[[float], None], ahead: float, back: float) -> None:
        super().__init__()
        self.cost, self.ahead, self.back = cost, ahead, back

    def forward(self, given: Tensor) -> Tensor:
        result: Tensor = _Launch.apply(given, self.cost, self.ahead, self.back)
        return result


def on(device: FakeDevice) -> Callable[[float], None]:
    """Launches that cost the host a microsecond."""
    return lambda seconds: device.launch(1e-6, seconds)


def steps_of(module: nn.Module, given: Tensor, optimize: Callable[[], None] = nothing) -> Steps:
    """A training step whose loss is the sum."""
    made: list[Tensor] = []

    def forward() -> None:
        made[:] = [module(given).sum()]

    def backward() -> None:
        made[0].backward()

    def whole() -> None:
        forward()
        backward()
        optimize()

    return Steps(
        setup=nothing,
        step=whole,
        whole_phase="step",
        phases=(("forward", forward), ("backward", backward), ("optimizer", optimize)),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=lambda: {"inputs": [given]},
    )


def image(*shape: int) -> Tensor:
    return torch.randn(shape).requires_grad_()


def timed(module: nn.Module, device: FakeDevice, given: Tensor) -> dict[tuple[str, str], float]:
    """Milliseconds by part of the step and name of the layer; zeros left out."""
    found = MarkedSteps(module, steps_of(module, given), device).time()
    return {(p.part, p.layer.name): round(s / MS, 2) for p, s in found.items() if s > 0.1 * MS}
