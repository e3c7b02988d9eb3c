"""The cells of a table as a reader sees them, for tests that say what is printed."""

from __future__ import annotations

from reports.cells import Cell, Missing, Quantity, Scalar, readable
from reports.document import Table


def shown(cell: Cell) -> Scalar:
    """A quantity as it is written; all else as it is."""
    return readable(cell) if isinstance(cell, Quantity | Missing) else cell


def rows_of(table: Table) -> list[dict[str, Scalar]]:
    """Each row by its columns."""
    return [dict(zip(table.columns, map(shown, row), strict=True)) for row in table.rows]


def row_of(table: Table, number: int = 0) -> dict[str, Scalar]:
    """One of them."""
    return rows_of(table)[number]
