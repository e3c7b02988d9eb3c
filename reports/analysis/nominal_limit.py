"""What holds a single time back, where no ceilings were measured: as far as counts and the processor's own
description say.

On a GPU its clocks tell whether it waits. On a CPU the rate that its vectors and clock allow is known
without running anything. No arithmetic is faster, so what it would take at that rate is the least it takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bench import devices
from reports.analysis.utilisation import SMALL_SHARE, Utilisation
from reports.summary.figures import Figure

MOSTLY = 0.5
"""Of the time: what takes this share at the least holds the rest back too."""
NOT_KNOWN = "not known"


class Limit(Struct, frozen=True, kw_only=True):
    """A word, and why.

    nominal_share  of the processor's nominal rate, that was reached; None where the rate is not known
    """

    label: str
    why: str
    nominal_share: float | None = None


def limit_of(found: Utilisation, nominal: float | None) -> Limit:
    """`nominal` is the processor's rate in FLOP/s with the threads and dtype of the case, or None."""
    if found.bound is not None:
        return Limit(label=found.bound.label, why=found.bound.why)
    if not devices.traits(found.subject.case.device).is_host:
        return Limit(
            label=NOT_KNOWN, why="the GPU does not wait: its compute or its memory bandwidth is the limit"
        )
    if "contended" in found.time.tags:
        return Limit(label=NOT_KNOWN, why="other programs took a part of the time")
    if nominal is None or found.flops is None:
        return Limit(label=NOT_KNOWN, why="it takes measured ceilings")
    share = found.flops / found.time.median / nominal
    return Limit(label=_label(share), why=_why(share, nominal), nominal_share=share)


def _label(share: float) -> str:
    if share >= MOSTLY:
        return "compute-bound"
    return "not arithmetic" if share < SMALL_SHARE else NOT_KNOWN


def _why(share: float, nominal: float) -> str:
    rate = f"{nominal / 1e9:,.0f} GFLOP/s, the processor's nominal rate"
    if share > 1:
        return f"arithmetic reaches more than {rate} at the clock that the kernel names"
    least = f"at {rate}, arithmetic takes {share:.0%} of the time"
    if share >= MOSTLY:
        return least
    if share < SMALL_SHARE:
        return f"{least}; the rest is memory traffic, Python and dispatch"
    return f"{least}; whether memory or the rest takes more is not known"


def rate(figure: Figure, count: float | None) -> float | None:
    """A count of a step over its time, in 1/s."""
    return None if count is None else count / figure.median


def whole_time(found: Sequence[Utilisation]) -> Utilisation | None:
    """Of the whole step by the wall's clock; None where nothing was timed."""
    return next((each for each in found if each.is_whole), None)
