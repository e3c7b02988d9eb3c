"""Why a measured ratio of times differs from the ratio of the FLOPs: a pure function of both sides' figures.

It names what the figures suggest, in this order: noise, launches, bytes, another algorithm, and otherwise the
side that reached fewer FLOP/s. It reads no hardware counter.
"""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from bench.stats.estimates import Interval
from reports.cells import readable

CLOSE = 1.05
"""A measured ratio within this factor of the prediction needs no reason."""
BEYOND = 1.25
"""A rate this many times the best of all other kernels suggests another algorithm."""
BUSY = 0.5
"""Memory is a reason only at this share of the run's best bandwidth, or more."""
GIGA = 1e9


Kind = Literal[
    "as predicted",
    "within noise",
    "launch-bound",
    "memory-bound",
    "another algorithm",
    "lower FLOP/s",
    "lower tensor-core FLOP/s",
]


class Reason(Struct, frozen=True):
    """Why a measured ratio is not the predicted one.

    detail  the figures that suggest it, or the sides that it applies to
    side    the side that it is about; empty where it is about the ratio
    """

    kind: Kind
    detail: str = ""
    side: str = ""


def heading(reason: Reason) -> str:
    """`memory-bound`, `another algorithm for 5x5`: what reasons of one kind and side have in common."""
    return f"{reason.kind} for {reason.side}" if reason.side else reason.kind


def reason_in_words(reason: Reason) -> str:
    """`memory-bound: 1.3x the bytes, ...`; another algorithm is a guess, so it gets a question mark."""
    mark = "?" if reason.kind == "another algorithm" else ":"
    return f"{heading(reason)}{mark} {reason.detail}" if reason.detail else heading(reason)


class TimedSide(Struct, frozen=True, kw_only=True):
    """One side of a comparison, in one phase.

    flops, bytes   in closed form; the bytes are the fewest possible
    others_rate    the highest rate in FLOP/s that blocks of other kernels reached under the same conditions,
                   None where there are none
    """

    name: str
    seconds: float
    flops: float
    bytes: float
    is_launch_bound: bool = False
    others_rate: float | None = None

    @property
    def rate(self) -> float:
        """FLOP/s from the closed form, whatever the algorithm really computed."""
        return self.flops / self.seconds

    @property
    def bandwidth(self) -> float:
        """byte/s, at least."""
        return self.bytes / self.seconds


def why(
    base: TimedSide,
    new: TimedSide,
    interval: Interval | None,
    *,
    best_bandwidth: float | None = None,
    tensor_cores: bool = False,
) -> Reason:
    """The most probable reason why the measured ratio new / base differs from the ratio of the FLOPs.

    interval        of the measured ratio
    best_bandwidth  the highest byte/s that any block reached under the same conditions
    tensor_cores    whether the precision is one of tensor cores
    """
    measured, predicted = new.seconds / base.seconds, new.flops / base.flops
    if _factor(measured, predicted) <= CLOSE:
        return Reason("as predicted")
    if interval is not None and interval.low <= predicted <= interval.high:
        return Reason("within noise")
    bound = [side.name for side in (base, new) if side.is_launch_bound]
    if bound:
        return Reason("launch-bound", " and ".join(bound))
    return (
        _memory(base, new, best_bandwidth)
        or _algorithm(base, new)
        or _arithmetic(base, new, tensor_cores=tensor_cores)
    )


def _memory(base: TimedSide, new: TimedSide, best_bandwidth: float | None) -> Reason | None:
    """Where the ratio of the bytes fits much better than that of the FLOPs, and memory was busy."""
    measured, predicted = new.seconds / base.seconds, new.flops / base.flops
    moved = new.bytes / base.bytes
    # twice as near on the scale of logs
    if _factor(measured, moved) ** 2 >= _factor(measured, predicted):
        return None
    busiest = max(base.bandwidth, new.bandwidth)
    if best_bandwidth is None or busiest < BUSY * best_bandwidth:
        return None
    rates = " and ".join(readable(side.bandwidth / GIGA, 3) for side in (base, new))
    return Reason("memory-bound", f"{readable(moved, 3)}x the bytes, at {rates} GB/s or more")


def _algorithm(base: TimedSide, new: TimedSide) -> Reason | None:
    """Where the faster side is far beyond what all other kernels reached."""
    faster = max(base, new, key=lambda side: side.rate)
    if faster.others_rate is None or faster.rate <= BEYOND * faster.others_rate:
        return None
    rate, others = readable(faster.rate / GIGA, 3), readable(faster.others_rate / GIGA, 3)
    detail = f"{rate} GFLOP/s from the closed form, other kernels at most {others}"
    return Reason("another algorithm", detail, faster.name)


def _arithmetic(base: TimedSide, new: TimedSide, *, tensor_cores: bool) -> Reason:
    slower, faster = sorted((base, new), key=lambda side: side.rate)
    detail = f"{readable(slower.rate / GIGA, 3)} vs {readable(faster.rate / GIGA, 3)} GFLOP/s"
    return Reason("lower tensor-core FLOP/s" if tensor_cores else "lower FLOP/s", detail, slower.name)


def _factor(one: float, other: float) -> float:
    """How far apart two ratios are, as a factor of 1 or more."""
    return math.exp(abs(math.log(one / other)))
