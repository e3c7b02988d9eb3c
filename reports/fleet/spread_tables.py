"""How far a fleet's figures spread, test by test; what is missing; and which versions it ran."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.schema.plurals import how_many
from reports.cells import Cell, Quantity
from reports.document import Part, Table
from reports.fleet.column_names import column_names, shared_by
from reports.fleet.fleet_found import FleetFound, listed
from reports.fleet.judged_kinds import JudgedKind
from reports.tables.wording import one_line

SPREAD = Part("spread", "Spread by test")
MISSING = Part("missing", "Missing")
VERSIONS = Part("versions", "Kinds and versions", in_appendix=True)
_ROBUST = 1.4826
"""Median of absolute deviations -> standard deviation of a normal distribution."""


def spread_tables(found: FleetFound) -> Iterator[Table]:
    """One for each kind."""
    for kind in found.kinds:
        yield _spread(found, kind)


def _spread(found: FleetFound, kind: JudgedKind) -> Table:
    names, ratios = column_names(kind.tests), kind.ratios
    whose = f", {kind.differs}" if kind.differs else ""
    units = "GPUs" if kind.uses_gpu else "CPUs"
    return Table(
        title=f"Spread by test{whose}",
        part=SPREAD,
        columns=("test", "center, ms", f"over {units}, %", "over processes, %", units),
        rows=tuple(
            (
                name,
                None if test.log_centre is None else Quantity(value=1e3 * math.exp(test.log_centre)),
                _over_units(kind, at),
                None if test.process_sd is None else _share(test.process_sd),
                test.units,
            )
            for at, (name, test) in enumerate(zip(names, ratios.tests, strict=True))
        ),
        shared=shared_by(kind.tests),
        notes=(
            _all_tests(kind),
            "Spreads are standard deviations; that over units is robust, and holds what processes add.",
        ),
    )


def _over_units(kind: JudgedKind, at: int) -> Cell:
    values = kind.ratios.by_test[:, at]
    values = values[np.isfinite(values)]
    if len(values) < 3:
        return None
    return _share(_ROBUST * float(np.median(np.abs(values - np.median(values)))))


def _share(deviation: float) -> Quantity:
    return Quantity(value=100 * deviation, digits=2)


def _all_tests(kind: JudgedKind) -> str:
    ratios = kind.ratios
    known = (
        ("nodes", ratios.over_nodes),
        ("units", ratios.over_units),
        ("processes of a test", ratios.over_processes),
    )
    words = [f"{100 * value:.2f}% over {name}" for name, value in known if value is not None]
    return f"Over all tests: {', '.join(words)}." if words else "Too few units for a spread over all tests."


def missing_table(found: FleetFound) -> Iterator[Table]:
    """Nodes of which something is missing, with the last lines of their logs."""
    if found.incomplete:
        yield Table(
            title="Nodes of which something is missing",
            part=MISSING,
            columns=("node", "state", "reason", "job", "exit code", "processes", "end of its log"),
            rows=tuple(
                (
                    state.node,
                    state.state,
                    one_line(state.reason, 120) or None,
                    state.job,
                    state.exit_code,
                    f"{state.done:,} of {state.planned:,}",
                    one_line(" / ".join(state.log[-3:]), 200) or None,
                )
                for state in found.incomplete
            ),
        )
    short = [unit for unit in found.units if unit.lacks or unit.measured.failed]
    if short:
        yield Table(
            title=f"{found.what}s of which something is missing",
            part=MISSING,
            columns=(found.what, "missing tests", "failed processes"),
            rows=tuple(
                (
                    unit.name,
                    unit.lacks,
                    ", ".join(f"{n} {how}" for how, n in unit.measured.failed.items()) or None,
                )
                for unit in short
            ),
        )


def versions_table(found: FleetFound) -> Table:
    """A column for each kind."""
    fields = [_fields(kind) for kind in found.kinds]
    names = list(dict.fromkeys(name for each in fields for name in each))
    return Table(
        title="Kinds of machine",
        part=VERSIONS,
        columns=("what", *(f"kind {number}" for number in range(1, len(fields) + 1))),
        rows=tuple((name, *(each.get(name) for each in fields)) for name in names),
        notes=("Units of two kinds are never compared with one center.",),
    )


def _fields(kind: JudgedKind) -> dict[str, str]:
    units = "GPU" if kind.uses_gpu else "CPU"
    nodes = list(dict.fromkeys(unit.unit.node for unit in kind.units))
    found: dict[str, str | None] = {"units": how_many(len(kind.units), units), "nodes": listed(nodes, 8)}
    environment = kind.environment
    if environment is not None:
        gpu = environment.gpu if kind.uses_gpu else None
        if gpu is not None:
            limit = None if gpu.power_limit_watts is None else f"{gpu.power_limit_watts:g} W"
            found |= {
                "GPU": gpu.name,
                "driver": gpu.driver,
                "CUDA": gpu.cuda,
                "VBIOS": gpu.vbios,
                "power limit": limit,
            }
        found |= {"CPU": environment.cpu, "system": environment.os, "Python": environment.python}
        found |= environment.libraries
    return {name: one_line(value, 80) for name, value in found.items() if value is not None}
