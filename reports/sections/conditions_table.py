"""What happened to the machine while a case was measured, for the cases where it matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.cells import Cell
from reports.document import Table
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, by_subject
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import processes_text

WINDOW = "window"
COLUMNS = {
    "sm_clock": ("SM clock (MHz)", 1.0),
    "memory_clock": ("memory clock (MHz)", 1.0),
    "power": ("power (W)", 1.0),
    "sm_clock_at_rest": ("SM clock at rest (MHz)", 1.0),
    "memory_clock_at_rest": ("memory clock at rest (MHz)", 1.0),
    "power_at_rest": ("power at rest (W)", 1.0),
    "temperature": ("temperature (°C)", 1.0),
    "thermal_slowdown_share": ("thermal slowdown (%)", 100.0),
    "software_power_cap_share": ("power cap (%)", 100.0),
    "power_cap_at_work": ("power cap at work (%)", 100.0),
    "steal_share": ("steal time (%)", 100.0),
    "retakes": ("re-measured windows", 1.0),
}
"""By metric: the column, and how many of its unit one of the record's is."""
SM_CLOCKS = ("sm_clock", "sm_clock_at_rest")
"""Whoever has one of them was watched."""
NOTE = (
    "A window is one timing pass of one clock over a case. Clocks, power and temperature are read right "
    "after its last sample, with the GPU still busy (at rest: idle). Percentages are shares of the window, "
    "'at work' of these readings. Windows with a slowdown or steal time are re-measured; those with a "
    "slowdown are discarded."
)


def conditions_table(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """A row for each case whose GPU was watched, or of which a window was taken again."""
    subjects = by_subject([figure for figure in figures if figure.phase == WINDOW])
    lines = [
        TableLine(subject=subject, cells=(*_cells(found), processes_text(list(found.values()))))
        for subject, found in subjects.items()
        if {(WINDOW, clock) for clock in SM_CLOCKS} & found.keys() or _value(found, "retakes")
    ]
    if lines:
        names = [column for column, _ in COLUMNS.values()]
        yield table("Conditions while measuring", [*names, "processes"], lines, scope, notes=[NOTE])


def _cells(found: Figures) -> Iterator[Cell]:
    """None for what was not seen, and for none of what is bad: a column of zeros says nothing."""
    for metric, (_, scale) in COLUMNS.items():
        value = _value(found, metric)
        yield value * scale if value else None


def _value(found: Figures, metric: str) -> float | None:
    """Retakes add up over the processes; all else is as in any figure."""
    figure = found.get((WINDOW, metric))
    if figure is None:
        return None
    return sum(figure.medians) if metric == "retakes" else figure.median
