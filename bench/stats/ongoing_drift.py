"""A drift that was told: the step that comes during it, and its end. numpy is imported with it.

While it goes on, a window of runs is set against the runs right before it, once as if the drift went on and
once as if it had ended: a step is told where both say so.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.stats.change_naming import (
    CLIP,
    LOCATION,
    UNRIPE,
    Found,
    Segment,
    best_place,
    is_one_level,
    step_gains,
)
from bench.stats.scan_levels import BOUNDARY_LOOKS, WINDOWS, thresholds

Array = NDArray[np.float64]

BEFORE = 13
"""Runs before the window: few enough for the drift to move little in them."""
LOOKS = 3
"""Windows that are looked at: of 3, 5 and 8 runs."""
REFIT_EVERY = 4
"""Runs between two looks at whether it has ended."""
FEWEST = 8
"""Runs of the drift, and of the level after it."""
END_MARGIN = 12.0
"""Gain that an end needs over a drift that goes on."""


class OpenDrift(NamedTuple):
    """From its last run before it changed; `slope` of logs a run."""

    first: int
    slope: float


def follow(segment: Segment, drift: OpenDrift, at: int) -> tuple[Found | None, OpenDrift]:
    """After run `at`; the segment holds the runs of the drift."""
    found = _step(segment, drift)
    if found is None and (at - drift.first) % REFIT_EVERY == 0:
        return _refit(segment, drift)
    return found, drift


def _step(segment: Segment, drift: OpenDrift) -> Found | None:
    """Of the shortest window that lies far from what the drift, going on or ended, leads to."""
    levels = thresholds(np.array([segment.freedom]))[0]
    n = len(segment.logs)
    for look, window in enumerate(WINDOWS[:LOOKS]):
        if n < window + BEFORE:
            break
        begin = n - window
        is_marked = look < BOUNDARY_LOOKS and segment.first + begin in segment.marks
        level = levels[-1] if is_marked else levels[look]
        both = [_local(segment, slope, window) for slope in (0.0, drift.slope)]
        shifts = [_shift(part, window) for part in both]
        if min(map(abs, shifts)) < level or shifts[0] * shifts[1] < 0:
            continue
        part = both[int(abs(shifts[0]) > abs(shifts[1]))]
        gains = step_gains(part.residuals(), 1 / part.variances)
        place = len(part.logs) - window if is_marked else best_place(gains)
        within = np.flatnonzero(gains >= gains.max() - LOCATION)
        is_ripe = gains[place] >= gains.max() - UNRIPE
        if is_ripe and is_one_level(part, place):
            ends = (place, int(within[0]), int(within[-1]))
            return Found("boundary" if is_marked else "step", *(part.first + run for run in ends))
    return None


def _local(segment: Segment, slope: float, window: int) -> Segment:
    """The window and the runs right before it, less a slope."""
    n = window + BEFORE
    logs = segment.logs[-n:] - slope * np.arange(n)
    return segment._replace(
        first=segment.first + len(segment.logs) - n,
        logs=logs,
        variances=segment.variances[-n:],
        level=float(np.sort(logs[:BEFORE])[BEFORE // 2]),
    )


def _shift(part: Segment, window: int) -> float:
    """Of the window against the runs before, in standard errors."""
    residuals, weights = part.residuals(), 1 / part.variances
    before, after = weights[:-window].sum(), weights[-window:].sum()
    shift = (weights * residuals)[-window:].sum() / after - (weights * residuals)[:-window].sum() / before
    return float(shift / math.sqrt(1 / before + 1 / after))


def _refit(segment: Segment, drift: OpenDrift) -> tuple[Found | None, OpenDrift]:
    """The slope of all its runs; or where it ended."""
    n = len(segment.logs)
    if n < FEWEST + 2:
        return None, drift
    places, weights = np.arange(n), 1 / segment.variances
    ends = np.append(np.arange(FEWEST, n - FEWEST), n - 1)
    lines = np.minimum(places, ends[:, None]).astype(float)
    lines -= (lines @ weights / weights.sum())[:, None]
    residuals = _without_outliers(segment)
    squares, products = (lines * lines) @ weights, lines @ (weights * residuals)
    slopes, gains = products / squares, products**2 / squares
    best = int(gains.argmax())
    if gains[best] < gains[-1] + END_MARGIN:
        return None, OpenDrift(drift.first, float(slopes[-1]) * segment.sd)
    begin = segment.first + int(ends[best]) + 1
    return Found("end", begin, begin, begin, float(slopes[best]) * segment.sd), drift


def _without_outliers(segment: Segment) -> Array:
    """In standard deviations; each run is cut at 4 from the median of the five around it."""
    logs = np.pad(segment.logs, 2, mode="edge")
    middle = np.sort(np.lib.stride_tricks.sliding_window_view(logs, 5), axis=1)[:, 2]
    limit = CLIP * segment.sd * np.sqrt(segment.variances)
    residuals: Array = (middle + np.clip(segment.logs - middle, -limit, limit) - segment.logs[0]) / segment.sd
    return residuals
