"""What stands in a table where a figure could not be measured: a mark, and below the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.schema.case import Case
from bench.schema.metrics import speakers, title_of
from reports.cells import Cell, Missing
from reports.summary.figures import Absence

Reasons = Mapping[tuple[Case, str], str]
"""(case, metric) -> why its processes could not measure it."""


def reasons_of(absences: Iterable[Absence]) -> dict[tuple[Case, str], str]:
    """Of the first process that says one."""
    reasons: dict[tuple[Case, str], str] = {}
    for absence in absences:
        reasons.setdefault((absence.case, absence.metric), absence.reason)
    return reasons


def marked(cell: Cell, case: Case, metric: str, reasons: Reasons) -> Cell:
    """The cell, or a mark where it is empty for a reason that the metric, or one that speaks for it, has."""
    if cell is not None:
        return cell
    said = (reasons[case, name] for name in speakers(metric) if (case, name) in reasons)
    reason = next(said, None)
    return None if reason is None else Missing(title_of(metric), reason)
