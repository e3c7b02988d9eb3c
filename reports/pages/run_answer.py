"""The answer of a run: how fast each network is here, what made it faster, what limits it, what is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from reports.analysis.best_measured import BestMeasured, best_measured
from reports.analysis.machine_spread import machine_spreads
from reports.analysis.utilisation import Utilisation
from reports.bar_rows import MOST_BARS, BarChart, BarRow
from reports.cells import Quantity
from reports.document import Answer
from reports.pages.about_line import about
from reports.pages.next_command import Unfinished, next_step
from reports.pages.run_headlines import headlines, title_of, where
from reports.pages.run_table import answer_table
from reports.pages.run_warnings import warnings_line
from reports.sections.unit_tables import spread_sentence
from reports.summary.figures import Summary
from reports.tables import first_screen
from reports.tables.case_names import network_name
from reports.tables.time_units import unit_of
from reports.tables.wording import measured

MOST_ROWS = 9
"""Of the table on the first screen."""
PROMINENT = ("vgg16", "alexnet", "lenet5")
"""What most readers look for, where not all networks fit."""


class RunFound(Struct, frozen=True, kw_only=True):
    """What the answer of a run is made of.

    reached      by each time of each case
    alarms       what forbids to trust the figures
    parts        names of the parts that follow
    directories  the runs'
    unfinished   what the plan of the only folder has and its records lack
    """

    summary: Summary
    reached: Sequence[Utilisation]
    alarms: tuple[str, ...] = ()
    parts: Sequence[str] = ()
    directories: Sequence[Path] = ()
    unfinished: Unfinished = Unfinished()
    target: float = 0.05


def answer(found: RunFound) -> tuple[str, Answer]:
    """The title of the report, and its first screen: at most 24 lines of 100 columns."""
    tasks = best_measured(found.reached)
    chosen = by_prominence(tasks)
    spreads = machine_spreads([each.time for each in found.reached])
    told = (*headlines(chosen, found.summary), *spread_sentence(spreads))
    title, line = title_of(chosen), about(found.summary, found.unfinished)
    warnings = warnings_line(tasks, found.summary, len(found.unfinished.missing))
    step = next_step(found.summary, tasks, found.reached, found.directories, found.unfinished, found.target)
    texts = [
        f"{title} · {line}",
        *(f"! {alarm}" for alarm in found.alarms),
        *told,
        *([warnings] if warnings else []),
        f"More: --section {'|'.join(found.parts)}, or --full",
    ]
    left = first_screen.LINES - first_screen.lines_of(texts) - 2  # an empty line, and the next command
    bars = [task for task in chosen if task.is_resolved][:MOST_BARS]
    rows, charted = first_screen.room(left, min(len(tasks), MOST_ROWS), len(bars) if len(bars) > 1 else 0)
    shown = [task for task in tasks if task in chosen[:rows]]
    table = answer_table(shown, len(tasks) - len(shown), found.summary) if shown else None
    if table is not None and first_screen.is_wide(table):  # its rows take two lines or more
        shown = [task for task in tasks if task in chosen[: max(1, rows // 3)]]
        table = answer_table(shown, len(tasks) - len(shown), found.summary)
    return title, Answer(
        about=line,
        alarms=found.alarms,
        headlines=told,
        chart=_chart([task for task in tasks if task in bars[:charted]]) if charted else None,
        table=table,
        warnings=warnings,
        next_step=step,
    )


def by_prominence(tasks: Sequence[BestMeasured]) -> list[BestMeasured]:
    """First what got faster, then what is resolved, then what most readers look for."""
    places = {model: place for place, model in enumerate(PROMINENT)}
    return sorted(
        tasks,
        key=lambda task: (
            task.speed_up is None,
            not task.is_resolved,
            places.get(task.case.model, len(places)),
        ),
    )


def _chart(tasks: Sequence[BestMeasured]) -> BarChart:
    """Milliseconds per image: of plain fp32 and of what is faster, or of the only configuration."""
    faster = any(task.speed_up for task in tasks)
    unit = unit_of(task.shown.time.median / task.case.batch for task in tasks)
    workloads = {task.case.workload for task in tasks}
    return BarChart(
        title=f"{unit.word} per image" + (f", {workloads.pop()}" if len(workloads) == 1 else ""),
        rows=tuple(
            BarRow(
                label=_label(task, tasks),
                bars=(
                    *((_bar(task.baseline, unit.per_second),) if faster else ()),
                    _bar(task.shown, unit.per_second) if task.speed_up or not faster else None,
                ),
            )
            for task in tasks
        ),
        series=("fp32 eager", "fastest measured") if faster else ("",),
    )


def _bar(found: Utilisation | None, per_second: float) -> Quantity | None:
    if found is None:
        return None
    bar = measured(found.time, per_second / found.subject.case.batch)
    return bar if bar.is_resolved else None


def _label(task: BestMeasured, tasks: Sequence[BestMeasured]) -> str:
    """The network, with what tells its bars apart."""
    name = network_name(task.case.model)
    return " ".join((name, *_apart(task, tasks)))


def _apart(task: BestMeasured, tasks: Sequence[BestMeasured]) -> Iterator[str]:
    cases = [other.case for other in tasks]
    if len({case.workload for case in cases}) > 1:
        yield task.case.workload
    if len({case.batch for case in cases}) > 1:
        yield f"batch {task.case.batch}"
    place = where(task, tasks)
    if place:
        yield place
    if len({(case.model, case.image) for case in cases}) > len({case.model for case in cases}):
        yield f"{task.case.image} px"
