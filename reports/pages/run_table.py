"""The table of a run's first screen: a row for each network and workload, in the configuration to use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import structs

from bench import devices
from bench.schema.phases import WHOLE
from bench.schema.plurals import how_many
from reports.analysis.best_measured import BestMeasured
from reports.cells import FOLLOWS_FROM_UNRESOLVED, Cell, brief
from reports.document import Table
from reports.pages.run_headlines import configuration, gain, images_per_second
from reports.pages.run_warnings import UNRELIABLE_MARK, is_unreliable
from reports.sections.peak_share import peak_share
from reports.summary.figures import Summary
from reports.summary.machine_labels import machine_text
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_names import network_name
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import measured, whole_mib

BASELINE = "(baseline)"
_Value = Callable[[BestMeasured], str]
_AXES: dict[str, tuple[_Value, str]] = {
    "workload": (lambda task: task.case.workload, "{}"),
    "device": (lambda task: task.case.device, "{}"),
    "batch": (lambda task: str(task.case.batch), "batch {}"),
    "input": (
        lambda task: task.shown.subject.effective.inputs or task.case.input or f"{task.case.image} px",
        "{}",
    ),
    "configuration": (lambda task: configuration(task.shown), "{}"),
    "threads": (lambda task: _threads(task), "threads: {}"),
    "machine": (lambda task: machine_text(task.shown.subject.machine), "machine {}"),
}
_SILENT = ("input", "machine")
"""Not worth a column where they follow from the network, or where there is one."""


def answer_table(tasks: Sequence[BestMeasured], more: int, summary: Summary) -> Table:
    """`more` is how many tasks have no row here."""
    shared, varying = _axes(tasks)
    unit = unit_of(task.shown.time.median for task in tasks)
    figures = by_subject(summary.figures)
    columns: dict[str, list[Cell]] = {
        "network": [network_name(task.case.model) for task in tasks],
        **{name: [_AXES[name][0](task) for task in tasks] for name in varying},
        **_figures(tasks, unit, figures),
    }
    shown = {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}
    searched = any(task.others for task in tasks)
    title = "Best measured configuration" if searched else "Measured"
    return Table(
        title=f"{title}: {', '.join(shared)}" if shared else title,
        columns=tuple(shown),
        rows=tuple(zip(*shown.values(), strict=True)),
        row_names=tuple(task.shown.subject.name for task in tasks),
        notes=tuple(filter(None, ["; ".join(_where(more, "machine" in varying))])),
        optional=tuple(name for name in ("memory (MiB)", "images/s", "% of peak") if name in shown),
    )


def _where(more: int, by_machine: bool) -> Iterator[str]:
    """The parts that have what the table leaves out."""
    if more:
        yield f"{how_many(more, 'more row')}: --section latency"
    if by_machine:
        yield "machines A, B, ...: --section system"


def _axes(tasks: Sequence[BestMeasured]) -> tuple[list[str], list[str]]:
    """What all rows share, in words, and the axes in which they differ."""
    shared, varying = [], []
    models = {task.case.model for task in tasks}
    for name, (value, phrase) in _AXES.items():
        values = {value(task) for task in tasks}
        if len(values) == 1:
            found = values.pop()
            if found and name != "machine":
                shared.append(phrase.format(found))
        elif name not in _SILENT or len({(task.case.model, value(task)) for task in tasks}) > len(models):
            varying.append(name)
    return shared, varying


def _threads(task: BestMeasured) -> str:
    if not devices.traits(task.case.device).is_host:
        return ""
    return str(task.case.threads)


def _figures(
    tasks: Sequence[BestMeasured], unit: TimeUnit, figures: dict[Subject, Figures]
) -> dict[str, list[Cell]]:
    return {
        f"time ({unit.name})": [
            structs.replace(measured(task.shown.time, unit.per_second), more=None) for task in tasks
        ],
        UNRELIABLE_MARK: [UNRELIABLE_MARK if is_unreliable(task.shown.time) else None for task in tasks],
        "images/s": [images_per_second(task.shown.time) for task in tasks],
        "vs fp32 eager": list(_against_plain(tasks)),
        "% of peak": list(_of_peak(tasks)),
        "memory (MiB)": [_memory(task, figures.get(task.shown.subject, {})) for task in tasks],
    }


def _against_plain(tasks: Sequence[BestMeasured]) -> Iterator[Cell]:
    """Nothing in any row where nothing is known to be faster."""
    known = any(task.speed_up for task in tasks)
    for task in tasks:
        if task.speed_up is not None:
            yield gain(task.speed_up)
        else:
            yield BASELINE if known and task.shown is task.baseline else None


def _of_peak(tasks: Sequence[BestMeasured]) -> Iterator[Cell]:
    """`51% compute`; a mark where the time is not resolved, nothing where no share is known of any."""
    shares = [peak_share(task.shown) for task in tasks]
    for task, share in zip(tasks, shares, strict=True):
        if share is not None:
            yield f"{brief(structs.replace(share[0], interval='unwritten'))} {share[1]}"
        else:
            yield FOLLOWS_FROM_UNRESOLVED if any(shares) and task.shown.arithmetic is not None else None


def _memory(task: BestMeasured, figures: Figures) -> Cell:
    """At the peak of a step."""
    metric = devices.traits(task.case.device).peak_metric
    peak = figures.get((WHOLE[task.case.workload], metric))
    return None if peak is None else whole_mib(peak.median)
