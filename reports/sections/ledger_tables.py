"""Peak memory by kind: what is alive when a step's memory is highest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.schema.case import Workload
from bench.schema.metrics import LEDGER, METRICS, is_of
from bench.schema.phases import WHOLE
from reports.analysis.peak_ledger import PEAK, RESIDENT, ledger_of
from reports.cells import Cell
from reports.document import Table, TableKey
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import MIB, processes_text

NOTES = {
    "saved_activations": (
        "saved activations: tensors held for backward at the peak; other tensors: activations and gradients "
        "in flight, and autocast's copies of the weights kept between steps."
    ),
    "workspace": "workspace: temporary memory of the operator that reaches the peak.",
    "library_workspace": "library workspace: memory that cuBLAS keeps between calls.",
    "rounding": "rounding: allocated beyond the requested size.",
    "residual": "residual: unexplained part of the allocator's peak.",
    "non-tensor": "non-tensor: libraries, threads and freed memory the allocator still holds.",
}

_OPTIONAL = ("processes", "peak in", "inputs", "buffers", "non-tensor", "peak resident", "residual", "sum")


def ledger_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """For each workload and device the ledgers of its cases, in MiB."""
    metrics = [f for f in figures if is_of(f.metric, "ledger") or f.metric == RESIDENT]
    subjects = {s: f for s, f in by_subject(metrics).items() if ledger_of(f) is not None}
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            rows = {s: f for s, f in subjects.items() if (s.case.workload, s.case.device) == here}
            yield _table(workload, device, rows, scope)


def key_of(workload: Workload, device: str) -> TableKey:
    """Of the table of these cases."""
    return TableKey("ledger", (workload, device))


def _table(workload: Workload, device: str, rows: dict[Subject, Figures], scope: TableScope) -> Table:
    ledgers = {subject: ledger for subject, f in rows.items() if (ledger := ledger_of(f)) is not None}
    # a column of zeros says nothing
    found = (kind for each in ledgers.values() for kind, size in each.tensors.items() if size)
    beside = (kind for each in ledgers.values() for kind, size in each.beside.items() if size)
    kinds = [*dict.fromkeys(found), *dict.fromkeys(beside)]
    counts = any(ledger.beside for ledger in ledgers.values())
    ends = ["sum", "residual", "peak"] if counts else ["peak", "peak resident", "non-tensor"]
    lines = []
    for subject, ledger in ledgers.items():
        resident = rows[subject].get((WHOLE[workload], RESIDENT))
        own = {
            "sum": ledger.total,
            "residual": ledger.residual,
            "peak": ledger.peak,
            "peak resident": resident.median if resident else None,
            "non-tensor": resident.median - ledger.peak if resident else None,
        }
        known = {**ledger.tensors, **ledger.beside}
        sizes = [*(known.get(kind) for kind in kinds), *(own[end] for end in ends)]
        processes = processes_text([rows[subject][ledger.phase, PEAK]])
        cells: tuple[Cell, ...] = (*map(_mebibytes, sizes), ledger.phase, processes)
        lines.append(TableLine(subject=subject, cells=cells))
    columns = [*(METRICS[LEDGER[kind]].brief for kind in kinds), *ends, "peak in", "processes"]
    notes = [note for name, note in NOTES.items() if name in (*kinds, *ends)]
    title = f"Peak memory by kind, {workload} on {device} (MiB)"
    key = key_of(workload, device)
    metrics = [LEDGER[kind] for kind in kinds]
    return table(
        title,
        columns,
        lines,
        scope,
        key=key,
        without=("workload", "device"),
        notes=notes,
        metrics=metrics,
        optional=_OPTIONAL,
    )


def _mebibytes(size: float | None) -> Cell:
    return None if size is None else size / MIB
