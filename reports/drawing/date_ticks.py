"""Dates for an axis: first days of months, or days where there are no months."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)
_DAY_STEPS = (1, 2, 5, 10, 20)
_DAYS_A_MONTH = 30.4


def date_ticks(first: float, last: float, most: int) -> tuple[tuple[float, str], ...]:
    """Places in seconds since 1970, UTC, with their labels: `Jan 2026`, `Mar`, `14 Mar`, `2026`.

    At most `most` and at least one, from the day of the first to the last.
    """
    begin = datetime.fromtimestamp(first, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (last - first) / 86_400
    step = next((each for each in _MONTH_STEPS if days / _DAYS_A_MONTH / each <= most), _MONTH_STEPS[-1])
    found = [each for each in _months(begin, step, last) if each >= begin]
    if len(found) < 2:
        found = list(_days(begin, next(d for d in (*_DAY_STEPS, 31) if days / d < most or d == 31), last))
        return tuple((each.timestamp(), f"{each.day} {_MONTHS[each.month - 1]}") for each in found[:most])
    return tuple((each.timestamp(), _label(each, step, at == 0)) for at, each in enumerate(found[:most]))


def _months(begin: datetime, step: int, last: float) -> Iterator[datetime]:
    month = (begin.year * 12 + begin.month - 1) // step * step
    while True:
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if at.timestamp() > last:
            return
        yield at
        month += step


def _days(begin: datetime, step: int, last: float) -> Iterator[datetime]:
    """From this day on."""
    at = begin
    while at.timestamp() <= last:
        yield at
        at += timedelta(days=step)


def _label(at: datetime, step: int, is_first: bool) -> str:
    if step >= 12:
        return str(at.year)
    return f"{_MONTHS[at.month - 1]} {at.year}" if is_first or at.month == 1 else _MONTHS[at.month - 1]
