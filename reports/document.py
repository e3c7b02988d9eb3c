"""What a report is made of before any format sees it: tables of plain cells, plots of plain numbers."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from bench.stats.moderation import MOST_MORE

Scalar = str | int | float | None
"""Text, a number, or None for "not measured": what a flat row for programs holds."""

ONE = "†"
"""Stands behind a figure of one process or one seed."""
NOT_MEASURED = "‡"
"""Stands in the place of a figure that could not be measured."""
BORROWED = "§"
"""Stands behind a figure of one process whose interval is that of the run's other cases."""
UNRESOLVED = "not resolved"
"""Stands in the place of a figure whose interval reaches too far."""
FOLLOWS_FROM_UNRESOLVED = "?"
"""Stands in the place of what follows from such a figure."""
RESOLVED = 0.25
"""By this share of a figure its interval may reach above or below it."""
_ENDS_SAY_NOTHING = 9.0
"""An interval that reaches beyond ten times the figure is not written."""


class Quantity(Struct, frozen=True, kw_only=True):
    """A number and what is known of it; `readable` writes it.

    value      in the unit that its column names, or `unit`
    low, high  the ends of its interval, in the same unit; None where there is none
    unit       what stands right behind the number: `x` of a ratio, `%` of a share
    of_one     whether it is of one process or one seed, and so says nothing of others
    moderated  whether its interval is moderated by what other cases show
    borrowed   whether its interval is wholly that of other cases, since it is of one process
    more       about how many more processes would resolve it, where that is known
    unresolved whether it follows from a figure that is not resolved
    interval   how the interval is told: as shares of the value, as half its width, or by its ends
    digits     the decimals, all the figures that were `given`, those of a count (`whole`), or, of what was
               `measured`, four figures in all
    sign       `minus` alone, or also a plus, as differences have it: `always`, or `unless zero`
    more_than  whether it is only known to be more than `value`
    endless    the word for an infinite value
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    of_one: bool = False
    moderated: bool = False
    borrowed: bool = False
    more: int | None = None
    unresolved: bool = False
    interval: Literal["relative", "around", "ends"] = "relative"
    digits: int | Literal["measured", "given", "whole"] = "measured"
    sign: Literal["minus", "always", "unless zero"] = "minus"
    more_than: bool = False
    endless: str = "inf"

    @property
    def shares(self) -> tuple[float, float] | None:
        """By which shares of the value the interval reaches below and above it; None unless it is told so."""
        if self.interval != "relative" or self.low is None or self.high is None:
            return None
        return 1 - self.low / self.value, self.high / self.value - 1

    @property
    def is_resolved(self) -> bool:
        """Whether the interval reaches no further than a quarter of the figure."""
        return self.shares is None or max(self.shares) <= RESOLVED


class Missing(Struct, frozen=True):
    """In the place of a figure that could not be measured: which, and why."""

    figure: str
    reason: str


Cell = Scalar | Quantity | Missing
"""What a table holds; None, where there is nothing to measure, is left empty."""


class TableKey(Struct, frozen=True):
    """What a table is about, whatever its title says: the key by which plots find their table.

    `topic` is the section's, `of` tells its tables apart.
    """

    topic: str
    of: tuple[str, ...] = ()


class Table(Struct, frozen=True, kw_only=True):
    """Rows of cells under named columns; every row has one cell per column.

    key     unlike that of any other table of the document; None where no plot belongs to it
    shared  what holds for all rows and so has no column: `fp32`, `batch 8`
    notes   sentences that explain the table
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    key: TableKey | None = None
    shared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds only numbers, to be aligned right."""
        return tuple(all(_is_number(row[at]) for row in self.rows) for at in range(len(self.columns)))

    @property
    def footnotes(self) -> tuple[str, ...]:
        """All that stands under the table."""
        return ((f"All rows: {', '.join(self.shared)}.",) if self.shared else ()) + self.notes + self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """A line for each reason why figures of the table could not be measured."""
        figures: dict[str, dict[str, None]] = {}
        for cell in (cell for row in self.rows for cell in row if isinstance(cell, Missing)):
            figures.setdefault(cell.reason, {})[cell.figure] = None
        return tuple(f"{NOT_MEASURED} not measured ({', '.join(of)}): {why}" for why, of in figures.items())


def _is_number(cell: Cell) -> bool:
    """An infinite quantity is written as a word."""
    return math.isfinite(cell.value) if isinstance(cell, Quantity) else not isinstance(cell, str)


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
    under   the key of the table that it belongs to; at the end of the document where there is none
    """

    name: str
    title: str
    note: str = ""
    under: TableKey | None = None
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False
    kind: PlotKind = "lines"
    series: tuple[Series, ...]


