"""The unit of a column of times: one for all its rows."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class TimeUnit(Struct, frozen=True):
    """`ms`, of which there are 1,000 in a second; `word` names it at the head of a chart."""

    name: str
    per_second: float
    word: str


MICROSECONDS = TimeUnit("µs", 1e6, "Microseconds")
MILLISECONDS = TimeUnit("ms", 1e3, "Milliseconds")
SECONDS = TimeUnit("s", 1.0, "Seconds")


def unit_of(seconds: Iterable[float]) -> TimeUnit:
    """µs where all times are below 1 ms, s where all reach 1 s, else ms."""
    found = list(seconds)
    if found and min(found) >= 1.0:
        return SECONDS
    return MICROSECONDS if found and max(found) < 1e-3 else MILLISECONDS
