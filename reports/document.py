"""What a report is made of before any format sees it: tables of plain cells, plots of plain numbers."""

from __future__ import annotations

import math
import re
from typing import Literal

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


PlotKind = Literal["lines", "points", "strips", "bars"]


class Series(Struct, frozen=True, kw_only=True):
    """Points of a plot that belong together, in the units of its axes.

    label      in the legend; without one it has no entry there
    low, high  the ends of a band (lines) or of error bars (points): one for each point, or none at all
    names      what stands beside each point (nothing where it is empty), or none at all
    hue        series of the same number share colour and marker; None is the series' place in the plot
    kind       how it is drawn where that is not how its plot is
    """

    label: str = ""
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    hue: int | None = None
    dashed: bool = False
    kind: PlotKind | None = None


class Plot(Struct, frozen=True, kw_only=True):
    """A picture before it is drawn.

    Of kind `strips` each series is a row that its label names: `x` are its samples, and `y` says for each
    the number of the process that it is of. Of kind `bars` `x` are lengths, `y` the rows that
    they lie in (0 is on top) and `names` the names of these rows; the series lie one after the other.

    name    the stem of its files: letters, digits and hyphens, unlike any other in the document
    note    one line that says how to read it
    under   the title of the table that it belongs to; at the end of the document where there is none
    """

    name: str
    title: str
    note: str = ""
    under: str = ""
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False
    kind: PlotKind = "lines"
    series: tuple[Series, ...]


class Document(Struct, frozen=True, kw_only=True):
    """A whole report: paragraphs, tables and plots for people, the same figures as flat rows for programs.

    `pictures` is the folder of the plots' files as seen from where the text will lie; None where they were
    not drawn.
    """

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()
    pictures: str | None = None
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
