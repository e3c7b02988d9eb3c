"""The sentence that says how moderated intervals were made: once in a report, with its own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from msgspec import structs

from bench.stats.estimates import Moderated
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
    all_of_them = [figure for figure in figures if _moderated(figure)]
    used = [figure for figure in all_of_them if is_whole(figure)] or all_of_them
    parts = [found for figure in used if (found := _moderated(figure))]
    processes = _range([n for figure in used for n in _processes(figure)])
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


def _moderated(figure: Figure) -> Moderated | None:
    """Its own variance, or that of the processes of each of its units."""
    if figure.interval and figure.interval.method == "moderated":
        return figure.interval.parts
    return figure.of_processes


def _processes(figure: Figure) -> Collection[int]:
    """How many each of its units has."""
    counts = Counter(figure.units).values()
    return {count for count in counts if count > 1} or {len(figure.medians)}


def _counted(others: Sequence[int]) -> str:
    """Devices and clocks have each their own cases, and may have one alone."""
    return f"the {_range(others)}" if min(others) > 0 else f"up to {max(others)}"


def _range(values: Sequence[float]) -> str:
    """`3`, or `2 to 9`."""
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
