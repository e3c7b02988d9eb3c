"""What a report is made of before any format sees it: titled tables of plain cells."""

from __future__ import annotations

import math
import re

from msgspec import Struct

_FIGURE = re.compile(r">?[-+]?[\d,.]+(e[-+]\d+)?[x%]?( ±\S+| -\S+% \+\S+%| \(\S+ to \S+\))?( †)?$")

Cell = str | int | float | None
"""Text, a number, or None for "not measured", which a format leaves empty."""


class Table(Struct, frozen=True, kw_only=True):
    """Rows of cells under named columns; every row has one cell per column.

    Cells are ready to be read (rounded, in the unit their column names); `notes` are sentences
    that belong under the table.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds only figures (`12.3 ±1%` is one), to be aligned right."""
        columns = (tuple(row[index] for row in self.rows) for index in range(len(self.columns)))
        return tuple(
            all(not isinstance(cell, str) or _FIGURE.match(cell) is not None for cell in column)
            for column in columns
        )


class Document(Struct, frozen=True, kw_only=True):
    """A whole report: paragraphs and tables for people, and the same figures as flat rows for programs."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...]
    rows: tuple[dict[str, Cell], ...] = ()


def readable(cell: Cell) -> str:
    """A cell as every format for people prints it: counts with thousands, 4 digits of a measured number."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    if not math.isfinite(cell) or cell == 0:
        return f"{cell:g}"
    if 1e-4 <= abs(cell) < 1e15:
        decimals = max(0, 3 - math.floor(math.log10(abs(float(f"{cell:.3e}")))))
        return f"{cell:,.{decimals}f}"
    return f"{cell:.3e}"
