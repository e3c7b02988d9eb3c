"""Latency tables: the whole step of inference and of training, and the phases of training."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from bench import devices
from bench.schema.case import Workload
from bench.schema.metrics import CLOCKS
from bench.schema.phases import PHASES, WHOLE
from reports.analysis.further_processes import furthest, share
from reports.analysis.utilisation import Utilisation
from reports.cells import Cell
from reports.document import Table, TableKey
from reports.sections.peak_share import limit_cell
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import following, interval_notes, measured, processes_text, remarks, whole_mib

CLOCKS_NOTE = (
    "device: GPU time between CUDA events; wall: time between two synchronizations; host: time until the "
    "Python call returns."
)
THROUGHPUT_NOTE = "images/s: batch size over the {} time of the {}."
_Beside = Callable[[Subject, Figures], Cell]
LIMIT, MEMORY = "% of peak", "memory (MiB)"
LIMIT_NOTE = f"{LIMIT}: of the nearer of peak compute and peak bandwidth; --section peak has both."
MEMORY_NOTE = "memory: the peak in one step; --section memory has it by kind."
FURTHER_NOTE = "{}: processes to add for that interval, and the time they take."
PHASES_NOTE = (
    "step is timed separately; the phases may differ from it by a few percent. forward includes the loss."
)


def whole_step_tables(
    figures: Sequence[Figure], used: Sequence[Utilisation], scope: TableScope
) -> Iterator[Table]:
    """For each workload and device the whole step by every clock, with its share of the peak and its peak
    memory; `used` is what the times reached."""
    limits = {each.subject: limit_cell(each) for each in used if each.is_whole}
    peaks = {subject: _peak_memory(subject, found) for subject, found in by_subject(figures).items()}
    for workload, device, rows in _by_place(figures):
        whole = WHOLE[workload]
        clocks = [clock for clock in CLOCKS if any((whole, clock) in f for f in rows.values())]
        if clocks:
            yield _by_clock(workload, device, rows, clocks, scope, (limits, peaks))


def _peak_memory(subject: Subject, figures: Figures) -> Cell:
    """Of the whole step."""
    case = subject.case
    metric = devices.traits(case.device).peak_metric if case.workload in WHOLE else None
    peak = figures.get((WHOLE[case.workload], metric)) if metric else None
    return None if peak is None else whole_mib(peak.median)


def phase_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """For each device the training step by phase."""
    for workload, device, rows in _by_place(figures):
        if workload == "training":
            yield _by_phase(workload, device, rows, scope)


def _by_place(figures: Sequence[Figure]) -> Iterator[tuple[Workload, str, dict[Subject, Figures]]]:
    subjects = by_subject([figure for figure in figures if figure.metric in CLOCKS])
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            yield *here, {s: f for s, f in subjects.items() if (s.case.workload, s.case.device) == here}


def title_of(workload: Workload, device: str) -> str:
    """The table of the whole step by every clock."""
    return f"{workload.capitalize()} on {device}"


def key_of(workload: Workload, device: str) -> TableKey:
    """Of the table of the whole step."""
    return TableKey("latency", (workload, device))


def phases_key(workload: Workload, device: str) -> TableKey:
    """Of the table of the step's phases."""
    return TableKey("latency by phase", (workload, device))


def _by_clock(
    workload: Workload,
    device: str,
    rows: dict[Subject, Figures],
    clocks: Sequence[str],
    scope: TableScope,
    limits_and_peaks: tuple[Mapping[Subject, Cell], Mapping[Subject, Cell]],
) -> Table:
    whole, (limits, peaks) = WHOLE[workload], limits_and_peaks
    title, key = title_of(workload, device), key_of(workload, device)
    keys = [(whole, clock) for clock in clocks]
    columns = [CLOCKS[clock] for clock in clocks] if len(clocks) > 1 else ["time"]
    beside: dict[str, _Beside] = {
        "images/s": lambda _, figures: _throughput(figures, whole),
        LIMIT: lambda subject, _: limits.get(subject),
        MEMORY: lambda subject, _: peaks.get(subject),
    }
    notes = [
        *([CLOCKS_NOTE] if len(clocks) > 1 else []),
        _throughput_note(whole, clocks),
        *([LIMIT_NOTE] if any(limits.get(subject) for subject in rows) else []),
        *([MEMORY_NOTE] if any(peaks.get(subject) is not None for subject in rows) else []),
    ]
    return _latency_table(title, key, rows, keys, columns, scope, notes, beside)


def _by_phase(workload: Workload, device: str, rows: dict[Subject, Figures], scope: TableScope) -> Table:
    title, key = f"{title_of(workload, device)}, by phase", phases_key(workload, device)
    metrics = {metric for figures in rows.values() for _, metric in figures}
    clock = next(clock for clock in CLOCKS if clock in metrics)
    keys = [(phase, clock) for phase in PHASES]
    notes = [PHASES_NOTE]
    if len(metrics) > 1:
        notes.append(f"{CLOCKS[clock]} time; JSON and CSV have the other clocks of each phase.")
    return _latency_table(title, key, rows, keys, PHASES, scope, notes, {})


def _latency_table(
    title: str,
    key: TableKey,
    rows: dict[Subject, Figures],
    keys: Sequence[tuple[str, str]],
    columns: Sequence[str],
    scope: TableScope,
    notes: Sequence[str],
    beside: Mapping[str, _Beside],
) -> Table:
    """One of the columns for each (phase, metric) of `keys`, what stands `beside` them, then processes, what
    would narrow the interval, and remarks."""
    unit = unit_of(figures[each].median for figures in rows.values() for each in keys if each in figures)
    lines = [
        TableLine(subject=subject, cells=_cells(subject, figures, keys, unit, scope, beside))
        for subject, figures in rows.items()
        if any(each in figures for each in keys)
    ]
    narrow = f"for ±{share(scope.target)}" if scope.target is not None else ""
    asks = any(line.cells[-2] is not None for line in lines)
    return table(
        title,
        [*(f"{name} ({unit.name})" for name in columns), *beside, "processes", narrow, "remarks"],
        lines,
        scope,
        key=key,
        without=("workload", "device"),
        optional=("remarks", narrow, "processes", MEMORY, "images/s", LIMIT),
        notes=[
            *notes,
            *interval_notes(cell for line in lines for cell in line.cells),
            *([FURTHER_NOTE.format(narrow)] if asks else []),
        ],
    )


def _cells(
    subject: Subject,
    figures: Figures,
    keys: Sequence[tuple[str, str]],
    unit: TimeUnit,
    scope: TableScope,
    beside: Mapping[str, _Beside],
) -> tuple[Cell, ...]:
    present = [figures[each] for each in keys if each in figures]
    return (
        *(measured(figures[each], unit.per_second) if each in figures else None for each in keys),
        *(cell_of(subject, figures) for cell_of in beside.values()),
        processes_text(present),
        _further(present, scope),
        remarks(present),
    )


def _further(figures: Sequence[Figure], scope: TableScope) -> Cell:
    """`4 more, about 50 s`: what would make the widest of a case narrow enough."""
    if scope.target is None:
        return None
    found = furthest(figures, scope.seconds, scope.target)
    return found.in_words if found else None


def _throughput_note(whole: str, clocks: Container[str]) -> str:
    return THROUGHPUT_NOTE.format("wall" if "wall_time" in clocks else "device", whole)


def _throughput(figures: Figures, whole: str) -> Cell:
    figure = figures.get((whole, "wall_time"), figures.get((whole, "device_time")))
    return following(figure.images_per_second, figure) if figure else None
