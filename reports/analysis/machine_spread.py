"""How machines of a kind differ, beside how their processes do: of each whole step that several measured."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bench.schema.units import Unit
from bench.stats.estimates import Interval, centre
from bench.stats.levels import Levels
from reports.summary.figures import THROUGHPUT_METRICS, Figure
from reports.summary.moderated_figures import interval_of_unit, is_whole
from reports.summary.subjects import Subject, subject_of
from reports.summary.units_in_common import by_unit, units_of


class UnitTime(Struct, frozen=True, kw_only=True):
    """What one unit measured, in s, by its own processes alone; `ratio` is to the figure of all."""

    unit: Unit
    seconds: float
    interval: Interval | None
    processes: int
    ratio: float


class MachineSpread(Struct, frozen=True, kw_only=True):
    """One time of several units, which are at least two, in the order of their nodes."""

    figure: Figure
    levels: Levels
    units: tuple[UnitTime, ...]

    @property
    def subject(self) -> Subject:
        """What it is the time of."""
        return subject_of(self.figure)

    @property
    def slowest(self) -> UnitTime:
        """The unit that takes longest."""
        return max(self.units, key=lambda each: each.ratio)


def machine_spreads(figures: Sequence[Figure]) -> list[MachineSpread]:
    """Of each whole step that several units timed, by its first clock."""
    found: dict[Subject, Figure] = {}
    for metric in THROUGHPUT_METRICS:
        for figure in figures:
            if figure.metric == metric and figure.product is None and is_whole(figure):
                found.setdefault(subject_of(figure), figure)
    return [
        MachineSpread(figure=figure, levels=levels, units=_units(figure))
        for figure in found.values()
        if (levels := figure.levels) is not None
    ]


def _units(figure: Figure) -> tuple[UnitTime, ...]:
    units = units_of(figure)
    found = [
        UnitTime(
            unit=units[each],
            seconds=centre(medians),
            interval=interval_of_unit(figure, medians),
            processes=len(medians),
            ratio=centre(medians) / figure.median,
        )
        for each, medians in by_unit(figure).items()
    ]
    return tuple(sorted(found, key=lambda each: (each.unit.node, each.unit.id)))
