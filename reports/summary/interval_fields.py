"""How an interval across processes was made, as fields of a flat row: a reader can make it again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.schema.units import Unit
from bench.stats.estimates import Interval, moments
from bench.stats.levels import Levels
from reports.cells import MOST_REACH, Quantity, Scalar


def interval_fields(interval: Interval | None, medians: Sequence[float], has_logs: bool) -> dict[str, Scalar]:
    """Method, degrees of freedom and standard deviations of the logs of medians; nothing within a process.

    `has_logs` is False of accuracies and losses, whose interval is that of the values themselves.
    """
    if interval is None or interval.method is None:
        return {}
    parts = interval.parts
    if parts is not None:
        return {
            "method": interval.method,
            "freedom": parts.freedom,
            "prior_freedom": parts.prior_freedom,
            "prior_sd": parts.prior_sd,
            "own_sd": parts.own_sd,
            "floor_sd": parts.floor_sd,
            "cases": parts.cases,
        }
    own: float | None = None
    if has_logs and interval.low == interval.high:
        own = 0.0
    elif has_logs and min(medians) > 0:
        own = math.sqrt(moments(list(map(math.log, medians)))[1])
    return {"method": interval.method, "freedom": float(len(medians) - 1), "own_sd": own}


def levels_fields(levels: Levels | None, units: Sequence[Unit]) -> dict[str, Scalar]:
    """How many machines and GPUs, and how these scatter; nothing of a single unit.

    `freedom` and `own_sd` are those of machines, or of the GPUs of one machine.
    """
    if levels is None:
        return {}
    return {
        "machines": len({unit.machine for unit in units}),
        "gpus": levels.units if units[0].is_gpu else None,
        "unit_sd": levels.unit_sd,
        "process_sd": levels.process_sd,
    }


def state_of(value: float, interval: Interval | None, by_shares: bool) -> str | None:
    """`resolved`, `about` or `not resolved` by the interval, `one process` where that knows no other.

    None without an interval, and where `by_shares` is False: accuracies and losses are not judged so.
    """
    if interval is None or not by_shares or value <= 0:
        return None
    if not interval.is_across:
        return "one process"
    return Quantity(value=value, low=interval.low, high=interval.high).state


def usable_interval(value: float, interval: Interval | None, by_shares: bool) -> Interval | None:
    """The interval; None where it reaches beyond ten times the value, or a tenth of it."""
    if interval is None or not by_shares or value <= 0:
        return interval
    shares = Quantity(value=value, low=interval.low, high=interval.high).shares
    return interval if shares is not None and max(shares) <= MOST_REACH else None
