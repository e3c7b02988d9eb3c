"""Memory tables: what a step needs by kind, and its peak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.schema.metrics import KINDS, PEAKS, is_of, title_of
from bench.schema.phases import PHASES, WHOLE
from reports.cells import Cell
from reports.document import Table
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import MIB, processes_text

BYTES = ("bytes", "byte", "B")
UNSHOWN = ("inputs", "allocation_retries", "bytes_moved")
"""The inputs follow from the batch, and are in the JSON and CSV forms; retries have a column of their own.
What is moved takes no room."""


NOTES = {
    "saved_activations": (
        "saved activations: tensors that autograd keeps for backward, with autocast's copies of the weights."
    ),
    "peak_resident": (
        "peak resident: highest resident memory in one step, minus what the process used before building the "
        "model; compiled rows include the compiler's heap."
    ),
    "peak_allocated": "peak allocated: highest total of tensors in one step.",
    "peak_reserved": "peak reserved: memory the allocator took from the driver, cache included.",
    "driver_other": "driver other: memory in use outside the allocator, as the driver reports it.",
}
PEAK_IN_NOTE = "peak in: the phase that reaches {}; several where they tie or processes differ."


def memory_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """For each workload and device, MiB by kind; the peak is that of the whole step."""
    kept = [f for f in figures if f.unit in BYTES or f.metric == "allocation_retries"]
    sizes = [f for f in kept if not is_of(f.metric, "ledger")]  # which has tables of its own
    subjects = by_subject(sizes)
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            rows = {s: f for s, f in subjects.items() if (s.case.workload, s.case.device) == here}
            yield _table(f"Memory, {workload} on {device} (MiB)", rows, WHOLE[workload], scope)


def _table(title: str, rows: dict[Subject, Figures], whole: str, scope: TableScope) -> Table:
    # a column of zeros says nothing
    present = {metric for figures in rows.values() for (_, metric), f in figures.items() if f.median}
    unknown = {kind for subject in rows for kind in KINDS if (subject.case, kind) in scope.reasons}
    found = (present | unknown) - set(UNSHOWN)
    kinds = sorted(found, key=lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind))
    peak = next((kind for kind in PEAKS if kind in kinds), None)
    lines = [
        TableLine(
            subject=subject,
            cells=(
                *(_mebibytes(_whole(figures, kind, whole)) for kind in kinds),
                _peak_in(figures, peak, whole) if peak else None,
                _retries(figures),
                processes_text(list(figures.values())),
            ),
        )
        for subject, figures in rows.items()
    ]
    notes = [NOTES[kind] for kind in kinds if kind in NOTES]
    if peak and any(line.cells[len(kinds)] for line in lines):
        notes.append(PEAK_IN_NOTE.format(title_of(peak)))
    return table(
        title,
        [*(title_of(kind) for kind in kinds), "peak in", "allocation retries", "processes"],
        lines,
        scope,
        without=("workload", "device"),
        notes=notes,
        metrics=kinds,
        optional=(
            *("processes", "allocation retries", "peak in"),
            *(title_of(kind) for kind in reversed(kinds) if kind != peak),
        ),
    )


def _peak_in(figures: Figures, metric: str, whole: str) -> Cell:
    """The phases that reached the whole step's peak in any process; None where the step has no phases."""
    step = figures.get((whole, metric))
    if step is None:
        return None
    parts = ((phase, figures.get((phase, metric))) for phase in PHASES if phase != whole)
    reached = (
        phase
        for phase, part in parts
        if part and any(a >= b for a, b in zip(part.medians, step.medians, strict=False))
    )
    return ", ".join(reached) or None


def _whole(figures: Figures, metric: str, whole: str) -> Figure | None:
    """The metric in the whole step, else of the model, else in whatever phase has it."""
    for phase in (whole, "model"):
        if (phase, metric) in figures:
            return figures[phase, metric]
    return next((figure for (_, name), figure in figures.items() if name == metric), None)


def _mebibytes(figure: Figure | None) -> Cell:
    return figure.median / MIB if figure else None


def _retries(figures: Figures) -> Cell:
    """None for none: a column of zeros says nothing."""
    figure = _whole(figures, "allocation_retries", "step")
    return round(figure.median) or None if figure else None
