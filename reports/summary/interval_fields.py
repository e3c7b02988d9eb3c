"""How an interval across processes was made, as fields of a flat row: a reader can make it again."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.stats.estimates import Interval, moments
from reports.cells import Scalar


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
