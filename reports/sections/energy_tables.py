"""Energy tables: what an image and a step take, and how the machine ran meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import devices
from bench.schema.phases import WHOLE
from reports.cells import Cell
from reports.document import Table
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import following, interval_notes, measured, processes_text

IN_WINDOW = "energy"
"""The phase of what was seen while energy was counted."""
POWERS = {
    "idle_power": "idle (W)",
    "average_power": "average (W)",
    "sampled_power": "sampled (W)",
    "peak_power": "peak (W)",
}
PERIODS = {
    "energy_tick_period": ("counter period (ms)", 1e3),
    "power_sensor_period": ("power period (ms)", 1e3),
}
OF_STEP = ("energy", "energy_total", *POWERS, *PERIODS)
CONDITIONS = {
    "sm_clock": ("SM clock (MHz)", 1.0),
    "memory_clock": ("memory clock (MHz)", 1.0),
    "temperature": ("temperature (°C)", 1.0),
    "thermal_slowdown_share": ("thermal slowdown (%)", 100.0),
    "software_power_cap_share": ("power cap (%)", 100.0),
}
"""By metric: the column, and how many of its unit one of the record's is."""
COLUMNS = (
    *("J/image", "images/J", "J/step", "J/step with idle"),
    *POWERS.values(),
    *(column for column, _ in (*PERIODS.values(), *CONDITIONS.values())),
    "processes",
)

METRICS = ("energy", "energy", "energy", "energy_total", *POWERS, *PERIODS)
"""What the first of the columns show."""

NOTE = (
    "J/image, images/J and J/step exclude idle power, measured just before; 'with idle' includes it. "
    "average: by the energy counter; sampled, peak: mean and highest power reading."
)


def energy_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """For each workload and device, the rows of which some energy or power is known."""
    subjects = by_subject([f for f in figures if f.metric in OF_STEP or f.phase == IN_WINDOW])
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s in subjects if s.case.workload == workload):
            here = (workload, device)
            lines = [
                TableLine(subject=subject, cells=tuple(_cells(subject, found)))
                for subject, found in subjects.items()
                if (subject.case.workload, subject.case.device) == here
            ]
            scope_note = devices.traits(device).energy_scope
            marks = interval_notes(cell for line in lines for cell in line.cells)
            yield table(
                f"Energy, {workload} on {device}",
                COLUMNS,
                lines,
                scope,
                without=("workload", "device"),
                notes=[NOTE, *([scope_note] if scope_note else []), *marks],
                metrics=METRICS,
            )


def _cells(subject: Subject, found: Figures) -> Iterator[Cell]:
    """In the order of COLUMNS."""
    whole = WHOLE[subject.case.workload]
    yield from _joules(found.get((whole, "energy")), found.get((whole, "energy_total")), subject.case.batch)
    yield from (_value(found.get((whole, metric))) for metric in POWERS)
    yield from (_value(found.get((whole, metric)), scale) for metric, (_, scale) in PERIODS.items())
    yield from (_value(found.get((IN_WINDOW, name)), scale) for name, (_, scale) in CONDITIONS.items())
    yield processes_text(list(found.values()))


def _joules(energy: Figure | None, total: Figure | None, batch: int) -> tuple[Cell, ...]:
    if energy is None or total is None:
        return None, None, None, None
    return (
        measured(energy, 1 / batch),
        following(batch / energy.median, energy) if energy.median > 0 else None,
        measured(energy),
        measured(total),
    )


def _value(figure: Figure | None, scale: float = 1.0) -> Cell:
    """None for what was not seen, and for none of what is bad: a column of zeros says nothing."""
    return figure.median * scale or None if figure else None
