"""What was told of a series: each change with its name, what differs across it, and who answered for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from msgspec import Struct

from bench.archive.case_series import BOUNDARIES, CaseSeries
from bench.archive.run_differences import Difference, differences
from bench.archive.step_names import step_name
from bench.schema.acknowledgement import Acknowledgement, What
from bench.stats.run_series import Changes, Drift, Shift
from reports.over_time.reverted import with_reverted
from reports.over_time.trended import ToldChange, TrendedSeries

NEAR = 10
"""Runs on either side in which a condition is looked for that takes turns."""


class _Change(Struct, frozen=True):
    """`before` is the last run that is surely before it, `after` the first surely after it; of a drift its
    first and its last run."""

    what: What
    at: int
    told_at: int
    shift: Shift
    before: int
    after: int


def with_told(
    series: Sequence[CaseSeries],
    changes: Sequence[Changes],
    acknowledged: Mapping[str, Acknowledgement],
) -> tuple[TrendedSeries, ...]:
    """Each series with its told changes, the oldest first."""
    answers: dict[tuple[str, str, str, str], list[Acknowledgement]] = {}
    for each in acknowledged.values():
        answers.setdefault((each.case, each.kind, each.fingerprint, each.origin), []).append(each)
    found = []
    for of, own in zip(series, changes, strict=True):
        known = answers.get((of.case, of.kind, of.fingerprint, of.origin), [])
        told = sorted(_changes(own), key=attrgetter("at"))
        found.append(
            TrendedSeries(
                series=of,
                changes=own,
                told=with_reverted([_named(of, each, acknowledged, known) for each in told]),
            )
        )
    return tuple(found)


def _changes(found: Changes) -> Iterator[_Change]:
    """Boundaries at which times stayed as they were are none."""
    for step in found.steps:
        yield _Change("step", step.at, step.told_at, step.shift, step.earliest - 1, step.latest)
    for each in found.boundaries:
        if each.told_at is not None and each.shift is not None:
            yield _Change("boundary", each.at, each.told_at, each.shift, each.at - 1, each.at)
    for drift in found.drifts:
        yield _Change("drift", drift.first, drift.told_at, _whole(drift), drift.first, drift.last)


def _whole(drift: Drift) -> Shift:
    """From its first run to its last."""
    runs, one = drift.last - drift.first, drift.per_run
    return Shift(log_ratio=runs * one.log_ratio, low=runs * one.low, high=runs * one.high)


def _named(
    series: CaseSeries,
    change: _Change,
    acknowledged: Mapping[str, Acknowledgement],
    known: Sequence[Acknowledgement],
) -> ToldChange:
    name = step_name(series, change.at)
    return ToldChange(
        name=name,
        what=change.what,
        at=change.at,
        told_at=change.told_at,
        shift=change.shift,
        differences=tuple(_lasting(series, change)),
        acknowledged=acknowledged.get(name) or _of_pruned_run(series, change, known),
    )


def _lasting(series: CaseSeries, change: _Change) -> Iterator[Difference]:
    """What differs across it, but for what takes turns on both sides: of two machines that each measure every
    other night, neither is to blame. What makes a boundary is one in any case."""
    runs = series.runs
    before = runs[max(change.before - NEAR, 0) : change.before]
    after = runs[change.after + 1 : change.after + 1 + NEAR]
    for each in differences(runs[change.before], runs[change.after]):
        was = any(run.conditions.get(each.name) == each.after for run in before)
        comes_back = any(run.conditions.get(each.name) == each.before for run in after)
        if not (was and comes_back) or (change.what == "boundary" and each.name in BOUNDARIES):
            yield each


def _of_pruned_run(
    series: CaseSeries, change: _Change, known: Sequence[Acknowledgement]
) -> Acknowledgement | None:
    """The answer to a change whose first run is gone, so that the next one is its first now: it was measured
    between the runs on both sides of the change."""
    before, after = series.runs[change.before], series.runs[change.after]
    between = [each for each in known if each.what == change.what and before.at < each.run_at <= after.at]
    if not between:
        return None
    there = {run.digest for run in series.runs}
    return next((each for each in between if each.run not in there), None)
