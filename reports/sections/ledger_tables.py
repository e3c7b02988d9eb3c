"""The memory ledger: what is alive at the instant of a step's peak, by kind."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.schema.case import Workload
from bench.schema.record import LEDGER
from reports.document import Cell, Table
from reports.sections.latency_tables import WHOLE, Figures, by_subject, processes_text
from reports.sections.memory_tables import MIB
from reports.summary.figures import Figure
from reports.tables.case_columns import Layout, Line, Subject, table

_PEAK, _RESIDUAL, _WORKSPACE = LEDGER + "peak", LEDGER + "residual", LEDGER + "workspace"
_RESIDENT = "peak_resident"

NOTES = {
    "saved_activations": (
        "saved activations: what autograd keeps for backward at that instant; other tensors: activations and "
        "gradients on their way, and under autocast casts of the weights that are kept outside the step. The "
        "full size of each kind stands in the table of memory."
    ),
    "workspace": "workspace: what the operator of the peak takes beside the tensors that it leaves.",
    "residual": (
        "residual: the allocator's peak less the sum: its rounding, and what libraries keep, as cuBLAS does."
    ),
    "not tensors": (
        "not tensors: the process's peak less that of its tensors: memory of libraries and threads, and what "
        "the heap has not given back."
    ),
}


class Ledger(Struct, frozen=True, kw_only=True):
    """What makes up a step's peak, in bytes.

    phase     of the step, in which the peak is
    tensors   kind -> bytes that are alive at the instant of the peak
    workspace what an operator takes beside them; None where no allocator says
    peak      the allocator's, or that of the tensors where no allocator says
    """

    phase: str
    tensors: dict[str, float]
    workspace: float | None
    peak: float

    @property
    def total(self) -> float:
        """The sum of what is known by kind."""
        return math.fsum((*self.tensors.values(), self.workspace or 0.0))

    @property
    def residual(self) -> float | None:
        """What the peak has beyond the sum; None where the peak is that of the tensors."""
        return None if self.workspace is None else self.peak - self.total


def ledger_of(figures: Figures) -> Ledger | None:
    """The ledger of a case; where its processes peak in different phases, that of most of them."""
    phases = [phase for phase, metric in figures if metric == _PEAK]
    if not phases:
        return None
    phase = max(phases, key=lambda each: len(figures[each, _PEAK].medians))
    sizes = {
        metric.removeprefix(LEDGER): figure.median
        for (where, metric), figure in figures.items()
        if where == phase and metric.startswith(LEDGER) and metric not in (_PEAK, _RESIDUAL, _WORKSPACE)
    }
    workspace = figures.get((phase, _WORKSPACE))
    return Ledger(
        phase=phase,
        tensors=sizes,
        workspace=workspace.median if workspace else None,
        peak=figures[phase, _PEAK].median,
    )


def ledger_tables(figures: Sequence[Figure], layout: Layout) -> Iterator[Table]:
    """For each workload and device the ledgers of its cases, in MiB."""
    metrics = [f for f in figures if f.metric.startswith(LEDGER) or f.metric == _RESIDENT]
    subjects = {s: f for s, f in by_subject(metrics).items() if ledger_of(f) is not None}
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            rows = {s: f for s, f in subjects.items() if (s.case.workload, s.case.device) == here}
            yield _table(title_of(workload, device), rows, WHOLE[workload], layout)


def title_of(workload: Workload, device: str) -> str:
    """Of the table of these cases."""
    return f"Memory at the instant of the peak of {workload} on {device} (MiB)"


def _table(title: str, rows: dict[Subject, Figures], whole: str, layout: Layout) -> Table:
    ledgers = {subject: ledger for subject, f in rows.items() if (ledger := ledger_of(f)) is not None}
    # a column of zeros says nothing
    found = (kind for ledger in ledgers.values() for kind, size in ledger.tensors.items() if size)
    kinds = list(dict.fromkeys(found))
    counts = any(ledger.workspace is not None for ledger in ledgers.values())
    ends = ["workspace", "sum", "residual", "peak"] if counts else ["peak", "peak resident", "not tensors"]
    lines = []
    for subject, ledger in ledgers.items():
        resident = rows[subject].get((whole, _RESIDENT))
        own = {
            "workspace": ledger.workspace,
            "sum": ledger.total,
            "residual": ledger.residual,
            "peak": ledger.peak,
            "peak resident": resident.median if resident else None,
            "not tensors": resident.median - ledger.peak if resident else None,
        }
        sizes = [*(ledger.tensors.get(kind) for kind in kinds), *(own[end] for end in ends)]
        processes = processes_text([rows[subject][ledger.phase, _PEAK]])
        cells: tuple[Cell, ...] = (*map(_mebibytes, sizes), ledger.phase, processes)
        lines.append(Line(subject=subject, cells=cells))
    columns = [*(kind.replace("_", " ") for kind in kinds), *ends, "peak in", "processes"]
    notes = [note for name, note in NOTES.items() if name in (*kinds, *ends)]
    return table(title, columns, lines, layout, without=("workload", "device"), notes=notes)


def _mebibytes(size: float | None) -> Cell:
    return None if size is None else size / MIB
