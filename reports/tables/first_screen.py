"""How much of an answer fits on a terminal's first screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from reports.cells import brief
from reports.document import Table

LINES, WIDTH = 24, 100
"""Of the first screen of a report."""
TABLE_LINES = 5
"""What a table takes beside its rows: an empty line, its title, its columns, a rule and a note."""
CHART_LINES = 2
"""What a chart takes beside its rows: an empty line and its title."""
FEWEST_ROWS = 3
"""A chart or table of fewer, where there are more to show, is left out."""


def lines_of(texts: Iterable[str], width: int = WIDTH) -> int:
    """How many lines these paragraphs take."""
    return sum(max(1, len(textwrap.wrap(text, width))) for text in texts)


def is_wide(table: Table, width: int = WIDTH) -> bool:
    """Whether its cells must wrap even without its optional columns."""
    widths = [
        max(map(len, (name, *(brief(row[at]) for row in table.rows))))
        for at, name in enumerate(table.columns)
        if name not in table.optional
    ]
    return sum(widths) + 2 * (len(widths) - 1) > width


def room(lines: int, table_rows: int, chart_rows: int) -> tuple[int, int]:
    """How many rows of a table and of a chart fit into so many lines.

    The table comes first, since it holds the figures; the chart shares the room only where both keep
    FEWEST_ROWS or all of their rows.
    """
    both = lines - TABLE_LINES - CHART_LINES
    least_of_chart = min(chart_rows, FEWEST_ROWS)
    least_of_table = min(table_rows, FEWEST_ROWS + 1)
    if chart_rows and both >= least_of_chart + least_of_table:
        charted = min(chart_rows, max(least_of_chart, both - table_rows))
        charted = min(charted, max(least_of_chart, both // 2))
        return min(table_rows, both - charted), charted
    return min(table_rows, max(lines - TABLE_LINES, 1)), 0
