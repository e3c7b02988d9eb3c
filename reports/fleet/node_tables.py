"""Nodes and tests, as a table and as a picture; of a single node its units x tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from bench.stats.fleet_arithmetic import Array
from reports.cells import Cell, Quantity
from reports.document import Part, Plot, Series, Table, TableKey
from reports.fleet.column_names import column_names, shared_by
from reports.fleet.fleet_found import FleetFound, natural, unit_name
from reports.fleet.judged_kinds import JudgedKind
from reports.fleet.percent_slower import percent, unsigned

NODES = Part("nodes", "Nodes and tests")
MOST_ROWS, MOST_DRAWN, MOST_COLUMNS = 200, 40, 40
"""Rows of a table and of a picture, and columns of both: the nodes that are farthest from the center."""


class _Grid(Struct, frozen=True):
    """Log ratios of one kind to its center: a row for each node or unit, a column for each test."""

    what: str
    names: tuple[str, ...]
    values: Array


def node_tables(found: FleetFound) -> Iterator[Table]:
    """One for each kind of several units."""
    for number, kind in enumerate(found.kinds):
        if len(kind.units) > 1:
            yield _table(number, kind)


def node_plots(found: FleetFound) -> Iterator[Plot]:
    """The same as pictures."""
    for number, kind in enumerate(found.kinds):
        if len(kind.units) > 1 and np.isfinite(kind.ratios.by_test).any():
            yield _plot(number, kind)


def _key(number: int) -> TableKey:
    return TableKey("fleet nodes", (str(number),))


def _title(grid: _Grid, kind: JudgedKind) -> str:
    whose = f", {kind.differs}" if kind.differs else ""
    return f"Slower than the center by {grid.what} and test, %{whose}"


def _table(number: int, kind: JudgedKind) -> Table:
    grid = _grid(kind)
    shown, tests = _farthest(grid, MOST_ROWS), kind.tests[:MOST_COLUMNS]
    return Table(
        title=_title(grid, kind),
        key=_key(number),
        part=NODES,
        columns=(grid.what, "all tests", *column_names(tests)),
        rows=tuple((grid.names[at], *_cells(grid.values[at], kind)[: 1 + len(tests)]) for at in shown),
        shared=shared_by(kind.tests),
        notes=(
            *_left_out(grid, len(shown)),
            f"Mean over the processes of a test{' and the units of a node' if grid.what == 'node' else ''}, "
            "against the test's center over all units.",
        ),
    )


def _left_out(grid: _Grid, shown: int) -> Iterator[str]:
    if shown < len(grid.names):
        yield f"The {shown} of {len(grid.names):,} {grid.what}s that are farthest from the center."


def _cells(values: Array, kind: JudgedKind) -> tuple[Cell, ...]:
    weights = np.array([test.weight for test in kind.ratios.tests]) * np.isfinite(values)
    whole = float((np.nan_to_num(values) * weights).sum() / weights.sum()) if weights.any() else None
    cells = [whole, *(float(value) if np.isfinite(value) else None for value in values)]
    return tuple(
        None if value is None else Quantity(value=unsigned(percent(value)), digits=1, sign="unless zero")
        for value in cells
    )


def _grid(kind: JudgedKind) -> _Grid:
    nodes = sorted({each.unit.node for each in kind.units}, key=natural)
    if len(nodes) == 1:
        what = "GPU" if kind.uses_gpu else "CPU"
        return _Grid(what, tuple(map(unit_name, kind.units)), kind.ratios.by_test)
    rows: dict[str, list[int]] = {node: [] for node in nodes}
    for at, each in enumerate(kind.units):
        rows[each.unit.node].append(at)
    means = np.full((len(rows), len(kind.tests)), np.nan)
    for at, places in enumerate(rows.values()):
        values = kind.ratios.by_test[places]
        known = np.isfinite(values)
        counts = known.sum(axis=0)
        sums = np.where(known, values, 0.0).sum(axis=0)
        means[at, counts > 0] = sums[counts > 0] / counts[counts > 0]
    return _Grid("node", tuple(rows), means)


def _farthest(grid: _Grid, most: int) -> list[int]:
    """The rows to show, in their order."""
    if len(grid.names) <= most:
        return list(range(len(grid.names)))
    reach = np.nanmax(np.nan_to_num(np.abs(grid.values)), axis=1)
    return sorted(np.argsort(-reach, kind="stable")[:most].tolist())


def _plot(number: int, kind: JudgedKind) -> Plot:
    grid = _grid(kind)
    shown, tests = _farthest(grid, MOST_DRAWN), kind.tests[:MOST_COLUMNS]
    names = column_names(tests)
    return Plot(
        name=f"fleet-nodes-{number + 1}",
        title=_title(grid, kind),
        note=" ".join((*_left_out(grid, len(shown)), "Orange is slower, blue faster, gray missing.")),
        under=_key(number),
        x_label="",
        y_label="",
        kind="heat",
        series=tuple(
            Series(
                label=grid.names[at],
                x=tuple(map(float, range(len(tests)))),
                y=tuple(100 * np.expm1(grid.values[at, : len(tests)])),
                names=names,
            )
            for at in shown
        ),
    )
