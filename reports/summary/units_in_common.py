"""Two figures that the same machines measured, paired by GPU or processor."""

from __future__ import annotations

from bench.schema.units import Unit
from bench.stats.levels import PairedUnits, grouped, paired_units
from reports.summary.figures import RAW_UNITS, Figure


def units_in_common(before: Figure, after: Figure) -> PairedUnits[str] | None:
    """The units that both figures have; None with fewer than two.

    Units are equal by what they are: a GPU that sits in another node now is still that GPU.
    """
    if before.unit in RAW_UNITS:
        return None
    node_of = {unit.id: unit.machine for unit in (*before.units, *after.units)}
    return paired_units(by_unit(before), by_unit(after), node_of)


def by_unit(figure: Figure) -> dict[str, list[float]]:
    """The medians of the processes of each unit, by its id."""
    return grouped(figure.medians, [unit.id for unit in figure.units])


def units_of(figure: Figure) -> dict[str, Unit]:
    """Those that measured it, by their ids."""
    return {unit.id: unit for unit in figure.units}
