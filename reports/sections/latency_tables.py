"""Latency tables: inference, the training step and its phases."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from bench.schema.case import Workload
from bench.schema.metrics import CLOCKS
from bench.schema.phases import PHASES, WHOLE
from reports.analysis.further_processes import furthest, share
from reports.cells import Cell
from reports.document import Table, TableKey
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import following, interval_notes, milliseconds, processes_text, remarks

CLOCKS_NOTE = (
    "device: the GPU's own time, between CUDA events; wall: from synchronised to synchronised; "
    "host: until Python's call returns."
)
THROUGHPUT_NOTE = "images/s: the images of a batch over its {} time ({})."
FURTHER_NOTE = "{}: about how many more processes would narrow the interval to that, and how long they take."
PHASES_NOTE = (
    "step is timed in a pass of its own, without the clocks between the phases, so the phases need not "
    "add up to it exactly. forward includes the loss."
)


def latency_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """For each workload and device: the whole step by every clock there is, and training by phase."""
    subjects = by_subject([figure for figure in figures if figure.metric in CLOCKS])
    for workload, whole in WHOLE.items():
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            rows = {s: f for s, f in subjects.items() if (s.case.workload, s.case.device) == here}
            clocks = [clock for clock in CLOCKS if any((whole, clock) in f for f in rows.values())]
            if workload == "inference" or len(clocks) > 1:
                yield _by_clock(workload, device, rows, clocks, scope)
            if workload == "training":
                yield _by_phase(workload, device, rows, scope)


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
) -> Table:
    whole = WHOLE[workload]
    title, key = title_of(workload, device), key_of(workload, device)
    keys = [(whole, clock) for clock in clocks]
    columns = [f"{CLOCKS[clock]} (ms)" for clock in clocks] if len(clocks) > 1 else ["time (ms)"]
    notes = [*([CLOCKS_NOTE] if len(clocks) > 1 else []), _throughput_note(whole, clocks)]
    return _latency_table(title, key, rows, keys, [*columns, "images/s"], scope, notes)


def _by_phase(workload: Workload, device: str, rows: dict[Subject, Figures], scope: TableScope) -> Table:
    title, key = f"{title_of(workload, device)}, by phase", phases_key(workload, device)
    metrics = {metric for figures in rows.values() for _, metric in figures}
    clock = next(clock for clock in CLOCKS if clock in metrics)
    keys = [(phase, clock) for phase in PHASES]
    columns = [f"{phase} (ms)" for phase in PHASES]
    notes = [PHASES_NOTE, _throughput_note("step", metrics)]
    if len(metrics) > 1:
        notes.append(f"{CLOCKS[clock]} time; the other clocks of each phase are in the JSON and CSV forms.")
    return _latency_table(title, key, rows, keys, [*columns, "images/s"], scope, notes)


def _latency_table(
    title: str,
    key: TableKey,
    rows: dict[Subject, Figures],
    keys: Sequence[tuple[str, str]],
    columns: Sequence[str],
    scope: TableScope,
    notes: Sequence[str],
) -> Table:
    """One column for each (phase, metric) of `keys`, then those of `_cells`."""
    lines = [
        TableLine(subject=subject, cells=_cells(figures, keys, scope))
        for subject, figures in rows.items()
        if any(each in figures for each in keys)
    ]
    narrow = f"for ±{share(scope.target)}" if scope.target is not None else ""
    asks = any(line.cells[-2] is not None for line in lines)
    return table(
        title,
        [*columns, "processes", narrow, "remarks"],
        lines,
        scope,
        key=key,
        without=("workload", "device"),
        notes=[
            *notes,
            *interval_notes(cell for line in lines for cell in line.cells),
            *([FURTHER_NOTE.format(narrow)] if asks else []),
        ],
    )


def _cells(figures: Figures, keys: Sequence[tuple[str, str]], scope: TableScope) -> tuple[Cell, ...]:
    """The times, then throughput, processes, what would narrow the interval, and remarks."""
    present = [figures[each] for each in keys if each in figures]
    return (
        *(milliseconds(figures.get(each)) for each in keys),
        _throughput(figures, keys[-1][0]),
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
