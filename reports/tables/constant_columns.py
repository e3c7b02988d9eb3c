"""What all rows of a table say belongs into its caption."""

from __future__ import annotations

from msgspec import structs

from reports.cells import Cell
from reports.document import Table

_ONE = {
    "processes": "process",
    "runs": "run",
    "pairs": "pair",
    "graph breaks": "graph break",
    "recompiles": "recompile",
}


def without_constant(found: Table, name: str, whose: str = "") -> Table:
    """The table without this column if all its rows say the same there, and its caption with that:
    `5 processes on each side`."""
    if name not in found.columns:
        return found
    at = found.columns.index(name)
    values = {row[at] for row in found.rows}
    if len(values) != 1:
        return found
    return structs.replace(
        found,
        columns=found.columns[:at] + found.columns[at + 1 :],
        rows=tuple(row[:at] + row[at + 1 :] for row in found.rows),
        optional=tuple(other for other in found.optional if other != name),
        shared=(*found.shared, " ".join(filter(None, (_counted(values.pop(), name), whose)))),
    )


def _counted(value: Cell, name: str) -> str:
    """`5 processes`, `1 process`"""
    return f"{value} {_ONE.get(name, name) if value == 1 else name}"
