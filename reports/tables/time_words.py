"""Times in sentences, in the unit that leaves few digits: `1.16 s`, `9.44 ms`, `85 µs`."""

from __future__ import annotations

from msgspec import structs

from reports.cells import Quantity, brief

UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
"""Each with its seconds, longest first."""


def in_words(seconds: Quantity) -> str:
    """A time in seconds as the first screen of a report writes it: `1.16 s ±2%`, `about 12 ms (10 ms to
    15 ms)`, `not resolved (2.7 ms to 23 ms)`."""
    name, size = _unit_of(seconds.value)
    return brief(
        structs.replace(
            seconds,
            value=seconds.value / size,
            low=None if seconds.low is None else seconds.low / size,
            high=None if seconds.high is None else seconds.high / size,
            unit=f" {name}",
        )
    )


def _unit_of(seconds: float) -> tuple[str, float]:
    return next((each for each in UNITS if seconds >= each[1]), UNITS[-1])
