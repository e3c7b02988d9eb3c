"""The units of a fleet one by one: suspects, all of them, and against another run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bench.schema.plurals import how_many
from bench.stats.fleet_ratios import ConfirmedRatio
from reports.cells import Cell, Quantity
from reports.document import Part, Table
from reports.fleet.causes import KindFacts, in_words
from reports.fleet.fleet_answer import standing
from reports.fleet.fleet_found import FleetFound, JudgedUnit, natural
from reports.fleet.judged_kinds import unit_means
from reports.fleet.percent_slower import percent, slower

SUSPECTS = Part("suspects", "Suspects")
BEFORE = Part("before-after", "Before and after")
UNITS = Part("units", "All units")
MOST_ROWS = 500
"""Of a table for people; csv and json have all."""


def suspect_table(found: FleetFound) -> Iterator[Table]:
    """Units that the first run or confirming showed to be slow, with all likely causes."""
    shown = [unit for unit in found.units if unit.ratio.suspect]
    shown.sort(key=lambda unit: -(unit.ratio.log_ratio or 0.0))
    if not shown:
        return
    yield Table(
        title="Suspects",
        part=SUSPECTS,
        columns=(
            found.what,
            "first run, slower",
            "p",
            "confirmed, slower",
            "beside",
            "standing",
            "likely cause",
        ),
        rows=tuple(
            (
                unit.name,
                slower(unit.ratio),
                _p(unit),
                slower(unit.confirmed) if unit.confirmed else None,
                _beside(found, unit.kind, unit.confirmed) if unit.confirmed else None,
                standing(unit),
                ", ".join(cause.words for cause in unit.causes) or None,
            )
            for unit in shown[:MOST_ROWS]
        ),
        notes=(
            f"p: of being at most {100 * found.margin:g}% slower than the center, after Holm's correction "
            "over the units of its kind. A suspect was picked for looking slow, so its first figure tends to "
            "be too large; the confirmed one is of rounds of its own.",
        ),
    )


def _p(unit: JudgedUnit) -> Cell:
    p = unit.ratio.adjusted_p
    return None if p is None else "<0.001" if p < 0.001 else Quantity(value=p, digits=3)


def _beside(found: FleetFound, kind: int, confirmed: ConfirmedRatio) -> str:
    places = {unit.at: unit.name for unit in found.units if unit.kind == kind}
    return ", ".join(places.get(at, "?") for at in confirmed.references)


def unit_table(found: FleetFound) -> Table:
    """All units, by node; of very many those that are farthest from the center."""
    units = list(found.units)
    if len(units) > MOST_ROWS:
        units = sorted(units, key=lambda unit: -abs(unit.ratio.log_ratio or math.inf))[:MOST_ROWS]
        units.sort(key=lambda unit: (natural(unit.measured.unit.node), natural(unit.name)))
    facts = [KindFacts(found.records, kind) for kind in found.kinds]
    rows = tuple(_unit_row(found, unit, facts[unit.kind]) for unit in units)
    columns = (
        found.what,
        "slower",
        "state",
        "tests",
        "processes",
        "SM clock, MHz",
        "°C",
        "kind",
        "differs in",
    )
    return _without_empty(
        Table(
            title=f"All {found.what}s",
            part=UNITS,
            columns=columns,
            rows=rows,
            notes=tuple(_note(found, len(units))),
            optional=("processes", "tests", "°C"),
        )
    )


def _unit_row(found: FleetFound, unit: JudgedUnit, facts: KindFacts) -> tuple[Cell, ...]:
    return (
        unit.name,
        slower(unit.ratio),
        unit.state,
        unit.ratio.tests,
        unit.ratio.processes,
        *_read(facts, unit.at),
        found.kinds[unit.kind].differs or None,
        in_words(unit.causes) or None,
    )


def _read(facts: KindFacts, at: int) -> tuple[Cell, Cell]:
    clock, degrees = facts.clock(at), facts.temperature(at)
    return (
        None if clock is None else Quantity(value=clock, digits="whole"),
        None if degrees is None else Quantity(value=degrees, digits="whole"),
    )


def _without_empty(table: Table) -> Table:
    """Without columns that no row fills."""
    from msgspec import structs

    kept = [at for at in range(len(table.columns)) if any(row[at] is not None for row in table.rows)]
    columns = tuple(table.columns[at] for at in kept)
    return structs.replace(
        table,
        columns=columns,
        rows=tuple(tuple(row[at] for at in kept) for row in table.rows),
        optional=tuple(name for name in table.optional if name in columns),
    )


def _note(found: FleetFound, shown: int) -> Iterator[str]:
    if shown < len(found.units):
        yield f"The {shown} of {len(found.units):,} farthest from the center; --format csv has all."
    yield "slower: mean over the tests, with its 95% interval; below zero is faster than the center."


def before_table(found: FleetFound) -> Iterator[Table]:
    """Each unit against itself in the run that the center is from, where that holds it."""
    if found.against is None:
        return
    earlier = found.against.records
    places = {unit.unit.id: row for row, unit in enumerate(earlier.units)}
    tests = {case: at for at, case in enumerate(earlier.tests)}
    common = [(at, tests[case]) for at, case in enumerate(found.records.tests) if case in tests]
    now, then = unit_means(found.records.logs), unit_means(earlier.logs)
    rows = []
    for unit in found.units:
        row = places.get(unit.measured.unit.id)
        if row is None or not common:
            continue
        here = found.kinds[unit.kind].rows[unit.at]
        changes = np.array([now[here, at] - then[row, was] for at, was in common])
        changes = changes[np.isfinite(changes)]
        if changes.size:
            rows.append((unit.name, _change(changes), len(changes)))
    if rows:
        yield Table(
            title=f"Each {found.what} against itself in {found.against.name}",
            part=BEFORE,
            columns=(found.what, "change of time, %", "tests"),
            rows=tuple(rows[:MOST_ROWS]),
            notes=tuple(_paired_note(found, len(rows))),
        )


def _change(changes: Sequence[float]) -> Quantity:
    return Quantity(value=percent(float(np.mean(changes))), digits=1, sign="unless zero")


def _paired_note(found: FleetFound, count: int) -> Iterator[str]:
    if count > MOST_ROWS:
        yield f"The first {MOST_ROWS} of {count:,}."
    paired = how_many(count, f"{found.what} is", f"{found.what}s are")
    yield f"{paired} in both. Above zero is slower now. Verdicts over nodes: convbench compare BEFORE AFTER."
