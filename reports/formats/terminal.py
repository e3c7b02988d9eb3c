"""Text for a terminal, as wide as it is: the answer alone or all parts; plain where the output is none."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from bench.schema.plain_text import printable
from reports.cells import Cell, Quantity, brief, readable
from reports.document import Answer, Document, NextStep, Table
from reports.drawing import answer_chart
from reports.tables.origin_words import origin_in_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

PLAIN_WIDTH = 200
"""Columns where no terminal says how many: tables take what they need of it."""
TEXT_WIDTH = 100
"""Longer lines of prose are hard to read."""
COLOR = "CONVBENCH_COLOR"
"""The variable that says `auto`, `always` or `never`; `--color` sets it."""
COLUMN_GAP = 2
"""Spaces between two columns of a table."""


def render(document: Document) -> str:
    """The answer, and unless the document is shown whole the names of the parts that follow; colors and width
    are those of standard output."""
    from rich.console import Console

    document = document.with_notes_once()
    interactive = sys.stdout.isatty()
    text = io.StringIO()
    console = Console(
        file=text,
        force_terminal=_is_colored(is_terminal=interactive),
        width=None if interactive else PLAIN_WIDTH,
        highlight=False,
    )
    if document.answer is not None:
        _show_answer(console, document.title, document.answer)
        if document.whole:
            _show_tables(console, document)
            _show_text(console, (*document.text, *filter(None, [origin_in_words(document.origin)])))
        else:
            _show_text(console, _parts(document), style="dim")
        _show_next(console, document.answer.next_step)
    else:
        _show_text(console, [document.title], style="bold")
        _show_text(console, document.paragraphs)
        _show_tables(console, document)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def tables_in(tables: Sequence[Table], width: int, *, is_colored: bool) -> str:
    """Tables alone, in so many columns, for a terminal that another program writes to; a note once."""
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text, force_terminal=is_colored, no_color=not is_colored, width=width, highlight=False
    )
    _show_tables(console, Document(title="", tables=tuple(tables)).with_notes_once())
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())


def _text(content: str, style: str = "") -> Text:
    """Without what a terminal would obey: names come from users, and from files of others."""
    from rich.text import Text

    return Text(printable(content, but="\n"), style)


def _is_colored(*, is_terminal: bool) -> bool:
    """Whether text has colors and bold letters."""
    asked = os.environ.get(COLOR, "auto")
    return is_terminal and not os.environ.get("NO_COLOR") if asked == "auto" else asked == "always"


def _show_answer(console: Console, title: str, answer: Answer) -> None:
    width = min(console.width, TEXT_WIDTH)
    console.print(_text(f"{title} · {answer.about}"), width=width)
    for alarm in answer.alarms:
        console.print(_text(f"! {alarm}", "yellow"), width=width)
    console.print()
    for headline in answer.headlines:
        console.print(_text(headline, "bold"), width=width)
    if answer.picture is not None:
        console.print()
        for line in answer_chart.lines(answer.picture, width):
            console.print(_text(line), no_wrap=True, crop=True)
    if answer.table is not None:
        console.print(_text(f"\n{answer.table.title}", "bold"), width=width)
        _show_table(console, answer.table, brief, width)
    if answer.warnings:
        _show_text(console, [answer.warnings], style="yellow")


def _show_text(console: Console, paragraphs: Iterable[str], style: str = "") -> None:
    for paragraph in paragraphs:
        console.print(_text(paragraph, style), width=min(console.width, TEXT_WIDTH))


def _show_next(console: Console, step: NextStep | None) -> None:
    """On one line however long, so that it can be copied."""
    if step is not None:
        console.print(_text(f"Next: {in_words(step)}"), soft_wrap=True)


def in_words(step: NextStep) -> str:
    """`convbench run --resume --out runs/1    (resolves 3 figures, about 9 minutes)`"""
    return f"{step.command}    ({step.about})" if step.about else step.command


def _parts(document: Document) -> Iterator[str]:
    names = [part.name for part in document.parts if not part.in_appendix]
    if names:
        yield in_line(names)


def in_line(names: Sequence[str]) -> str:
    """How the parts of a report are shown."""
    return f"More: --section {'|'.join(names)}, or --full"


def _show_tables(console: Console, document: Document) -> None:
    for table in (table for tables in document.parts.values() for table in tables):
        console.print(_text(f"\n{table.title}", "bold"))
        _show_table(console, table, readable, console.width)


def _show_table(console: Console, table: Table, written: Callable[[Cell], str], width: int) -> None:
    """With what stands under it, of which nothing is about a column that is left out."""
    texts = [[" ".join(written(cell).split()) for cell in row] for row in table.rows]
    kept = _fitting(table, texts, width)
    console.print(_grid(table, texts, kept), width=width)
    shown = [table.columns[at] for at in kept]
    meanings = tuple(each for each in table.meanings if each[0] in shown)
    _show_text(console, structs.replace(table, meanings=meanings).footnotes, style="dim")


def _grid(table: Table, texts: Sequence[Sequence[str]], kept: Sequence[int]) -> RichTable:
    """A figure stays on one line, and words give way."""
    from rich import box
    from rich.table import Table as RichTable

    grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for at in kept:
        align: Literal["left", "right"] = "right" if table.numeric[at] else "left"
        is_figure = any(isinstance(row[at], Quantity | int | float) for row in table.rows)
        grid.add_column(_text(table.columns[at]), justify=align, overflow="fold", no_wrap=is_figure)
    for row in texts:
        grid.add_row(*(_text(row[at]) for at in kept))
    return grid


def _fitting(table: Table, texts: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns to show: optional ones go until the others fit into `width`."""
    kept = list(range(len(table.columns)))
    widths = [max(map(len, (name, *(row[at] for row in texts)))) for at, name in enumerate(table.columns)]
    for name in table.optional:
        if sum(widths[at] + COLUMN_GAP for at in kept) - COLUMN_GAP <= width:
            break
        kept.remove(table.columns.index(name))
    return kept
