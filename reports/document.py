"""What a report is made of before any format sees it: tables of plain cells, plots of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, structs

from bench.schema import durations
from bench.schema.pytest_json import SavedBenchmark
from models.errors import unknown
from reports.bar_rows import BarChart
from reports.cells import NOT_MEASURED, Cell, Missing, Quantity, Scalar
from reports.dot_chart import DotChart
from reports.run_charts import RunCharts


class Part(Struct, frozen=True):
    """Tables of a report that answer one question.

    name         as `--section` takes it: lower-case letters and hyphens
    in_appendix  whether it explains or documents figures, and no reader came for it
    """

    name: str
    title: str
    in_appendix: bool = False


class TableKey(Struct, frozen=True):
    """What a table is about, whatever its title says: the key by which plots find their table.

    `topic` is the section's, `of` tells its tables apart.
    """

    topic: str
    of: tuple[str, ...] = ()


class Table(Struct, frozen=True, kw_only=True):
    """Rows of cells under named columns; every row has one cell per column.

    key        unlike that of any other table of the document; None where no plot belongs to it
    shared     what holds for all rows and so has no column: `fp32`, `batch 8`
    notes      sentences that explain the table
    meanings   of columns, each with what it means: of one that is left out it is left out too
    optional   columns that a narrow terminal leaves out, the first of them first
    part       the part of the report in which it stands; None in a report that has none
    row_names  for each row what it is about, by which series of samples find it; or none at all
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    key: TableKey | None = None
    shared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    meanings: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    part: Part | None = None
    row_names: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds only numbers, to be aligned right."""
        return tuple(all(_is_number(row[at]) for row in self.rows) for at in range(len(self.columns)))

    @property
    def footnotes(self) -> tuple[str, ...]:
        """All that stands under the table."""
        shared = (f"All rows: {', '.join(self.shared)}.",) if self.shared else ()
        known = " ".join(f"{column}: {what}." for column, what in self.meanings if column in self.columns)
        return shared + ((known,) if known else ()) + self.notes + self.missing

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


PlotKind = Literal["lines", "points", "strips", "bars", "heat"]


class Series(Struct, frozen=True, kw_only=True):
    """Points of a plot that belong together, in the units of its axes.

    label      in the legend; without one it has no entry there
    low, high  the ends of a band (lines) or of error bars (points): one for each point, or none at all
    names      what stands beside each point (nothing where it is empty), or none at all
    hue        series of the same number share colour and marker; None is the series' place in the plot
    kind       how it is drawn where that is not how its plot is
    row_name   of samples: which row of a table they are behind; empty where none
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
    row_name: str = ""


