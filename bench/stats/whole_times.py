"""The time of a process that stands for all others: the median of its whole step."""

from __future__ import annotations

from bench.schema.phases import whole
from bench.schema.record import Record, find
from bench.stats.estimates import median


def whole_seconds(record: Record, *, on_gpu: bool) -> float | None:
    """The median time of a whole step, in s: of the device on a GPU, else of the wall; None without any."""
    if record.status != "ok":
        return None
    for clock in ("device_time", "wall_time") if on_gpu else ("wall_time",):
        timed = find(record.measurements, whole(record.case), clock)
        if timed is not None and timed.samples and (seconds := median(timed.samples)) > 0:
            return seconds
    return None
