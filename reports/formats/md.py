"""Markdown that reads well raw and on a code host: tables through tabulate, aligned in the text too."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote

from bench.schema.plain_text import in_print, printable
from reports.cells import Cell, brief, readable
from reports.document import Answer, Document, Part, Plot, Table
from reports.drawing import answer_chart
from reports.tables.origin_words import origin_in_words

CHART_WIDTH = 90
"""Letters of a line of code that a code host shows without scrolling."""

_ENTITY = re.compile(r"&(?=#?\w+;)")
_SPECIAL = re.compile(r"[\\|*`\[\]]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|^>")
"""What would become markup; a single underscore inside a word stays, for the sake of the raw text."""


def render(document: Document) -> str:
    """A heading and the answer, then each part folded; without an answer paragraphs, and a section for each
    table. Links lead to the plots that were drawn."""
    document = document.with_notes_once()
    if document.answer is not None:
        return "\n\n".join(_with_answer(document, document.answer)) + "\n"
    blocks = [f"# {escape(document.title)}", *(escape(text) for text in document.paragraphs)]
    for table in document.tables:
        blocks += _section(document, table, "##")
    blocks += _pictures(document, document.plots_apart)
    blocks += _origin(document)
    return "\n\n".join(blocks) + "\n"


def _with_answer(document: Document, answer: Answer) -> Iterator[str]:
    yield f"# {escape(document.title)}"
    yield escape(answer.about)
    yield from (f"**! {escape(alarm)}**" for alarm in answer.alarms)
    yield "\n".join(f"- {escape(headline)}" for headline in answer.headlines)
    if answer.picture is not None:
        yield _chart(document, answer.picture)
    if answer.table is not None:
        yield f"**{escape(answer.table.title)}**"
        yield _table(answer.table, brief)
        if answer.table.footnotes:
            yield " ".join(escape(note) for note in answer.table.footnotes)
    if answer.warnings:
        yield escape(answer.warnings)
    if answer.next_step is not None:
        yield f"Next:\n\n```sh\n{printable(answer.next_step.command)}\n```"
    for part, tables in document.parts.items():
        if not part.in_appendix:
            yield from _folded(part.title, _part(document, part, tables))
    if document.text or any(part.in_appendix for part in document.parts):
        yield "## Appendix"
    if document.text:
        yield from _folded("How these figures were made", (escape(text) for text in document.text))
    for part, tables in document.parts.items():
        if part.in_appendix:
            yield from _folded(part.title, _part(document, part, tables))
    yield from _pictures(document, document.plots_apart)
    yield from _origin(document)


def _origin(document: Document) -> Iterator[str]:
    """How the report was made."""
    told = origin_in_words(document.origin)
    if told:
        yield escape(told)


def _chart(document: Document, chart: answer_chart.Chart) -> str:
    """The picture for the reader's color scheme where there is one, else the same in plain text."""
    if document.pictures is None:
        return "\n".join(("```text", *answer_chart.lines(chart, CHART_WIDTH), "```"))
    light, dark = (
        quote(f"{document.pictures}/{answer_chart.file_name(scheme)}") for scheme in ("light", "dark")
    )
    alternative = html.escape(answer_chart.in_words(chart))
    return (
        f'<picture>\n<source media="(prefers-color-scheme: dark)" srcset="{dark}">\n'
        f'<img src="{light}" alt="{alternative}">\n</picture>'
    )


def _folded(title: str, blocks: Iterable[str]) -> Iterator[str]:
    """Shown when its title is clicked. The blank lines let a code host read what is inside as markdown."""
    yield f"<details><summary>{escape(title)}</summary>"
    yield from blocks
    yield "</details>"


def _part(document: Document, part: Part, tables: Sequence[Table]) -> Iterator[str]:
    """Without the title of an only table, which the part has."""
    for table in tables:
        is_titled = len(tables) > 1 or table.title != part.title
        yield from _section(document, table, "###" if is_titled else "")


def _section(document: Document, table: Table, heading: str) -> Iterator[str]:
    title = f"{heading} {escape(table.title)}\n" if heading else ""
    yield f"{title}{_table(table, readable)}"
    if table.footnotes:
        yield " ".join(escape(note) for note in table.footnotes)
    yield from _pictures(document, document.plots_under(table))


def escape(text: str) -> str:
    """Text that shows as it is, on one line: no markup, no HTML, no end of cell."""
    line = _ENTITY.sub("&amp;", in_print(text)).replace("<", "&lt;")
    return _SPECIAL.sub(lambda found: "\\" + found[0], line)


def _pictures(document: Document, plots: Sequence[Plot]) -> Iterator[str]:
    """The PNG shown, and the SVG beside it for whoever wants it sharper."""
    if document.pictures is None:
        return
    for plot in plots:
        stem = quote(f"{document.pictures}/{plot.name}")
        caption = escape(f"{plot.title}. {plot.note}".strip())
        yield f"![{escape(plot.title)}]({stem}.png)\n{caption} ([SVG]({stem}.svg))"


def _table(table: Table, written: Callable[[Cell], str]) -> str:
    from tabulate import tabulate  # late: every command lists the formats, few print one

    texts = [[escape(written(cell)) for cell in row] for row in table.rows]
    return tabulate(
        texts,
        headers=[escape(column) for column in table.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if numeric else "left" for numeric in table.numeric],
    )