class Document(Struct, frozen=True, kw_only=True):
    """A whole report: paragraphs, tables and plots for people, the same figures as flat rows for programs.

    `remarks` stand ahead of all else, for programs too: that the figures are not to be trusted. `spent` are
    seconds by what they went to, `pictures` the folder of the plots' files as seen from the text's, or None.
    """

    title: str
    remarks: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()
    pictures: str | None = None
    rows: tuple[dict[str, Scalar], ...] = ()
    spent: dict[str, float] = {}

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """All text ahead of the tables."""
        return self.remarks + self.text

    def plots_under(self, table: Table) -> tuple[Plot, ...]:
        """The plots that belong to a table."""
        return tuple(plot for plot in self.plots if plot.under is not None and plot.under == table.key)

    @property
    def plots_apart(self) -> tuple[Plot, ...]:
        """The plots that belong to no table of the document."""
        keys = {table.key for table in self.tables}
        return tuple(plot for plot in self.plots if plot.under is None or plot.under not in keys)


def readable(cell: Cell) -> str:
    """A cell as every format for people prints it: counts with thousands, 4 digits of a measured number."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Missing):
        return NOT_MEASURED
    if isinstance(cell, Quantity):
        return _quantity(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    if not math.isfinite(cell) or cell == 0:
        return f"{cell:g}"
    if 1e-4 <= abs(cell) < 1e15:
        decimals = max(0, 3 - math.floor(math.log10(abs(float(f"{cell:.3e}")))))
        return f"{cell:,.{decimals}f}"
    return f"{cell:.3e}"


def _quantity(found: Quantity) -> str:
    """`12.34 ±1.2%`, `12.34 -18% +22% †`, `not resolved (2.7 to 23; +4)`, `-0.31 (-0.80 to +0.18)`"""
    if found.unresolved:
        return FOLLOWS_FROM_UNRESOLVED
    mark = BORROWED if found.borrowed else ONE if found.of_one else ""
    if not found.is_resolved:
        return " ".join(filter(None, (UNRESOLVED, _known_of_unresolved(found), mark)))
    number = f"{'>' if found.more_than else ''}{_number(found, found.value)}{found.unit}"
    return " ".join(filter(None, (number, _interval(found), mark)))


def _known_of_unresolved(found: Quantity) -> str:
    """`(2.7x to 23x; +4)`: the ends of the interval unless they say nothing, and the processes it takes."""
    known = []
    if found.shares is not None and max(found.shares) <= _ENDS_SAY_NOTHING:
        known.append(f"{_two_digits(found.low)}{found.unit} to {_two_digits(found.high)}{found.unit}")
    if found.more is not None:
        known.append(f"+{found.more}" if found.more <= MOST_MORE else f"+>{MOST_MORE}")
    return f"({'; '.join(known)})" if known else ""


def _two_digits(value: float | None) -> str:
    """What is not resolved has no more."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _number(found: Quantity, value: float) -> str:
    """The value, or an end of its interval."""
    if not math.isfinite(value):
        return found.endless
    if found.digits == "whole":
        return f"{round(value):,}"
    if found.digits == "given":
        short = f"{value:g}"
        return short if float(short) == value and not isinstance(value, int) else repr(value)
    if found.digits == "measured":
        return readable(float(value))
    sign = "+" if found.sign == "always" or (found.sign == "unless zero" and value) else ""
    return f"{value:{sign}.{found.digits}f}"


def _interval(found: Quantity) -> str:
    if found.low is None or found.high is None:
        return ""
    if found.interval == "ends":
        return f"({_number(found, found.low)} to {_number(found, found.high)})"
    if found.interval == "around":
        return f"±{_number(found, found.high - found.value)}"
    return _relative(found)


def _relative(found: Quantity) -> str:
    """`±1.2%`; `-18% +22%` where the interval is wide and so not symmetric."""
    if found.shares is None:
        return ""
    down, up = (100 * share for share in found.shares)
    wider = max(up, down)
    if wider == 0:
        return "±0%"
    if wider < 0.05:
        return "±<0.1%"
    return f"±{wider:.1f}%" if wider < 10 else f"-{down:,.0f}% +{up:,.0f}%"
