"""Memory tables: what a step needs by kind, and its peak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.axes import Layout, Line, table
from reports.figures import Figure
from reports.latency import WHOLE, Figures, by_subject, processes_text
from reports.table import Cell, Table

MIB = 2**20
BYTES = ("bytes", "byte", "B")
KINDS = (
    "weights",
    "buffers",
    "gradients",
    "optimizer_state",
    "saved_activations",
    "peak_resident",
    "peak_allocated",
    "peak_requested",
    "peak_reserved",
    "driver_other",
)
"""The columns' order; kinds that are not named here follow them."""
UNSHOWN = ("inputs", "allocation_retries")
"""The inputs follow from the batch, and are in the JSON and CSV forms; retries have a column of their own."""

NOTES = {
    "saved_activations": "saved activations: what autograd keeps from forward to backward.",
    "peak_resident": (
        "peak resident: the process's resident memory at its highest in one step, above what it held "
        "before the model was made."
    ),
    "peak_allocated": "peak allocated: tensors, at their highest in one step.",
    "peak_reserved": "peak reserved: what the allocator took from the driver, its cache with it.",
    "driver_other": "driver other: what the driver says is in use beyond the allocator.",
}


def memory_tables(figures: Sequence[Figure], layout: Layout) -> Iterator[Table]:
    """For each workload and device, MiB by kind; the peak is that of the whole step."""
    sizes = [f for f in figures if f.unit in BYTES or f.metric == "allocation_retries"]
    subjects = by_subject(sizes)
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            rows = {s: f for s, f in subjects.items() if (s.case.workload, s.case.device) == here}
            # a column of zeros says nothing
            present = {metric for figs in rows.values() for (_, metric), f in figs.items() if f.median}
            found = present - set(UNSHOWN)
            kinds = sorted(found, key=lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind))
            lines = [
                Line(
                    subject=subject,
                    cells=(
                        *(_mebibytes(_whole(figs, kind, WHOLE[workload])) for kind in kinds),
                        _retries(figs),
                        processes_text(list(figs.values())),
                    ),
                )
                for subject, figs in rows.items()
            ]
            yield table(
                f"Memory of {workload} on {device} (MiB)",
                [*(kind.replace("_", " ") for kind in kinds), "allocation retries", "processes"],
                lines,
                layout,
                without=("workload", "device"),
                notes=[NOTES[kind] for kind in kinds if kind in NOTES],
            )


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
