"""A series of runs over time, and what is found in it: data alone.

Times are natural logs of seconds, so that a difference of 0.03 is about 3%.
"""

from __future__ import annotations

from msgspec import Struct


class SeriesPoint(Struct, frozen=True, kw_only=True, gc=False):
    """What one run says of one case.

    log_seconds  mean of the logs of its processes' medians; of several nodes the mean of their means
    scatter      standard deviation of these logs within a unit; None where each unit has one process
    processes    behind it, one or more
    units        GPUs or processors that they ran on: `scatter` has `processes - units` degrees of freedom
    is_boundary  whether the driver, torch or a clock setting differs from the run before in the series
    position     place of the run among all runs of the archive in order of time, so that a case added late is
                 judged by what the others have shown by then; None counts from the series' own begin
    """

    log_seconds: float
    scatter: float | None
    processes: int
    is_boundary: bool = False
    position: int | None = None
    units: int = 1


class Shift(Struct, frozen=True, kw_only=True, gc=False):
    """After against before, with its 95% interval; above 0 is slower."""

    log_ratio: float
    low: float
    high: float


class Step(Struct, frozen=True, kw_only=True, gc=False):
    """A change of level that no marked boundary explains.

    at                the first run after it, counted from 0
    earliest, latest  the runs one of which is the first after it, with 95% confidence; later
                      runs make them fewer
    told_at           the run after which it was told first
    """

    at: int
    earliest: int
    latest: int
    told_at: int
    shift: Shift


class Boundary(Struct, frozen=True, kw_only=True, gc=False):
    """A run before which conditions changed, tested as a step of its own.

    told_at  the run after which a change was told first; None where none was
    shift    None where too few runs are on a side
    """

    at: int
    told_at: int | None
    shift: Shift | None


class Drift(Struct, frozen=True, kw_only=True, gc=False):
    """A slow change: no run of it is a step.

    first, last  the runs between which it was seen
    per_run      change of log_seconds from one run to the next, with its interval
    """

    first: int
    last: int
    told_at: int
    per_run: Shift


class Level(Struct, frozen=True, kw_only=True, gc=False):
    """Runs from `first` to `last` that share a level, with the 95% interval of it."""

    first: int
    last: int
    log_seconds: float
    low: float
    high: float


class Changes(Struct, frozen=True, kw_only=True):
    """What is found in one series.

    outliers  single runs far from their level, which are neither steps nor part of one
    spread    standard deviation between runs, of the logs; None where there are too few
    """

    steps: tuple[Step, ...] = ()
    boundaries: tuple[Boundary, ...] = ()
    drifts: tuple[Drift, ...] = ()
    outliers: tuple[int, ...] = ()
    levels: tuple[Level, ...] = ()
    spread: float | None = None
