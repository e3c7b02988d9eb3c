"""The columns of a table of pairs: on the first screen of `ab`, and in its parts."""

from __future__ import annotations

from bench.studies.ab.pair_rows import PairRow
from reports.cells import Cell
from reports.compare.changes import change, marked, short_change, short_side, side, visible_from
from reports.compare.row_words import Kind

VISIBLE, PAIRS = "visible from", "pairs"


def columns(kind: Kind) -> tuple[str, ...]:
    """Those of `cells`, in the unit of `kind`."""
    return (f"A, {kind.printed}", f"B, {kind.printed}", "change", "verdict", VISIBLE, PAIRS)


def cells(row: PairRow, size: float, *, is_short: bool) -> tuple[Cell, ...]:
    """Both sides, in units of `size` seconds, and what the pairs say; `is_short` where the change alone has
    room for an interval."""
    verdict = row.verdict
    a, b = side(row.a, row.a_interval, 1 / size), side(row.b, row.b_interval, 1 / size)
    return (
        *((short_side(a), short_side(b), short_change(verdict)) if is_short else (a, b, change(verdict))),
        marked(verdict.verdict),
        None if verdict.detectable is None else visible_from(verdict.detectable),
        verdict.n_base,
    )
