"""Rows with verdicts as tables: times, sizes, energy, and the counts that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from reports.axes import Line, Subject, layout_of, table
from reports.latency import CLOCKS
from reports.matching import COMPARED_UNITS, Row
from reports.memory import MIB
from reports.table import Cell, Table, readable

_SECONDS_PER_MS = 1e-3


class _Kind(Struct, frozen=True):
    """How a unit is shown: the table's title, the unit printed and its size, the words for the verdicts."""

    title: str
    printed: str
    size: float
    faster: str
    slower: str

    def word(self, verdict: str | None) -> str | None:
        return {"faster": self.faster, "slower": self.slower}.get(verdict or "", verdict)


KINDS = {
    "s": _Kind("Time", "ms", _SECONDS_PER_MS, "faster", "slower"),
    "bytes": _Kind("Memory", "MiB", MIB, "smaller", "larger"),
    "J": _Kind("Energy", "J", 1.0, "less", "more"),
}
"""A size that is `slower` in the JSON form is larger."""


def verdict_tables(rows: Sequence[Row], counted: str) -> Iterator[Table]:
    """A table for each unit that has rows, then the counts that differ; `counted` are processes or runs."""
    layout = layout_of([row.case for row in rows], 1)
    for unit in COMPARED_UNITS:
        kind = KINDS[unit]
        compared = [row for row in rows if row.unit == unit and row.verdict is not None]
        shown = [row for row in compared if not _is_constant(row)]
        if not compared:
            continue
        same = len(compared) - len(shown)
        yield table(
            kind.title,
            [
                "what",
                f"BASE ({kind.printed})",
                f"NEW ({kind.printed})",
                "ratio",
                "verdict",
                "detectable",
                counted,
                "remarks",
            ],
            [Line(subject=_subject(row), cells=_cells(row, kind)) for row in shown],
            layout,
            notes=[
                *(
                    [f"The same in all processes of both sides, and not shown: {same:,} rows."]
                    if same
                    else ()
                ),
                *sorted({f"inconclusive: {row.reason}." for row in shown if row.reason}),
            ],
        )
    different = [row for row in rows if row.verdict == "different"]
    if different:
        yield table(
            "Counts that differ",
            ["what", "BASE", "NEW"],
            [
                Line(subject=_subject(row), cells=(_what(row), _count(row.base), _count(row.new)))
                for row in different
            ],
            layout,
        )


def count_of_words(rows: Sequence[Row]) -> str:
    """`Compared: 3 slower, 10 equivalent; counts: 12 equal, 0 different; not compared: 4`"""
    words = Counter(row.verdict or "none" for row in rows)
    costs = ", ".join(f"{words[w]:,} {w}" for w in ("slower", "faster", "equivalent", "inconclusive"))
    exact = ", ".join(f"{words[w]:,} {w}" for w in ("equal", "different"))
    return f"Times and sizes: {costs}. Counts: {exact}. Not compared: {words['none']:,}"


def _is_constant(row: Row) -> bool:
    """Sizes are often equal to the byte in every process, and then there is nothing to show."""
    return row.verdict == "equivalent" and row.low == row.high == 1


def _subject(row: Row) -> Subject:
    return Subject(row.case, row.effective, ())


def _cells(row: Row, kind: _Kind) -> tuple[Cell, ...]:
    return (
        _what(row),
        None if row.base is None else row.base / kind.size,
        None if row.new is None else row.new / kind.size,
        _ratio(row),
        kind.word(row.verdict),
        None if row.detectable is None else _percent(row.detectable),
        row.n_base if row.n_base == row.n_new else f"{row.n_base} / {row.n_new}",
        row.tags,
    )


def _what(row: Row) -> str:
    """`step wall`, `peak allocated of forward`, `compile cold`"""
    clock = CLOCKS.get(row.metric)
    if clock:
        return f"{row.phase} {clock}"
    metric = row.metric.replace("_", " ")
    return metric if row.phase == "model" else f"{row.phase} {metric}"


def _ratio(row: Row) -> str | None:
    if row.ratio is None:
        return None
    if row.low is None or row.high is None:
        return readable(row.ratio)
    return f"{readable(row.ratio)} ({readable(row.low)} to {readable(row.high)})"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 10 else ">1000%"


def _count(value: float | None) -> Cell:
    return None if value is None else round(value)
