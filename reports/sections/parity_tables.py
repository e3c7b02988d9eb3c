"""Whether a precision or an engine is as accurate as fp32 or eager: differences of accuracy, judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from reports.analysis.learned import ACCURACY_KEY, Learned
from reports.analysis.parity import BASES, Parity, parities
from reports.cells import Cell
from reports.document import Part, Table
from reports.tables.case_columns import NOT_SHOWN, TableLine, TableScope, table
from reports.tables.wording import (
    ONE_SEED_NOTE,
    PARITY_RULE,
    interval_notes,
    mean_percent,
    points,
    signed_points,
)

COLUMNS = (
    "base",
    "base accuracy (%)",
    "accuracy (%)",
    "difference (points)",
    "verdict",
    "detectable (points)",
    "seeds",
    "compared",
    "reason",
)
PAIRED_NOTE = (
    "by seed: both sides have the same seeds, so the same initial weights and the same images in the same "
    "order."
)
PARITY_PART = Part("parity", "Accuracy of other precisions and engines")


def parity_table(runs: Sequence[Learned], scope: TableScope) -> Iterator[Table]:
    """A row for each comparison that these cases allow."""
    found = list(parities(runs))
    if found:
        paired = any(parity.difference.paired for parity in found)
        lines = [TableLine(subject=parity.new.subject, cells=_cells(parity)) for parity in found]
        marks = interval_notes((cell for line in lines for cell in line.cells), ONE_SEED_NOTE)
        shown = table(
            "Parity",
            COLUMNS,
            lines,
            scope,
            without=NOT_SHOWN,
            always=tuple(BASES),
            notes=[PARITY_RULE, *([PAIRED_NOTE] if paired else []), *marks],
        )
        yield structs.replace(shown, part=PARITY_PART)


def _cells(parity: Parity) -> tuple[Cell, ...]:
    found = parity.difference
    return (
        BASES[parity.axis],
        mean_percent(parity.base.figures.get(ACCURACY_KEY)),
        mean_percent(parity.new.figures.get(ACCURACY_KEY)),
        signed_points(found.difference, found.low, found.high),
        found.verdict,
        points(found.detectable),
        found.n_new if found.n_base == found.n_new else f"{found.n_base} / {found.n_new}",
        None if found.low is None else "by seed" if found.paired else "means",
        found.reason,
    )
