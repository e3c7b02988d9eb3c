"""Interleaved pairs -> the table of verdicts: every time of every case, b against a."""

from __future__ import annotations

from collections.abc import Sequence

from bench.studies.ab.pair_rows import PairRow
from reports.document import Cell, Document, Quantity, Scalar, Table
from reports.summary.figures import case_row


def document(found: Sequence[PairRow], labels: tuple[str, str], margin: float) -> Document:
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
        title="a against b", text=text, tables=tuple(tables), rows=tuple(row_of(row) for row in found)
    )


def row_of(row: PairRow) -> dict[str, Scalar]:
    """The fields of `convbench compare`, then what `ab` adds."""
    verdict = row.verdict
    fields: dict[str, Scalar] = {
        "phase": row.phase,
        "metric": row.metric,
        "base": row.a,
        "new": row.b,
        "ratio": verdict.ratio,
        "low": verdict.low,
        "high": verdict.high,
        "verdict": verdict.verdict,
        "detectable": verdict.detectable,
        "n_base": verdict.n_base,
        "n_new": verdict.n_new,
        "decides": row.decides,
        "case_b": row.case_pair.b.id,
    }
    return case_row(row.case_pair.a, fields)


def _table(title: str, found: Sequence[PairRow]) -> Table:
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


def _cells(row: PairRow) -> tuple[Cell, ...]:
    verdict = row.verdict
    interval = detectable = None
    if verdict.low is not None and verdict.high is not None:
        interval = f"{verdict.low:.3f} to {verdict.high:.3f}"
    if verdict.detectable is not None:
        detectable = Quantity(value=100 * verdict.detectable, unit="%", digits=1)
    ratio = None if verdict.ratio is None else Quantity(value=verdict.ratio, digits=3)
    times = (1e3 * row.a, 1e3 * row.b)
    name = row.case_pair.a.id
    return (name, row.phase, row.metric, *times, ratio, interval, verdict.verdict, detectable, verdict.n_base)
