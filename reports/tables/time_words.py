"""Times in sentences, in the unit that leaves few digits: `1.16 s`, `9.44 ms`, `85 µs`."""

from __future__ import annotations

from msgspec import structs

from reports.cells import Quantity, brief
from reports.tables.time_units import unit_of


def in_words(seconds: Quantity) -> str:
    """A time in seconds as the first screen of a report writes it: `1.16 s ±2%`, `about 12 ms (10 to 15)`,
    `not resolved (2.7 to 23 ms)`."""
    unit = unit_of([seconds.value])
    return brief(
        structs.replace(
            seconds,
            value=seconds.value * unit.per_second,
            low=None if seconds.low is None else seconds.low * unit.per_second,
            high=None if seconds.high is None else seconds.high * unit.per_second,
            unit=f" {unit.name}",
        )
    )
