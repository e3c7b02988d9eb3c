"""Tables for a terminal, as wide as it is; plain text where the output is none."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from reports.document import Document, Table, readable

if TYPE_CHECKING:
    from rich.table import Table as RichTable

NAME = "terminal"

PLAIN_WIDTH = 200
"""Columns where no terminal says how many: tables take what they need of it."""
TEXT_WIDTH = 100
"""Longer lines of prose are hard to read."""


def render(document: Document) -> str:
    """Titles, paragraphs and tables; colours and width are those of standard output."""
    from rich.console import Console
    from rich.text import Text

    interactive = sys.stdout.isatty()
    text = io.StringIO()
    console = Console(
        file=text,
        force_terminal=interactive,
        width=None if interactive else PLAIN_WIDTH,
        highlight=False,
    )
    text_width = min(console.width, TEXT_WIDTH)
    console.print(Text(document.title, style="bold"))
    for paragraph in document.paragraphs:
        console.print(Text(paragraph), width=text_width)
    for table in document.tables:
        console.print(Text(f"\n{table.title}", style="bold"))
        console.print(_table(table))
        for note in table.footnotes:
            console.print(Text(note, style="dim"), width=text_width)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _table(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, numeric in zip(table.columns, table.numeric, strict=True):
        grid.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(" ".join(readable(cell).split())) for cell in row))
    return grid
