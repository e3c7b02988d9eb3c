"""The table of a comparison's first screen: what changed, then what is undecided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import structs

from reports.cells import Cell
from reports.compare.changes import (
    beside,
    marked,
    short_change,
    short_notes_on,
    short_side,
    side,
    visible_from,
)
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.row_names import short_names
from reports.compare.row_words import KINDS, Kind, change_in_words, is_count, is_step_time, what
from reports.document import Table

MOST_ROWS = 6
"""Of a first screen."""
MEANINGS = (
    ("change", "with its 99% interval; + is slower"),
    ("visible from", "smaller changes may go unseen"),
)
_DECIDED_ALIKE = ("equivalent", "equal")


def answer_table(rows: Sequence[ComparisonRow], *, show_all: bool = False) -> Table | None:
    """The changed times, whole steps and large changes first, then the undecided whole steps; with `show_all`
    the equivalent ones too. Where no time is shown, what else changed. None where there is nothing."""
    found = [row for row in rows if row.verdict is not None]
    times = [row for row in found if row.unit == "s" and not is_count(row) and not row.is_peak]
    shown = _times(times, show_all)
    if shown:
        return _table(shown, times, show_all)
    others = [
        row for row in found if row.unit != "s" and row.verdict not in (*_DECIDED_ALIKE, "inconclusive")
    ]
    return _others(others) if others else None


def _times(times: Sequence[ComparisonRow], show_all: bool) -> list[ComparisonRow]:
    steps = [row for row in times if is_step_time(row)]
    changed = sorted(filter(_is_changed, times), key=lambda row: (not is_step_time(row), -_size(row)))
    undecided = [row for row in steps if row.verdict == "inconclusive"]
    equal = [row for row in steps if row.verdict == "equivalent"] if show_all else []
    return [*changed, *undecided, *equal]


def _size(row: ComparisonRow) -> float:
    """Of a change, the same in both directions."""
    return abs(math.log(row.ratio)) if row.ratio else 0.0


def _is_changed(row: ComparisonRow) -> bool:
    return row.verdict in ("slower", "faster")


def _table(shown: Sequence[ComparisonRow], times: Sequence[ComparisonRow], show_all: bool) -> Table:
    listed = shown if show_all else shown[:MOST_ROWS]
    names, shared = short_names(row.case for row in listed)
    kind = kind_of([row.base for row in listed if row.base is not None])
    cells = [_cells(row, kind, names[row.case]) for row in listed]
    found = Table(
        title="Times that changed or are undecided" if not show_all else "Times",
        columns=(
            "case",
            f"BASE, {kind.printed}",
            f"NEW, {kind.printed}",
            "change",
            "verdict",
            "visible from",
        ),
        rows=tuple(cells),
        shared=shared,
        meanings=MEANINGS,
        optional=("visible from",),
    )
    notes = (
        *short_notes_on(cell for row in cells for cell in row),
        *_hidden(shown, listed, times, show_all),
    )
    return structs.replace(found, notes=notes)


def kind_of(seconds: Sequence[float]) -> Kind:
    """Times in µs where all are below 1 ms, in s where all are above 1,000 ms."""
    if seconds and max(seconds) < 1e-3:
        return structs.replace(KINDS["s"], printed="µs", size=1e-6)
    if seconds and min(seconds) >= 1.0:
        return structs.replace(KINDS["s"], printed="s", size=1.0)
    return KINDS["s"]


def _cells(row: ComparisonRow, kind: Kind, name: str) -> tuple[Cell, ...]:
    base = side(row.base, row.base_interval, 1 / kind.size)
    new = side(row.new, row.new_interval, 1 / kind.size)
    return (
        name if is_step_time(row) else f"{name}: {what(row)}",
        short_side(base),
        short_side(new),
        beside(short_change(row), base, new),
        marked(kind.word(row.verdict)),
        None if row.detectable is None else visible_from(row.detectable),
    )


def _hidden(
    shown: Sequence[ComparisonRow],
    listed: Sequence[ComparisonRow],
    times: Sequence[ComparisonRow],
    show_all: bool,
) -> Iterator[str]:
    parts = []
    if len(listed) < len(shown):
        parts.append(f"{len(shown) - len(listed):,} more such rows: --section time.")
    equal = sum(is_step_time(row) and row.verdict == "equivalent" for row in times)
    if equal and not show_all:
        parts.append(f"{equal:,} equivalent {'row is' if equal == 1 else 'rows are'} hidden (--all).")
    if parts:
        yield " ".join(parts)


def _others(changed: Sequence[ComparisonRow]) -> Table:
    """What is no time, each with its own unit, in words."""
    listed = changed[:MOST_ROWS]
    names, shared = short_names(row.case for row in listed)
    more = len(changed) - len(listed)
    return Table(
        title="What changed",
        columns=("case", "what", "change"),
        rows=tuple((names[row.case], what(row), change_in_words(row)) for row in listed),
        shared=shared,
        notes=(f"{more:,} more such rows: --full.",) if more else (),
    )
