"""An archive -> what `trend` shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from pathlib import Path

from msgspec import structs

from bench.archive import acknowledged, archive_index, case_series
from bench.archive.asked_series import chosen
from bench.archive.case_series import CaseSeries
from bench.stats.change_points import find_changes
from bench.stats.run_series import Changes
from models.errors import UserError, unknown
from reports.over_time.told_changes import with_told
from reports.over_time.trended import Trended, TrendedSeries


def found_trend(
    archive: Path, cases: Sequence[str] = (), *, label: str | None = None, since: str | None = None
) -> Trended:
    """The series of an archive, of the runs with this label or of all, with what changed in them.

    Changes are found over all series, whichever are asked for. `since`, an ISO date, leaves out changes told
    before, and series without a run since. Raises UserError without an archive, without a run, and for a case
    or a label that it lacks.
    """
    found = case_series.read(archive, label=label)
    if not found.series:
        raise _empty(archive, label, found.damaged)
    wanted = chosen(found.series, cases)
    all_ = with_told(found.series, changes_of(found.series), acknowledged.read_all(archive))
    asked, begin = list(compress(all_, wanted)), since or ""
    last = [each.series.runs[-1].at for each in asked]
    return Trended(
        archive=archive,
        label=label,
        since=since,
        series=tuple(_since(each, begin) for each, at in zip(asked, last, strict=True) if at >= begin),
        ended=tuple(at for at in last if at < begin),
        left_out=len(all_) - len(asked),
        damaged=found.damaged,
    )


def changes_of(series: Sequence[CaseSeries]) -> tuple[Changes, ...]:
    """Of each series, in order. Series of one origin share what is known of the spread between runs; those of
    two tools share nothing."""
    by_origin: dict[str, list[int]] = {}
    for at, each in enumerate(series):
        by_origin.setdefault(each.origin, []).append(at)
    found: dict[int, Changes] = {}
    for places in by_origin.values():
        found.update(zip(places, find_changes([series[at].points for at in places]), strict=True))
    return tuple(found[at] for at in range(len(series)))


def _since(each: TrendedSeries, since: str) -> TrendedSeries:
    runs = each.series.runs
    return structs.replace(
        each, told=tuple(change for change in each.told if runs[change.told_at].at >= since)
    )


def _empty(archive: Path, label: str | None, damaged: Sequence[str]) -> UserError:
    listed = archive_index.listed(archive)
    labels = sorted({row.label for row in listed.rows if row.label})
    if label is not None and labels and label not in labels:
        return unknown("label", label, labels)
    if listed.rows:
        return UserError(f"no run of {archive} has timed a case. `convbench archive list` shows its runs")
    if damaged:
        return UserError(f"no run of {archive} can be read: {damaged[0]}")
    return UserError(f"{archive} has no run yet. `convbench archive add RUN --label nightly` adds one")
