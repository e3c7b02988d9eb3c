"""What autocast costs: how often a step casts a weight or an input, and how long casting all weights takes.

Entering autocast at every call casts the weights again each time; inside one outer context, without
gradients, they are cast once and kept. Compiled code holds the casts in its graph.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from bench.probes.operator_mode import OperatorMode

if TYPE_CHECKING:
    from bench.contracts.device import Device

_ROUNDS = 5


class _CastCounter(OperatorMode):
    """Counts the dtype conversions that reach the dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.casts = 0

    def operator(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        dtype = kwargs.get("dtype")
        if func is torch.ops.aten._to_copy.default and dtype not in (None, args[0].dtype):
            self.casts += 1
        return func(*args, **kwargs)


def count_eager_casts(step: Callable[[], None]) -> int:
    """Dtype conversions in one step of uncompiled code."""
    counter = _CastCounter()
    with counter:
        step()
    return counter.casts


def cast_seconds(module: torch.nn.Module, dtype: torch.dtype, device: Device) -> float:
    """Median seconds to cast every floating-point weight to `dtype` once."""
    weights = [p.detach() for p in module.parameters() if p.is_floating_point()]

    def once() -> float:
        device.synchronise()
        start = device.clock()
        cast = [weight.to(dtype) for weight in weights]
        device.synchronise()
        seconds = device.clock() - start
        del cast
        return seconds

    once()
    return statistics.median(once() for _ in range(_ROUNDS))
