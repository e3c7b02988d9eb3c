"""Dates, changes and what differs between two runs, as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from bench.archive.run_differences import Difference
from bench.stats.run_series import Shift
from reports.cells import Quantity, brief, in_two
from reports.tables.listing import and_more, within
from reports.tables.wording import one_line

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SLOWER, FASTER = "▲", "▼"
COMMIT_DIGITS = 10
MOST_DIFFERENCES = 2
"""Of those in a sentence; a table has all."""
_VALUE_LETTERS = 40
_YEAR = 365
"""A day and a month name one date where no more days are shown."""


def day(at: str) -> str:
    """`2026-03-14` of a time in ISO 8601: as tables have it, to be sorted."""
    return at[:10]


def day_in_words(at: str, *, with_year: bool) -> str:
    """`14 March`, `14 March 2026`"""
    found = date.fromisoformat(at[:10])
    return f"{found.day} {MONTHS[found.month - 1]}{f' {found.year}' if with_year else ''}"


def days_in_words(first: str, last: str, *, with_year: bool) -> str:
    """`on 14 March`, `between 12 and 14 March`, `between 28 February and 2 March`"""
    return _days(first, last, "between", "and", with_year=with_year)


def days_through(first: str, last: str, *, with_year: bool) -> str:
    """`on 14 March`, `from 12 to 14 March`, `from 28 February to 2 March`"""
    return _days(first, last, "from", "to", with_year=with_year)


def _days(first: str, last: str, begins: str, ends: str, *, with_year: bool) -> str:
    if first[:10] == last[:10]:
        return f"on {day_in_words(last, with_year=with_year)}"
    is_one_month = first[:7] == last[:7]
    begin = str(int(first[8:10])) if is_one_month else day_in_words(first, with_year=with_year)
    return f"{begins} {begin} {ends} {day_in_words(last, with_year=with_year)}"


def needs_year(ats: Sequence[str]) -> bool:
    """Whether the first and the last of these times, in any order, are a year apart."""
    if not ats:
        return False
    first, last = (date.fromisoformat(end[:10]) for end in (min(ats), max(ats)))
    return (last - first).days >= _YEAR


def percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)


def change(shift: Shift) -> Quantity:
    """`+3.1% (+2.4% to +3.8%)`: of the time."""
    value, low, high = (percent(each) for each in (shift.log_ratio, shift.low, shift.high))
    return Quantity(value=value, low=low, high=high, unit="%", interval="ends", sign="always")


def marked(shift: Shift) -> str:
    """`▲ +3.1% (+2.4% to +3.8%)`"""
    return f"{SLOWER if shift.log_ratio > 0 else FASTER} {' '.join(in_two(change(shift)))}"


def no_change(shift: Shift) -> str:
    """`= no change within ±0.6%`"""
    reach = max(abs(percent(end)) for end in (shift.low, shift.high))
    return f"= no change within ±{brief(Quantity(value=reach, digits=1))}%"


def sized(shift: Shift) -> str:
    """`3.1% slower (2.4% to 3.8%)`; a change to faster by how much less time a step takes."""
    number, interval = in_two(size(shift))
    return f"{number} {direction(shift)} {interval}"


def size(shift: Shift) -> Quantity:
    """`3.1% (2.4% to 3.8%)`, whichever way."""
    sign = 1 if shift.log_ratio > 0 else -1
    value, *ends = (sign * percent(each) for each in (shift.log_ratio, shift.low, shift.high))
    return Quantity(value=value, low=min(ends), high=max(ends), unit="%", interval="ends")


def direction(shift: Shift) -> str:
    return "slower" if shift.log_ratio > 0 else "faster"


def difference(found: Difference) -> str:
    """`driver 575 → 580`; a commit by its first digits."""
    limit = COMMIT_DIGITS if found.name == "commit" else None
    old, new = (
        "none" if each is None else one_line(each[:limit], _VALUE_LETTERS)
        for each in (found.before, found.after)
    )
    return f"{found.name} {old} → {new}"


def differences_in_words(found: Sequence[Difference], most: int = MOST_DIFFERENCES) -> str:
    """`driver 575 → 580 and torch 2.6.0 → 2.7.0`, `driver 575 → 580 and 3 more`; "" of none."""
    words = [difference(each) for each in found]
    return within(words, most) if most > 1 else and_more(words, most)
