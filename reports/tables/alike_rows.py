"""Flat rows with the same keys in each, as a program makes a table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.cells import Scalar


def alike(rows: Sequence[Mapping[str, Scalar]]) -> list[dict[str, Scalar]]:
    """The rows, where None stands for what one lacks and no column mixes whole numbers with others.

    Rows that are the first to fill a column come first: some programs guess its type from a hundred rows.
    """
    first = {
        key: n for n, row in reversed([*enumerate(rows)]) for key, cell in row.items() if cell is not None
    }
    keys = dict.fromkeys(key for row in rows for key in row)
    real = {key for key in keys if any(isinstance(row.get(key), float) for row in rows)}
    leading = set(first.values())
    ordered = sorted(range(len(rows)), key=lambda n: n not in leading)
    return [{key: _cell(rows[n].get(key), key in real) for key in keys} for n in ordered]


def _cell(cell: Scalar, is_real: bool) -> Scalar:
    return float(cell) if is_real and isinstance(cell, int) else cell
