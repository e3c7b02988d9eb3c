"""Markdown that reads well raw and on a code host: tables through tabulate, aligned in the text too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from reports.document import Document, Plot, Table, readable

NAME = "md"

_ENTITY = re.compile(r"&(?=#?\w+;)")
_SPECIAL = re.compile(r"[\\|*`\[\]]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|^>")
"""What would become markup; a single underscore inside a word stays, for the sake of the raw text."""


def render(document: Document) -> str:
    """A heading, paragraphs, and a section for each table; links to the plots that were drawn."""
    blocks = [f"# {escape(document.title)}", *(escape(text) for text in document.paragraphs)]
    for table in document.tables:
        blocks += [f"## {escape(table.title)}", _table(table), *(escape(note) for note in table.footnotes)]
        blocks += _pictures(document, document.plots_under(table))
    blocks += _pictures(document, document.plots_apart)
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Text that shows as it is, on one line: no markup, no HTML, no end of cell."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = _ENTITY.sub("&amp;", line).replace("<", "&lt;")
    return _SPECIAL.sub(lambda found: "\\" + found[0], line)


def _pictures(document: Document, plots: Sequence[Plot]) -> Iterator[str]:
    """The PNG shown, and the SVG beside it for whoever wants it sharper."""
    if document.pictures is None:
        return
    for plot in plots:
        stem = quote(f"{document.pictures}/{plot.name}")
        yield f"![{escape(plot.title)}]({stem}.png)"
        yield escape(f"{plot.title}. {plot.note}".strip()) + f" ([SVG]({stem}.svg))"


def _table(table: Table) -> str:
    from tabulate import tabulate  # late: every command lists the formats, few print one

    texts = [[escape(readable(cell)) for cell in row] for row in table.rows]
    return tabulate(
        texts,
        headers=[escape(column) for column in table.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if numeric else "left" for numeric in table.numeric],
    )
