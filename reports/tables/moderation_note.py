"""The sentence that says how moderated intervals were made: once in a report, with its own numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from reports.cells import Quantity
from reports.document import Table
from reports.summary.figures import Figure
from reports.summary.moderated_figures import is_whole

IN_SIMULATION = (
    "In simulations they cover 95 to 98% (91 to 95% for the noisiest fifth). --plain-intervals uses each "
    "case's own processes only."
)


def with_note(tables: Iterable[Table], figures: Sequence[Figure]) -> tuple[Table, ...]:
    """The tables; the first that has a moderated interval with the sentence under it."""
    found = list(tables)
    for at, table in enumerate(found):
        cells = (cell for row in table.rows for cell in row)
        if any(isinstance(cell, Quantity) and cell.moderated for cell in cells):
            found[at] = structs.replace(table, notes=(*table.notes, moderation_in_words(figures)))
            break
    return tuple(found)


def moderation_in_words(figures: Sequence[Figure]) -> str:
    """From the whole steps that are moderated, or where there is none from all figures that are."""
    all_of_them = [figure for figure in figures if figure.interval and figure.interval.method == "moderated"]
    used = [figure for figure in all_of_them if is_whole(figure)] or all_of_them
    parts = [figure.interval.parts for figure in used if figure.interval and figure.interval.parts]
    processes = _range([len(figure.medians) for figure in used])
    others = [each.cases - 1 for each in parts]
    lenders = (
        f"that of {_counted(others)} other {'case' if max(others) == 1 else 'cases'} of this run"
        if max(others) > 0
        else "the published prior (this run has no other case)"
    )
    return (
        f"Intervals of {processes} processes are moderated: a case's own scatter counts for n - 1 degrees of "
        f"freedom, {lenders} for {_range([round(each.prior_freedom, 1) for each in parts])}. {IN_SIMULATION}"
    )


def _counted(others: Sequence[int]) -> str:
    """Devices and clocks have each their own cases, and may have one alone."""
    return f"the {_range(others)}" if min(others) > 0 else f"up to {max(others)}"


def _range(values: Sequence[float]) -> str:
    """`3`, or `2 to 9`."""
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
