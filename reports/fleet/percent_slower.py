"""Log ratios of times as people read them: percent slower than the center."""

from __future__ import annotations

import math

from bench.stats.fleet_ratios import ConfirmedRatio, UnitRatio
from reports.cells import Quantity

_ROUNDS_TO_ZERO = 0.05
"""In percent, of one decimal."""


def percent(log_ratio: float) -> float:
    """5.1 of a time that is 5.1% longer; below zero of a shorter one."""
    return 100 * math.expm1(log_ratio)


def unsigned(value: float) -> float:
    """What rounds to zero has no sign."""
    return value if abs(value) >= _ROUNDS_TO_ZERO else 0.0


def slower(found: UnitRatio | ConfirmedRatio) -> Quantity | None:
    """`5.1% (4.2% to 6.0%)`; None where it was not measured."""
    if found.log_ratio is None:
        return None
    ends = [None if end is None else unsigned(percent(end)) for end in (found.low, found.high)]
    return Quantity(
        value=unsigned(percent(found.log_ratio)),
        low=ends[0],
        high=ends[1],
        unit="%",
        interval="ends",
        digits=1,
    )
