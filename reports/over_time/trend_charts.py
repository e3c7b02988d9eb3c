"""A chart for each series, the most urgent first, with the runs that they share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from bench.archive.case_series import SeriesRun
from bench.archive.names import short_id
from bench.stats.run_series import Drift, Level, SeriesPoint
from reports.over_time import trend_words
from reports.over_time.series_table import ACKNOWLEDGED
from reports.over_time.shown_series import ShownSeries, by_group, half_width
from reports.over_time.trend_parts import SERIES, of_boundary, tested
from reports.over_time.trended import ToldChange
from reports.run_charts import ChartRuns, MarkKind, RunChart, RunCharts, RunLevel, RunMark, RunSlope
from reports.tables.time_units import unit_of
from reports.tables.time_words import in_words

NOTE = (
    "A dot is a run, its line the interval of its processes; a bar is a level with its interval, a slope a "
    "drift. Dashed lines are changes of driver, torch or clock setting. Hollow dots are outliers, and a "
    "triangle at the edge is a run beyond it."
)
_LABEL_LETTERS = 22


def charts(shown: Sequence[ShownSeries]) -> RunCharts | None:
    """None where nothing is shown. A run has a place for each kind of machine, whose conditions it has."""
    if not shown:
        return None
    runs: dict[int, SeriesRun] = {}
    for each in shown:
        runs.update((id(run), run) for run in each.runs)
    places = {key: at for at, key in enumerate(runs)}
    groups = by_group(shown)
    return RunCharts(
        title="Runs over time",
        note=NOTE,
        part=SERIES.name,
        runs=_columns(list(runs.values())),
        charts=tuple(
            _chart(each, places, f"Measured by {origin}" if origin else kind if len(groups) > 1 else "")
            for (origin, kind), own in groups.items()
            for each in own
        ),
    )


def _columns(runs: Sequence[SeriesRun]) -> ChartRuns:
    from datetime import datetime

    sets: dict[int, Mapping[str, str]] = {id(run.conditions): run.conditions for run in runs}
    places = {key: at for at, key in enumerate(sets)}
    return ChartRuns(
        names=tuple(short_id(run.digest) for run in runs),
        labels=tuple(run.label for run in runs),
        at=tuple(run.at for run in runs),
        seconds=tuple(datetime.fromisoformat(run.at).timestamp() for run in runs),
        undated=frozenset(at for at, run in enumerate(runs) if not run.is_dated),
        sets=tuple(sets.values()),
        set_of=tuple(places[id(run.conditions)] for run in runs),
    )


def _chart(shown: ShownSeries, places: Mapping[int, int], group: str) -> RunChart:
    series, first = shown.series, shown.first
    points = series.points[first:]
    unit = unit_of([shown.now.value])
    scale = unit.per_second
    low, high = zip(*(_ends(point, scale) for point in points), strict=True)
    return RunChart(
        title=shown.name,
        note=_note(shown),
        unit=unit.name,
        runs=tuple(places[id(run)] for run in shown.runs),
        values=tuple(scale * math.exp(point.log_seconds) for point in points),
        low=low,
        high=high,
        processes=tuple(point.processes for point in points),
        outliers=tuple(at - first for at in shown.changes.outliers if at >= first),
        levels=tuple(_level(level, first, scale) for level in shown.levels),
        slopes=tuple(_slope(shown, drift) for drift in shown.changes.drifts if drift.last > first),
        marks=tuple(sorted(_marks(shown), key=lambda mark: mark.at)),
        group=group,
    )


def _ends(point: SeriesPoint, scale: float) -> tuple[float | None, float | None]:
    half = half_width(point)
    if half is None:
        return None, None
    return scale * math.exp(point.log_seconds - half), scale * math.exp(point.log_seconds + half)


def _level(level: Level, first: int, scale: float) -> RunLevel:
    value, low, high = (scale * math.exp(log) for log in (level.log_seconds, level.low, level.high))
    return RunLevel(max(level.first - first, 0), level.last - first, value, low, high)


def _slope(shown: ShownSeries, drift: Drift) -> RunSlope:
    """Through the middle of its runs, as far as they are shown."""
    points, outliers = shown.series.points, set(shown.changes.outliers)
    own = [at for at in range(drift.first, drift.last + 1) if at not in outliers]
    middle = sum(points[at].log_seconds for at in own) / len(own)
    center = sum(own) / len(own)
    scale = unit_of([shown.now.value]).per_second
    first = max(drift.first, shown.first)
    begin, end = (
        scale * math.exp(middle + drift.per_run.log_ratio * (at - center)) for at in (first, drift.last)
    )
    return RunSlope(first - shown.first, drift.last - shown.first, begin, end)


def _note(shown: ShownSeries) -> str:
    """`151 ms ±0.5% now; ▲ +3.1% (+2.4% to +3.8%) on 14 March 2026, driver 575 → 580`"""
    text = f"{in_words(shown.now)} now"
    last = shown.last
    if last is None:
        return f"{text}; no change"
    begun = next((each for each in shown.trended.told if each.at == last.reverts), last)
    return f"{text}; {_words(shown, begun)}"


def _words(shown: ShownSeries, told: ToldChange) -> str:
    runs = shown.series.runs
    cause = trend_words.differences_in_words(told.differences, 1)
    drift = "drift " if told.what == "drift" else ""
    first, reverted = runs[told.at].at, told.reverted
    if told.what == "drift":
        when = f"since {trend_words.day_in_words(first, with_year=True)}"
    else:
        last = first if reverted is None else runs[reverted.at - 1].at
        when = trend_words.days_through(first, last, with_year=True)
        when += " only" if reverted is not None and first[:10] == last[:10] else ""
    answered = f"; {ACKNOWLEDGED} acknowledged: {told.acknowledged.why}" if told.acknowledged else ""
    return f"{drift}{trend_words.marked(told.shift)} {when}{', with ' if cause else ''}{cause}{answered}"


def _marks(shown: ShownSeries) -> Iterator[RunMark]:
    """Of told changes, and of boundaries whether or not times changed there."""
    boundaries = {each.at: each for each in shown.changes.boundaries}
    for told in shown.trended.told:
        if told.at >= shown.first and told.at not in boundaries:
            yield RunMark(told.at - shown.first, _kind(told), _size(told), _words(shown, told))
    sizes = {told.at: told for told in shown.trended.told if told.what == "boundary"}
    for at, boundary in boundaries.items():
        if at >= shown.first:
            differing = of_boundary(shown, at)
            words = trend_words.differences_in_words(differing, len(differing))
            label = " ".join(f"{each.name} {each.after}" for each in differing[:1])[:_LABEL_LETTERS]
            size = f" {_size(sizes[at])}" if at in sizes else ""
            day = trend_words.day_in_words(shown.series.runs[at].at, with_year=True)
            yield RunMark(
                at - shown.first, "boundary", f"{label}{size}", f"{words} on {day}: {tested(boundary)}"
            )


def _kind(told: ToldChange) -> MarkKind:
    if told.acknowledged is not None:
        return "acknowledged"
    if told.what == "drift":
        return "drift"
    return "slower" if told.is_slower else "faster"


def _size(told: ToldChange) -> str:
    """`▲ +3.1%`"""
    mark = trend_words.SLOWER if told.is_slower else trend_words.FASTER
    answered = f"{ACKNOWLEDGED} " if told.acknowledged is not None else ""
    drift = "drift " if told.what == "drift" else ""
    return f"{answered}{drift}{mark} {trend_words.percent(told.shift.log_ratio):+.1f}%"
