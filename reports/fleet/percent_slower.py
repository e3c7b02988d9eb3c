"""Log ratios of times as people read them: percent slower than the center."""

from __future__ import annotations

import math

from bench.stats.fleet_ratios import ConfirmedRatio, UnitRatio
from reports.cells import Quantity

_ROUNDS_TO_ZERO = 0.05
"""In percent, of one decimal."""
_FURTHEST = math.log(10.0)
"""An interval whose end lies further out says nothing but its near end."""
_WHOLE_FROM = 100.0


def percent(log_ratio: float) -> float:
    """5.1 of a time that is 5.1% longer; below zero of a shorter one."""
    return 100 * math.expm1(log_ratio)


def unsigned(value: float) -> float:
    """What rounds to zero has no sign."""
    return value if abs(value) >= _ROUNDS_TO_ZERO else 0.0


def slower(found: UnitRatio | ConfirmedRatio) -> Quantity | None:
    """`5.1% (4.2% to 6.0%)`, `>1045%` of one whose interval reaches beyond ten times its time, `not resolved
    (0.5x to 2.1x)` of one that may be either; None where it was not measured."""
    value, low, high = found.log_ratio, found.low, found.high
    if value is None:
        return None
    if low is not None and high is not None:
        times = Quantity(value=math.exp(value), low=math.exp(low), high=math.exp(high), unit="x")
        if low <= 0 <= high and not times.is_resolved:
            return times
        if low > 0 and high - value > _FURTHEST:
            return Quantity(value=percent(low), unit="%", more_than=True, digits=_decimals(percent(low)))
    ends = [None if end is None else unsigned(percent(end)) for end in (low, high)]
    shown = unsigned(percent(value))
    return Quantity(
        value=shown, low=ends[0], high=ends[1], unit="%", interval="ends", digits=_decimals(shown)
    )


def _decimals(value: float) -> int:
    return 1 if abs(value) < _WHOLE_FROM else 0
