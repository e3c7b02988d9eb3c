"""Times in sentences, in the unit that leaves few digits: `1.16 s`, `9.44 ms`, `85 µs`."""

from __future__ import annotations

from msgspec import structs

from reports.cells import Quantity, brief
from reports.tables.time_units import TimeUnit, unit_of


def in_words(seconds: Quantity) -> str:
    """A time in seconds as the first screen of a report writes it: `1.16 s ±2%`, `about 12 ms (10 to 15)`,
    `not resolved (2.7 to 23 ms)`."""
    unit = unit_of([seconds.value])
    return brief(structs.replace(in_unit(seconds, unit), unit=f" {unit.name}"))


def in_unit(seconds: Quantity, unit: TimeUnit) -> Quantity:
    """A time in seconds in the unit that the column of a table names."""
    low, high = (None if end is None else end * unit.per_second for end in (seconds.low, seconds.high))
    return structs.replace(seconds, value=seconds.value * unit.per_second, low=low, high=high)
