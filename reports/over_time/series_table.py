"""The table of series: a line over time for each, where it stands now, and its last change."""

from __future__ import annotations

from collections.abc import Sequence

from reports.cells import Cell, Quantity, Sparkline, in_two
from reports.document import Part, Table
from reports.drawing.sparkline import sparkline
from reports.over_time import trend_words
from reports.over_time.shown_series import ShownSeries
from reports.over_time.trended import ToldChange
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.time_words import in_unit

SPARK_CELLS, FEWEST_CELLS = 16, 8
LEAST_RANGE = 0.04
"""Of the log: the least that the height of a sparkline stands for."""
SPARK_NOTE = "Higher is slower; the height of a line is its range, at least 4%; outliers are left out."
OPTIONAL = ("runs", "in all", "with")
ACKNOWLEDGED = "✓"
"""Stands ahead of a change that somebody answered for."""
AS_BEFORE = "= as before"
"""Of a series that was slower for a time, and in which nothing else changed."""


def series_table(
    title: str, shown: Sequence[ShownSeries], part: Part | None = None, *, cells: int = SPARK_CELLS
) -> Table:
    """A row for each series, in their order, with a line of so many `cells`."""
    now = [each.now for each in shown]
    unit = unit_of([each.value for each in now])
    return Table(
        title=title,
        columns=("case", "over time", f"now, {unit.name}", "last change", "when", "with", "in all", "runs"),
        rows=tuple(_row(each, time, unit, cells) for each, time in zip(shown, now, strict=True)),
        meanings=(("over time", SPARK_NOTE.rstrip(".")), ("in all", "the last level against the first")),
        optional=OPTIONAL,
        part=part,
    )


def _row(shown: ShownSeries, now: Quantity, unit: TimeUnit, cells: int) -> tuple[Cell, ...]:
    last = shown.last
    total = shown.total
    return (
        shown.name,
        _spark(shown, cells),
        in_unit(now, unit),
        None if last is None else f"{_mark(last.acknowledged)}{_change(last)}",
        None if last is None else trend_words.day(shown.series.runs[last.at].at),
        None if last is None else trend_words.differences_in_words(last.differences, 1),
        None if total is None else in_two(trend_words.change(total))[0],
        len(shown.runs),
    )


def _mark(acknowledged: object) -> str:
    return f"{ACKNOWLEDGED} " if acknowledged else ""


def _change(last: ToldChange) -> str:
    if not last.is_confirmed:
        return trend_words.no_change(last.shift)
    return trend_words.marked(last.shift) if last.reverts is None else AS_BEFORE


def _spark(shown: ShownSeries, cells: int) -> Sparkline:
    """Without outliers: a single one would flatten all others."""
    outliers = set(shown.changes.outliers)
    points = shown.series.points
    logs = [points[at].log_seconds for at in range(shown.first, len(points)) if at not in outliers]
    change = "no run" if not logs else f"{trend_words.percent(logs[-1] - logs[0]):+.1f}% from first to last"
    return Sparkline(sparkline(logs, cells, LEAST_RANGE), f"{len(logs):,} runs, {change}")
