"""Where the processes of a fleet stand in its arrays."""

from __future__ import annotations

from collections.abc import Iterable

Entries = dict[tuple[int, int, int, int], int]
"""(run, row, test, number of a process) -> its place in the columns."""


def rounds_of(entries: Iterable[tuple[int, int, int, int]]) -> dict[tuple[int, int, int], int]:
    """(run, unit, number of a process) -> its place among the unit's processes: of a run that was dealt out a
    unit has some numbers only."""
    numbers: dict[int, set[tuple[int, int]]] = {}
    for run, row, _, number in entries:
        numbers.setdefault(row, set()).add((run, number))
    return {
        (run, row, number): place
        for row, found in numbers.items()
        for place, (run, number) in enumerate(sorted(found))
    }
