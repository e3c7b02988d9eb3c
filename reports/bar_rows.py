"""A chart of bars: a row of them for each thing, one for each series."""

from __future__ import annotations

from msgspec import Struct

from reports.cells import Quantity

MOST_BARS = 12
"""A chart of more rows is no longer read at a glance."""


class BarRow(Struct, frozen=True):
    """A row of a chart: a bar for each of its series, or None where one has none.

    A figure that is not resolved has no bar.
    """

    label: str
    bars: tuple[Quantity | None, ...]


class BarChart(Struct, frozen=True, kw_only=True):
    """Bars from zero, with their intervals as whiskers and their values beside them.

    title   what is drawn, and in which unit: `Milliseconds per image`
    series  what the bars of a row are, in their order: `fp32 eager`, `fastest found`; one needs no name
    rows    MOST_BARS at most
    """

    title: str
    rows: tuple[BarRow, ...]
    series: tuple[str, ...] = ("",)
