"""One page that needs nothing else: the answer, then parts with sortable tables and pictures; no file beside
it and no network.

All text is escaped by the template engine; markup that is not escaped comes from this project alone. A
Content-Security-Policy in the page forbids what the page does not have: a script that found its way in would
not run, and nothing could be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from reports.cells import Cell, brief, readable
from reports.document import Document, Part, Plot, Series, Table
from reports.drawing import answer_chart, chart_pen, plots, run_chart_data, run_chart_svg, sample_strips
from reports.drawing.palette import COLORS, ON_DARK
from reports.run_charts import RunChart, RunCharts
from reports.tables import page_cells
from reports.tables.origin_words import origin_in_words
from reports.tables.page_cells import PageCell, printable
from reports.tables.unique_names import UniqueNames

if TYPE_CHECKING:
    from markupsafe import Markup

ELSEWHERE = "Plots"
"""The heading of the plots that belong to no table."""
METHOD = "How these figures were made"
"""The heading of the document's text, where it stands in the appendix."""
PRODUCT = "convbench"


class Samples(Struct, frozen=True):
    """The samples behind a row, shown where a pointer or the focus is on it."""

    title: str
    words: str
    svg: Markup


class Row(Struct, frozen=True):
    """`anchor` is what a link to the row points to, `name` what the link is called."""

    anchor: str
    name: str
    cells: Sequence[PageCell]
    samples: Samples | None


class Picture(Struct, frozen=True):
    """A plot that was drawn."""

    plot: Plot
    svg: Markup


class PageTable(Struct, frozen=True):
    """A table with its pictures; `is_titled` is False where the section's heading says the same."""

    anchor: str
    table: Table
    is_titled: bool
    rows: Sequence[Row]
    pictures: Sequence[Picture]

    @property
    def legend(self) -> Sequence[tuple[str, str]]:
        """Each label of the rows once, with what it means: no pointer is needed to read it."""
        labels = (label for row in self.rows for cell in row.cells for label in cell.labels)
        return [(label, meaning) for label, meaning in dict.fromkeys(labels) if meaning]


class Section(Struct, frozen=True):
    """A heading with what stands under it."""

    anchor: str
    title: str
    in_appendix: bool = False
    text: Sequence[str] = ()
    tables: Sequence[PageTable] = ()
    pictures: Sequence[Picture] = ()


class SmallChart(Struct, frozen=True):
    """A series of runs; `at` is its place in the data that the page's script reads."""

    anchor: str
    at: int
    chart: RunChart
    svg: Markup


class ChartGroup(Struct, frozen=True):
    """Charts under a heading, which may be empty."""

    title: str
    charts: Sequence[SmallChart]


class Runs(Struct, frozen=True):
    """The charts of runs over time, which are not folded."""

    anchor: str
    title: str
    note: str
    groups: Sequence[ChartGroup]
    data: Markup


class Chart(Struct, frozen=True):
    """The chart of the answer as a desk and as a phone show it."""

    title: str
    wide: Markup
    narrow: Markup


