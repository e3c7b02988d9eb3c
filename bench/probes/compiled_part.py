"""Which part of a step ran as code that torch.compile made, and which eagerly: seen by the profiler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from bench.contracts.steps import Steps

_GRAPH = "## Call CompiledFxGraph"
_REGION = "Torch-Compiled Region"
"""How torch names a call of compiled code, and all of a function of which a part at least was compiled."""
_PRODUCTS = frozenset(
    f"aten::{name}"
    for name in (
        *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        *("convolution", "_convolution", "convolution_backward", "linear", "matmul", "mm", "addmm", "bmm"),
        *("baddbmm", "einsum", "scaled_dot_product_attention"),
    )
)
"""Convolutions and matrix products, each by the name with which it begins."""


class Event(Protocol):
    """Of torch.profiler's, what is used here: a name, and the event inside of which it happened."""

    @property
    def name(self) -> str: ...

    @property
    def cpu_parent(self) -> Event | None: ...


@dataclass(frozen=True)
class CompiledPart:
    """Of one step.

    calls     of compiled code
    products  convolutions and matrix products that torch's own operators did, in compiled code and outside
    eager     those outside, by the operator's name
    """

    calls: int
    products: int
    eager: dict[str, int]


def profile_step(steps: Steps) -> CompiledPart:
    """One more step, which nobody times. On a GPU the replay of a CUDA graph shows no operators."""
    steps.setup()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        steps.step()
    return part_of(profiler.events() or ())


def part_of(events: Iterable[Event]) -> CompiledPart:
    """From the events of a step, of which each knows what it ran inside of."""
    calls = regions = products = 0
    eager: Counter[str] = Counter()
    for event in events:
        calls += event.name.startswith(_GRAPH)
        regions += event.name.startswith(_REGION)
        if event.name not in _PRODUCTS:
            continue
        around = list(_around(event))
        if any(name in _PRODUCTS for name in around):
            continue  # a part of one that is counted
        products += 1
        if not any(name.startswith(_GRAPH) for name in around):
            eager[event.name.removeprefix("aten::")] += 1
    return CompiledPart(calls=calls or regions, products=products, eager=dict(eager))


def _around(event: Event) -> Iterable[str]:
    parent = event.cpu_parent
    while parent is not None:
        yield parent.name
        parent = parent.cpu_parent