class Plot(Struct, frozen=True, kw_only=True):
    """A picture before it is drawn.

    Of kind `strips` each series is a row that its label names: `x` are its samples, and `y` says for each
    the number of the process that it is of. Of kind `bars` `x` are lengths, `y` the rows that
    they lie in (0 is on top) and `names` the names of these rows; the series lie one after the other. Of kind
    `heat` each series is a row of numbers `y` in the columns `x`, which the `names` of the first series name.

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


class NextStep(Struct, frozen=True, kw_only=True):
    """The command that answers what the report leaves open: complete, to be pasted.

    purpose       what it does, as `resolves 3 figures`; may be empty
    seconds       about how long it takes, or None
    has_dry_run   whether its --dry-run estimates the time, which a reader is told where `seconds` is None
    """

    command: str
    purpose: str = ""
    seconds: float | None = None
    has_dry_run: bool = False

    @property
    def about(self) -> str:
        """`resolves 3 figures, about 9 minutes`"""
        if self.seconds is None:
            return f"{self.purpose}; --dry-run estimates the time" if self.has_dry_run else self.purpose
        duration = durations.about(self.seconds)
        return f"{self.purpose}, {duration}" if self.purpose else duration


class Answer(Struct, frozen=True, kw_only=True):
    """What a reader came for, within 24 lines of 100 columns.

    about      one line: machine, versions, counts, time
    alarms     what forbids to trust the figures: a busy machine, figures that contradict each other
    headlines  one to four sentences that state the result
    chart      at most one, of bars; or of `dots`
    table      at most one, of at most about ten rows; its notes only if its cells need them
    warnings   one line that counts the warnings by what the reader must do, or nothing
    next_step  one, for the worst defect, else the natural next question
    """

    about: str
    alarms: tuple[str, ...] = ()
    headlines: tuple[str, ...]
    chart: BarChart | None = None
    dots: DotChart | None = None
    table: Table | None = None
    warnings: str = ""
    next_step: NextStep | None = None

    @property
    def picture(self) -> BarChart | DotChart | None:
        """The chart, whichever kind it is."""
        return self.chart or self.dots


class Origin(Struct, frozen=True, kw_only=True):
    """By which commands and versions of convbench the records of a report were made, when (ISO 8601, UTC),
    and on which machines."""

    commands: tuple[str, ...] = ()
    started_at: str | None = None
    finished_at: str | None = None
    machines: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()


class Document(Struct, frozen=True, kw_only=True):
    """A whole report: its answer, then parts of tables and plots for people; and the same figures as flat
    rows for programs.

    title     what it is about; where there is an answer, the shortest form of it
    answer    the first screen; None of a report that is no longer than one
    text      how the figures were made: in the appendix of a report with an answer, else ahead of its tables
    remarks   ahead of all else where there is no answer: that the figures are not to be trusted
    origin    by which commands, when and where the records were made
    spent     seconds by what they went to
    benchmarks  each timed phase with the median of each process, for programs that know benchmarks
    pictures  the folder of the plots' files as seen from the text's, or None
    charts    of runs over time, which only a page shows
    lists     further rows for programs, by name: JSON has them, CSV does not
    whole     whether a terminal shows all parts, and not the answer alone
    """

    title: str
    answer: Answer | None = None
    remarks: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()
    pictures: str | None = None
    rows: tuple[dict[str, Scalar], ...] = ()
    origin: Origin | None = None
    spent: dict[str, float] = {}
    benchmarks: tuple[SavedBenchmark, ...] = ()
    charts: RunCharts | None = None
    lists: Mapping[str, tuple[Mapping[str, object], ...]] = {}
    whole: bool = False

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """All text ahead of the tables of a report without an answer."""
        return self.remarks + self.text

    @property
    def parts(self) -> dict[Part, tuple[Table, ...]]:
        """The tables by part, the appendix last; a table without a part is one of its own."""
        found: dict[Part, tuple[Table, ...]] = {}
        for table in self.tables:
            part = table.part or Part(slug(table.title), table.title)
            found[part] = (*found.get(part, ()), table)
        return dict(sorted(found.items(), key=lambda each: each[0].in_appendix))

    def only(self, name: str) -> Document:
        """The document of one part, with its plots; UserError where it has none of that name."""
        named = {part.name: tables for part, tables in self.parts.items()}
        if name not in named:
            raise unknown("section", name, tuple(named))
        keys = {table.key for table in named[name]} - {None}
        plots = tuple(plot for plot in self.plots if plot.under in keys)
        charts = self.charts if self.charts is not None and self.charts.part == name else None
        found = structs.replace(self, answer=None, text=(), tables=named[name], plots=plots, whole=True)
        return structs.replace(found, charts=charts)

    def with_notes_once(self) -> Document:
        """The same, where each note stands under the first table that has it, and under no further one."""
        seen: set[str] = set()
        tables = []
        for table in self.tables:
            tables.append(structs.replace(table, notes=tuple(n for n in table.notes if n not in seen)))
            seen.update(table.notes)
        return structs.replace(self, tables=tuple(tables))

    def plots_under(self, table: Table) -> tuple[Plot, ...]:
        """The plots that belong to a table."""
        return tuple(plot for plot in self.plots if plot.under is not None and plot.under == table.key)

    @property
    def plots_apart(self) -> tuple[Plot, ...]:
        """The plots that belong to no table of the document."""
        keys = {table.key for table in self.tables}
        return tuple(plot for plot in self.plots if plot.under is None or plot.under not in keys)


def slug(title: str) -> str:
    """The title as a name: `Peak memory (MiB)` is `peak-memory-mib`."""
    return "-".join("".join(each if each.isalnum() else " " for each in title.lower()).split()) or "untitled"