def render(document: Document) -> str:
    """The page; drawing its plots takes most of the time."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("reports", "formats"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    builder = _Builder(document)
    runs = builder.runs(document.charts) if document.charts else None
    script = _asset("page.js") + (_asset("page.runs.js") if runs else "")
    answer = document.answer
    return environment.get_template("page.html.j2").render(
        document=document,
        page_title=_page_title(document),
        answer=answer,
        chart=_chart(answer.picture) if answer and answer.picture else None,
        best=builder.answer_table(answer.table) if answer and answer.table else None,
        runs=runs,
        sections=builder.sections(),
        is_folded=answer is not None,
        origin=origin_in_words(document.origin),
        colors=COLORS,
        colors_on_dark=ON_DARK,
        style=Markup(_asset("page.css") + (_asset("page.runs.css") if runs else "")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _asset(name: str) -> str:
    return files("reports.formats").joinpath(name).read_text(encoding="utf-8")


def _page_title(document: Document) -> str:
    """Of a tab among others: it says whose page it is."""
    if document.answer is None or PRODUCT in document.title:
        return document.title
    return f"{document.title} · {PRODUCT}"


def _chart(chart: answer_chart.Chart) -> Chart:
    from markupsafe import Markup

    wide, narrow = (
        Markup(answer_chart.draw(chart, chart_pen.OF_THE_PAGE, width))
        for width in (chart_pen.WIDE, chart_pen.NARROW)
    )
    return Chart(chart.title, wide, narrow)


class _Builder:
    """What the page's anchors and the rows' samples have in common."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.names = UniqueNames()
        for taken in ("results", "contents", "appendix", "next"):
            self.names.unused(taken)
        self.samples = {
            series.row_name: series
            for plot in document.plots
            if plot.kind == "strips"
            for series in plot.series
            if series.row_name
        }

    def answer_table(self, table: Table) -> PageTable:
        """With the fewer digits of a first screen; its rows have their samples wherever there are some."""
        return PageTable(
            self.names.unused(f"results {table.title}"),
            table,
            True,
            self._rows(table, brief, self.samples),
            (),
        )

    def runs(self, charts: RunCharts) -> Runs:
        """In their order; those of a group together."""
        from markupsafe import Markup

        groups: dict[str, list[SmallChart]] = {}
        anchor = self.names.unused(charts.title)
        for at, chart in enumerate(charts.charts):
            svg = Markup(run_chart_svg.draw(chart, charts.runs.seconds, chart_pen.OF_THE_PAGE))
            shown = SmallChart(self.names.unused(f"runs {chart.title}"), at, chart, svg)
            groups.setdefault(chart.group, []).append(shown)
        found = [ChartGroup(title, own) for title, own in groups.items()]
        return Runs(anchor, charts.title, charts.note, found, Markup(run_chart_data.data(charts)))

    def sections(self) -> list[Section]:
        """The parts in their order, the appendix last, then plots that belong nowhere."""
        document = self.document
        found = [self._section(part, tables) for part, tables in document.parts.items()]
        if document.answer is not None and document.text:
            method = Section(self.names.unused(METHOD), METHOD, in_appendix=True, text=document.text)
            at = next((n for n, section in enumerate(found) if section.in_appendix), len(found))
            found.insert(at, method)
        if document.plots_apart:
            anchor = self.names.unused(ELSEWHERE)
            apart = _pictures(document.plots_apart)
            found.append(Section(anchor, ELSEWHERE, document.answer is not None, pictures=apart))
        return found

    def _section(self, part: Part, tables: Sequence[Table]) -> Section:
        anchor = self.names.unused(part.name)
        shown = [self._table(table, len(tables) > 1 or table.title != part.title) for table in tables]
        return Section(anchor, part.title, part.in_appendix, tables=shown)

    def _table(self, table: Table, is_titled: bool) -> PageTable:
        plots_here = self.document.plots_under(table)
        samples = self.samples if any(plot.kind == "strips" for plot in plots_here) else {}
        anchor = self.names.unused(table.title)
        return PageTable(
            anchor, table, is_titled, self._rows(table, readable, samples), _pictures(plots_here)
        )

    def _rows(
        self, table: Table, written: Callable[[Cell], str], samples: Mapping[str, Series]
    ) -> Sequence[Row]:
        numeric = table.numeric
        names = table.row_names or ("",) * len(table.rows)
        found = []
        for cells, subject in zip(table.rows, names, strict=True):
            shown = [
                page_cells.shown(cell, right, written) for cell, right in zip(cells, numeric, strict=True)
            ]
            name = " ".join(_naming(cells, written)) or "row"
            anchor = self.names.unused(f"{table.title} {name}")
            series = samples.get(subject)
            found.append(Row(anchor, name, shown, _samples(series) if series else None))
        return found


def _naming(cells: Sequence[Cell], written: Callable[[Cell], str]) -> Iterator[str]:
    """The words ahead of the first figure, which say what a row is about."""
    for cell in cells:
        if not isinstance(cell, str | int):
            return
        yield written(cell)


def _samples(series: Series) -> Samples:
    from markupsafe import Markup

    return Samples(series.label, sample_strips.in_words(series), Markup(sample_strips.draw(series)))


def _pictures(found: Sequence[Plot]) -> list[Picture]:
    """Without title and note, which are text of the page."""
    from markupsafe import Markup

    from reports.drawing.inline_svg import inline

    drawn = []
    for plot in found:
        svg = plots.draw(structs.replace(plot, title="", note=""), "svg", words_as_text=True)
        drawn.append(Picture(plot, Markup(inline(svg, plot.name, plot.title))))
    return drawn
