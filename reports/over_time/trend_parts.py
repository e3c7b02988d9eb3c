"""The parts of a trend behind its first screen, a table each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.archive.case_series import BOUNDARIES as CONDITIONS
from bench.archive.names import short_id
from bench.archive.run_conditions import DISTURBED
from bench.archive.run_differences import Difference
from bench.stats.run_series import Boundary
from reports.cells import Cell, in_two
from reports.document import Part, Table
from reports.over_time import trend_words
from reports.over_time.series_table import series_table
from reports.over_time.shown_series import ShownSeries, by_group, seconds_of
from reports.over_time.told_groups import span
from reports.over_time.trend_headlines import shown_runs
from reports.over_time.trended import ToldChange, Trended
from reports.tables.time_words import in_words

STEPS = Part("steps", "Steps")
BOUNDARIES = Part("boundaries", "Changes of driver, torch or clock setting")
DRIFTS = Part("drifts", "Drifts")
OUTLIERS = Part("outliers", "Outliers")
SERIES = Part("series", "All cases")
IMPORTED = Part("imported", "Results of other tools")
ACKNOWLEDGED = Part("acknowledged", "Acknowledged changes")
UNDATED = Part("undated", "Runs of a wrong clock", in_appendix=True)
DAMAGED = Part("damaged", "Runs that cannot be read", in_appendix=True)

_PARTS = (STEPS, BOUNDARIES, DRIFTS, OUTLIERS, SERIES, IMPORTED, ACKNOWLEDGED, UNDATED, DAMAGED)
NAMES = tuple(part.name for part in _PARTS)
"""What --section accepts."""
_MOST_DIFFERENCES = 99


def tables(trended: Trended, shown: Sequence[ShownSeries], asked: str | None = None) -> Iterator[Table]:
    """Those that have a row, and of the part that is asked for one that says that there is none: a script
    that asks for steps may do so before the first."""
    found = (
        _steps(shown),
        _boundaries(shown),
        _drifts(shown),
        _outliers(shown),
        *_all(shown),
        _acknowledged(shown),
        _undated(shown),
        Table(
            title=DAMAGED.title,
            columns=("what is wrong",),
            rows=tuple((each,) for each in trended.damaged),
            part=DAMAGED,
        ),
    )
    with_rows = [table for table in found if table.rows]
    yield from with_rows
    for part in _PARTS:
        if part.name == asked and part not in {table.part for table in with_rows}:
            yield Table(title=part.title, columns=("case",), rows=(), notes=("None.",), part=part)


def _steps(shown: Sequence[ShownSeries]) -> Table:
    rows = [
        (
            each.name,
            told.name,
            *_where(each, told),
            trend_words.marked(told.shift),
            _with(told),
            _told(each, told),
        )
        for each in shown
        for told in each.open
        if told.what == "step"
    ]
    return Table(
        title=STEPS.title,
        columns=("case", "step", "first run after", "between", "change", "with", "told"),
        rows=tuple(rows),
        meanings=(
            ("step", "its name for `convbench trend ack`"),
            ("between", "it happened after the first of these runs, and at the latest at the second (95%)"),
            ("told", "the run after which it was told first"),
        ),
        optional=("between", "told"),
        part=STEPS,
    )


def _where(shown: ShownSeries, told: ToldChange) -> tuple[str, str]:
    """The day of the first run after a step, and the runs between which it lies."""
    runs = shown.series.runs
    first, last = span(shown.changes, told)
    ends = [short_id(runs[max(at, 0)].digest) for at in (first - 1, last)]
    return trend_words.day(runs[told.at].at), " and ".join(ends)


def _with(told: ToldChange) -> str:
    return trend_words.differences_in_words(told.differences, _MOST_DIFFERENCES)


def _told(shown: ShownSeries, told: ToldChange) -> str:
    return trend_words.day(shown.series.runs[told.told_at].at)


def _boundaries(shown: Sequence[ShownSeries]) -> Table:
    """Also those at which nothing changed: that is what one wants to know of a new driver."""
    rows = []
    for each in shown:
        told = {change.at: change for change in each.trended.told if change.what == "boundary"}
        for boundary in each.changes.boundaries:
            if boundary.at >= each.first:
                name = told[boundary.at].name if boundary.at in told else ""
                words = trend_words.differences_in_words(of_boundary(each, boundary.at), len(CONDITIONS))
                rows.append((each.name, name, _day(each, boundary.at), words, tested(boundary)))
    rows.sort(key=lambda row: row[2], reverse=True)
    return Table(
        title=BOUNDARIES.title,
        columns=("case", "step", "first run after", "with", "change"),
        rows=tuple(rows),
        meanings=(("step", "its name for `convbench trend ack`, of those that changed times"),),
        optional=("step",),
        part=BOUNDARIES,
    )


def of_boundary(shown: ShownSeries, at: int) -> tuple[Difference, ...]:
    """Those of the conditions that make it a boundary, against what was last known of each."""
    runs = shown.series.runs
    after = runs[at].conditions
    found = []
    for name in CONDITIONS:
        before = next((run.conditions[name] for run in reversed(runs[:at]) if name in run.conditions), None)
        if name in after and before is not None and after[name] != before:
            found.append(Difference(name, before, after[name]))
    return tuple(found)


def tested(boundary: Boundary) -> str:
    """`▲ +3.1% (+2.4% to +3.8%)`, `= no change within ±0.6%`, `? too few runs`"""
    if boundary.shift is None:
        return "? too few runs"
    if boundary.told_at is not None:
        return trend_words.marked(boundary.shift)
    return trend_words.no_change(boundary.shift)


def _day(shown: ShownSeries, at: int) -> str:
    return trend_words.day(shown.series.runs[at].at)


def _drifts(shown: Sequence[ShownSeries]) -> Table:
    rows = []
    for each in shown:
        ends = {drift.first: drift for drift in each.changes.drifts}
        for told in each.open:
            if told.what == "drift" and told.at in ends:
                drift = ends[told.at]
                a_run = trend_words.change(drift.per_run)
                first, last = (_day(each, at) for at in (drift.first, drift.last))
                runs = drift.last - drift.first + 1
                size = trend_words.marked(told.shift)
                rows.append((each.name, told.name, first, last, runs, size, " ".join(in_two(a_run))))
    return Table(
        title=DRIFTS.title,
        columns=("case", "drift", "from", "to", "runs", "change", "a run"),
        rows=tuple(rows),
        meanings=(("drift", "its name for `convbench trend ack`"),),
        optional=("a run", "runs"),
        part=DRIFTS,
    )


def _outliers(shown: Sequence[ShownSeries]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for each in shown:
        for at in (at for at in each.changes.outliers if at >= each.first):
            run, point = each.series.runs[at], each.series.points[at]
            level = next((one for one in each.changes.levels if one.first <= at <= one.last), None)
            seconds = seconds_of(point)
            off = None if level is None else trend_words.percent(point.log_seconds - level.log_seconds)
            off_text = None if off is None else f"{off:+.1f}%"
            rows.append(
                (
                    each.name,
                    trend_words.day(run.at),
                    short_id(run.digest),
                    in_words(seconds),
                    off_text,
                    run.conditions.get(DISTURBED, ""),
                )
            )
    rows.sort(key=lambda row: str(row[1]), reverse=True)
    width = None if any(row[-1] for row in rows) else -1
    return Table(
        title=OUTLIERS.title,
        columns=("case", "day", "run", "time", "against its level", DISTURBED)[:width],
        rows=tuple(row[:width] for row in rows),
        notes=("Single runs far from their level, which are neither a step nor part of one.",),
        part=OUTLIERS,
    )


def _all(shown: Sequence[ShownSeries]) -> Iterator[Table]:
    """A table for each kind of machine, and for each other tool, whose figures take part in none of ours."""
    found = by_group(shown)
    for (origin, kind), own in found.items():
        alone = sum(not other for other, _ in found) == 1
        title = f"Measured by {origin}" if origin else SERIES.title if alone else f"Cases on {kind}"
        yield series_table(title, own, IMPORTED if origin else SERIES)


def _acknowledged(shown: Sequence[ShownSeries]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for each in shown:
        for told in each.trended.told:
            if told.acknowledged is not None:
                answer = told.acknowledged
                rows.append(
                    (
                        *(each.name, told.name, _day(each, told.at), trend_words.marked(told.shift)),
                        *(answer.why, answer.by, trend_words.day(answer.acknowledged_at)),
                    )
                )
    return Table(
        title=ACKNOWLEDGED.title,
        columns=("case", "step", "first run after", "change", "why", "by", "acknowledged"),
        rows=tuple(rows),
        optional=("step", "acknowledged"),
        part=ACKNOWLEDGED,
    )


def _undated(shown: Sequence[ShownSeries]) -> Table:
    rows = tuple(
        (short_id(digest), run.label, run.at[:16].replace("T", " "))
        for digest, run in shown_runs(shown).items()
        if not run.is_dated
    )
    note = "The clock of the host that measured was wrong: the runs stand where they were added."
    return Table(
        title=UNDATED.title, columns=("run", "label", "added"), rows=rows, notes=(note,), part=UNDATED
    )
