"""Interleaved pairs -> the table of verdicts: every time of every case, b against a."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.record import Record
from bench.stats import verdicts
from bench.stats.estimates import centre, median
from bench.stats.verdicts import Verdict
from bench.store import RECORDS, read_records
from reports.document import Cell, Document, Table
from reports.summary.figures import case_row

TIMES = ("wall_time", "device_time", "host_time")

Key = tuple[str, str]
"""Phase and metric."""


class Contest(Struct, frozen=True, kw_only=True):
    """Both sides of one case; replicate is 0."""

    a: Case
    b: Case


class Row(Struct, frozen=True, kw_only=True):
    """One time of one case on both sides.

    decides  whether `ab` stopped by this row: the whole step's wall time
    a, b     geometric means of the process medians, in seconds
    """

    contest: Contest
    phase: str
    metric: str
    decides: bool
    a: float
    b: float
    verdict: Verdict

    def as_row(self) -> dict[str, Cell]:
        """The fields of `convbench compare`, then what `ab` adds."""
        verdict = self.verdict
        fields: dict[str, Cell] = {
            "phase": self.phase,
            "metric": self.metric,
            "base": self.a,
            "new": self.b,
            "ratio": verdict.ratio,
            "low": verdict.low,
            "high": verdict.high,
            "verdict": verdict.verdict,
            "detectable": verdict.detectable,
            "n_base": verdict.n_base,
            "n_new": verdict.n_new,
            "decides": self.decides,
            "case_b": self.contest.b.id,
        }
        return case_row(self.contest.a, fields)


def rows(contests: Sequence[Contest], directory: Path, margin: float) -> list[Row]:
    """The rows of all cases, from the records in `directory`/a and `directory`/b."""
    sides = [_by_case(read_records(directory / side / RECORDS)) for side in ("a", "b")]
    return [
        row
        for contest in contests
        for row in _rows_of(contest, sides[0].get(contest.a, {}), sides[1].get(contest.b, {}), margin)
    ]


def _by_case(records: Iterable[Record]) -> dict[Case, dict[int, Record]]:
    """Case -> pair -> record, of what was measured."""
    found: dict[Case, dict[int, Record]] = {}
    for record in records:
        if record.status == "ok" and record.pair is not None:
            found.setdefault(record.case.without_replicate(), {})[record.pair] = record
    return found


def _rows_of(
    contest: Contest, a: Mapping[int, Record], b: Mapping[int, Record], margin: float
) -> Iterable[Row]:
    times_a = {pair: _times(record) for pair, record in a.items()}
    times_b = {pair: _times(record) for pair, record in b.items()}
    both = sorted(times_a.keys() & times_b.keys())
    whole = "step" if contest.a.workload == "training" else "forward"
    for key in dict.fromkeys(key for pair in both for key in times_a[pair]):
        pairs = [pair for pair in both if key in times_a[pair] and key in times_b[pair]]
        if not pairs:
            continue
        of_a, of_b = [times_a[pair][key] for pair in pairs], [times_b[pair][key] for pair in pairs]
        verdict = verdicts.look([math.log(y / x) for x, y in zip(of_a, of_b, strict=True)], margin, last=True)
        assert verdict is not None
        yield Row(
            contest=contest,
            phase=key[0],
            metric=key[1],
            decides=key == (whole, "wall_time"),
            a=centre(of_a),
            b=centre(of_b),
            verdict=verdict,
        )


def _times(record: Record) -> dict[Key, float]:
    """What has a ratio: a clock that is too coarse for a phase may say 0."""
    medians = {(m.phase, m.metric): median(m.samples) for m in record.measurements if m.metric in TIMES}
    return {key: seconds for key, seconds in medians.items() if seconds > 0}


def document(found: Sequence[Row], labels: tuple[str, str], margin: float) -> Document:
    """The table of the deciding rows, that of all others, and every row for programs."""
    text = (
        f"a: {labels[0]}",
        f"b: {labels[1]}",
        "Both were measured side by side, in pairs of processes in random order. The ratio is b / a of the"
        " wall time; its interval is that of one look of at most four, each at a quarter of the errors that"
        f" one comparison may make (99.75%). equivalent: inside 1 ±{100 * margin:g}%. detectable: the"
        " smallest slowdown that this many pairs would have shown in 99 of 100 such comparisons.",
    )
    tables = [_table("Whole steps", [row for row in found if row.decides])]
    others = [row for row in found if not row.decides]
    if others:
        tables.append(_table("Phases and other clocks (not looked at for stopping)", others))
    return Document(
        title="a against b", text=text, tables=tuple(tables), rows=tuple(r.as_row() for r in found)
    )


def _table(title: str, found: Sequence[Row]) -> Table:
    columns = (
        "case",
        "phase",
        "metric",
        "a (ms)",
        "b (ms)",
        "b / a",
        "interval",
        "verdict",
        "detectable",
        "pairs",
    )
    return Table(title=title, columns=columns, rows=tuple(_cells(row) for row in found))


def _cells(row: Row) -> tuple[Cell, ...]:
    verdict = row.verdict
    interval = detectable = None
    if verdict.low is not None and verdict.high is not None:
        interval = f"{verdict.low:.3f} to {verdict.high:.3f}"
    if verdict.detectable is not None:
        detectable = f"{100 * verdict.detectable:.1f}%"
    ratio = None if verdict.ratio is None else f"{verdict.ratio:.3f}"
    times = (1e3 * row.a, 1e3 * row.b)
    name = row.contest.a.id
    return (name, row.phase, row.metric, *times, ratio, interval, verdict.verdict, detectable, verdict.n_base)
