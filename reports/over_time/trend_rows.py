"""A trend for programs: a flat row for each run of each series, and lists of what was found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

from bench.archive.run_conditions import CLOCKS, DISTURBED
from bench.stats.run_series import Level
from reports.cells import Scalar
from reports.over_time.shown_series import ShownSeries, seconds_of
from reports.over_time.told_groups import span
from reports.over_time.trended import ToldChange

CONDITIONS = ("driver", "torch", CLOCKS, "commit", "host", DISTURBED)
"""Have a column in each row; all others are in the list of runs."""

_COLUMNS = tuple((name, name.replace(" ", "_")) for name in CONDITIONS)


def rows(shown: Sequence[ShownSeries]) -> Iterator[dict[str, Scalar]]:
    """One for each point that is shown, series by series in the order of time. Times are in seconds."""
    for each in shown:
        yield from _rows(each)


def _rows(shown: ShownSeries) -> Iterator[dict[str, Scalar]]:
    series, changes = shown.series, shown.changes
    outliers = set(changes.outliers)
    steps = {step.at for step in changes.steps}
    levels = _level_of(changes.levels, len(series.points))
    for at in range(shown.first, len(series.points)):
        point, run, seconds = series.points[at], series.runs[at], seconds_of(series.points[at])
        conditions = run.conditions
        yield {
            "case": series.case,
            "model": series.model,
            "kind": series.kind,
            "fingerprint": series.fingerprint,
            "origin": series.origin,
            "run": run.digest,
            "label": run.label,
            "at": run.at,
            "is_dated": int(run.is_dated),
            "seconds": seconds.value,
            "low": seconds.low,
            "high": seconds.high,
            "processes": point.processes,
            "level": levels[at],
            "is_step": int(at in steps),
            "is_boundary": int(point.is_boundary),
            "is_outlier": int(at in outliers),
            **{column: conditions.get(name) for name, column in _COLUMNS},
        }


def _level_of(levels: Sequence[Level], points: int) -> list[float | None]:
    """Of each point the seconds of its level; None where it belongs to none."""
    found: list[float | None] = [None] * points
    for level in levels:
        found[level.first : level.last + 1] = [math.exp(level.log_seconds)] * (level.last - level.first + 1)
    return found


def lists(shown: Sequence[ShownSeries]) -> Mapping[str, tuple[Mapping[str, object], ...]]:
    """Told changes, the most urgent first, and the runs with all their conditions. A run on several kinds of
    machine has those of each."""
    runs = {(run.at, run.digest, each.series.kind): run for each in shown for run in each.runs}
    return {
        "changes": tuple(_change(each, told) for each in shown for told in each.trended.told),
        "runs": tuple(
            {
                "run": digest,
                "kind": kind,
                "label": run.label,
                "at": run.at,
                "is_dated": run.is_dated,
                "conditions": run.conditions,
            }
            for (_, digest, kind), run in sorted(runs.items(), key=itemgetter(0))
        ),
    }


def _change(shown: ShownSeries, told: ToldChange) -> dict[str, object]:
    runs, series = shown.series.runs, shown.series
    first, last = span(shown.changes, told)
    return {
        "name": told.name,
        "what": told.what,
        "case": series.case,
        "kind": series.kind,
        "fingerprint": series.fingerprint,
        "origin": series.origin,
        "ratio": math.exp(told.shift.log_ratio),
        "low": math.exp(told.shift.low),
        "high": math.exp(told.shift.high),
        "at": runs[told.at].at,
        "run": runs[told.at].digest,
        "run_before": runs[told.at - 1].digest if told.at else None,
        "earliest_run": runs[first].digest,
        "latest_run": runs[last].digest,
        "told_run": runs[told.told_at].digest,
        "told_at": runs[told.told_at].at,
        "reverted_run": None if told.reverted is None else runs[told.reverted.at].digest,
        "reverted_at": None if told.reverted is None else runs[told.reverted.at].at,
        "differences": [each._asdict() for each in told.differences],
        "acknowledged": told.acknowledged,
    }
