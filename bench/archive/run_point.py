"""What the processes of one run say of a case, whether one machine measured it or several."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bench.stats.estimates import moments


class RunPoint(NamedTuple):
    """In logs of seconds.

    mean       over nodes of the mean over their GPUs of the mean over their processes, as a report's figure;
               None without a time
    scatter    `scatter / sqrt(processes)` is the standard error of the mean, of how the processes of one GPU
               scatter: the machines of the next night are the same ones. None where each has one process
    processes  that timed it
    units      GPUs or processors that measured: `scatter` has `processes - units` degrees of freedom
    """

    mean: float | None
    scatter: float | None
    processes: int
    units: int


def point_of(seconds: Sequence[float], units: Sequence[tuple[int, int]]) -> RunPoint:
    """Of the medians of processes, in s, and the node and the unit of each; without `units` one measured all.
    Times that have no log are left out."""
    timed = [
        (math.log(each), unit)
        for each, unit in zip(seconds, units or [(0, 0)] * len(seconds), strict=True)
        if 0 < each < math.inf
    ]
    of_unit: dict[tuple[int, int], list[float]] = {}
    for each, unit in timed:
        of_unit.setdefault(unit, []).append(each)
    if not of_unit:
        return RunPoint(None, None, 0, 0)
    in_node = Counter(node for node, _ in of_unit)
    mean = squares = weights = 0.0
    for (node, _), logs in of_unit.items():
        weight = 1 / (len(in_node) * in_node[node])
        own, variance = moments(logs) if len(logs) > 1 else (logs[0], 0.0)
        mean += weight * own
        weights += weight**2 / len(logs)
        squares += (len(logs) - 1) * variance
    freedom = len(timed) - len(of_unit)
    scatter = math.sqrt(squares / freedom * weights * len(timed)) if freedom else None
    return RunPoint(mean, scatter, len(timed), len(of_unit))
