"""A series as a report shows it: from which run on, at what time now, and how urgent it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench.archive.case_series import CaseSeries, SeriesRun
from bench.stats.run_series import Changes, Level, SeriesPoint, Shift
from bench.stats.student_t import t_factor
from reports.cells import Quantity
from reports.over_time.new_steps import is_new
from reports.over_time.series_names import series_names
from reports.over_time.trended import ToldChange, Trended, TrendedSeries

LEVEL = 0.95
"""Of all intervals."""
_QUIET, _ANSWERED = 4, 5
"""Ranks of a series without a change, and of one whose changes are all acknowledged."""


class ShownSeries(Struct, frozen=True, kw_only=True):
    """`first` is the first run that is shown."""

    name: str
    trended: TrendedSeries
    first: int = 0

    @property
    def series(self) -> CaseSeries:
        return self.trended.series

    @property
    def changes(self) -> Changes:
        return self.trended.changes

    @property
    def runs(self) -> Sequence[SeriesRun]:
        return self.series.runs[self.first :]

    @property
    def open(self) -> tuple[ToldChange, ...]:
        """Told changes that nobody answered for."""
        return tuple(filter(is_new, self.trended.told))

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those with a run that is shown."""
        return tuple(level for level in self.changes.levels if level.last >= self.first)

    @property
    def now(self) -> Quantity:
        """Seconds: the last level, or without levels the last run."""
        if self.levels:
            last = self.levels[-1]
            return Quantity(
                value=math.exp(last.log_seconds), low=math.exp(last.low), high=math.exp(last.high)
            )
        return seconds_of(self.series.points[-1])

    @property
    def total(self) -> Shift | None:
        """The last level that is shown against the first; None where there is one level alone."""
        if len(self.levels) < 2:
            return None
        before, after = self.levels[0], self.levels[-1]
        change = after.log_seconds - before.log_seconds
        reach = math.hypot(after.high - after.log_seconds, before.high - before.log_seconds)
        return Shift(log_ratio=change, low=change - reach, high=change + reach)

    @property
    def last(self) -> ToldChange | None:
        """The last change that lasts, else the last of all; None where nothing changed."""
        told = self.trended.told
        return next((each for each in reversed(told) if each.is_lasting), told[-1] if told else None)

    @property
    def urgency(self) -> tuple[int, int, float]:
        """Sorts series: by their most urgent open change, then those without any, then the answered ones."""
        runs = self.series.runs
        if self.open:
            return min(urgency(each, runs[each.last_told_at].at) for each in self.open)
        return (_ANSWERED if self.trended.told else _QUIET), 0, 0.0


def urgency(change: ToldChange, told: str) -> tuple[int, int, float]:
    """Sorts changes: what got slower and stayed so, what got faster, what was slower for a time, what later
    runs do not confirm; in each what was told last, and of one day the largest. `told`: when, ISO 8601."""
    lasting, other = (0 if change.is_slower else 1), (2 if change.is_confirmed else 3)
    rank = lasting if change.is_lasting else other
    return rank, -int(told[:10].replace("-", "")), -abs(change.shift.log_ratio)


def shown_of(trended: Trended) -> tuple[ShownSeries, ...]:
    """Those with a run since `since`, the most urgent first."""
    names = series_names([each.series for each in trended.series])
    found = []
    for name, each in zip(names, trended.series, strict=True):
        first = _first(each.series.runs, trended.since)
        if first < len(each.series.runs):
            found.append(ShownSeries(name=name, trended=each, first=first))
    return tuple(sorted(found, key=lambda each: each.urgency))


def by_group(shown: Sequence[ShownSeries]) -> dict[tuple[str, str], list[ShownSeries]]:
    """By tool and kind of machine, our own first, in their order: unlike machines are not ranked together.

    Each is named among those of its group. Series of another tool are of its group whatever their machine.
    """
    found: dict[tuple[str, str], list[ShownSeries]] = {}
    for each in sorted(shown, key=lambda each: each.series.origin != ""):
        series = each.series
        found.setdefault((series.origin, "" if series.origin else series.kind), []).append(each)
    for key, own in found.items():
        names = series_names([each.series for each in own])
        found[key] = [structs.replace(each, name=name) for each, name in zip(own, names, strict=True)]
    return found


def _first(runs: Sequence[SeriesRun], since: str | None) -> int:
    """The number of runs before this date: all later ones are shown."""
    if since is None:
        return 0
    return next((at for at, run in enumerate(runs) if run.at[: len(since)] >= since), len(runs))


def half_width(point: SeriesPoint) -> float | None:
    """Half the interval of a run's processes, of the log; None where each machine has a single one."""
    freedom = point.processes - point.units
    if point.scatter is None or freedom < 1:
        return None
    return t_factor(freedom, LEVEL) * point.scatter / math.sqrt(point.processes)


def seconds_of(point: SeriesPoint) -> Quantity:
    """What one run says of a case, with the interval of its processes."""
    half = half_width(point)
    if half is None:
        return Quantity(value=math.exp(point.log_seconds), of_one=True)
    low, high = point.log_seconds - half, point.log_seconds + half
    return Quantity(value=math.exp(point.log_seconds), low=math.exp(low), high=math.exp(high))
