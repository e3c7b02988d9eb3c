"""What a cell of a table holds, and the one way in which a figure and its interval are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from bench.stats.moderation import MOST_MORE

Scalar = str | int | float | None
"""Text, a number, or None for "not measured": what a flat row for programs holds."""

ONE = "†"
"""Stands behind a figure of one process or one seed."""
NOT_MEASURED = "‡"
"""Stands in the place of a figure that could not be measured."""
BORROWED = "§"
"""Stands behind a figure of one process whose interval is that of the run's other cases."""
UNRESOLVED: Literal["not resolved"] = "not resolved"
"""Stands in the place of a figure whose interval reaches too far."""
FOLLOWS_FROM_UNRESOLVED = "?"
"""Stands in the place of what follows from such a figure."""
RESOLVED, ABOUT = 0.10, 0.25
"""By these shares of a figure its interval may reach above or below it, where the figure is resolved, and
where it is about so much."""
State = Literal["resolved", "about", "not resolved"]
MOST_DIGITS, FEWEST_DIGITS = 4, 3
"""A measured figure has no more digits in a table, and on the first screen of a report."""
POINTS = 100.0
"""The whole range of an accuracy."""
MOST_REACH = 9.0
"""By this share of a figure its interval may reach beyond it: one that reaches beyond ten times the figure is
not written."""


class Labels(str):
    """Text that consists of labels, each of which a page explains where it stands."""

    words: tuple[str, ...]

    def __new__(cls, words: Iterable[str]) -> Labels:
        words = tuple(words)
        found = super().__new__(cls, ", ".join(words))
        found.words = words
        return found


class Sparkline(str):
    """A line of block characters, and in `words` what it shows, for those who do not see it."""

    words: str

    def __new__(cls, blocks: str, words: str) -> Sparkline:
        found = super().__new__(cls, blocks)
        found.words = words
        return found


_AT_BOTH_ENDS = ("x", "%")
"""Units that stand at both ends of an interval; others only behind all of it."""


class Quantity(Struct, frozen=True, kw_only=True):
    """A number and what is known of it; `readable` writes it.

    value      in the unit that its column names, or `unit`
    low, high  the ends of its interval, in the same unit; None where there is none
    unit       what stands right behind the number: `x` of a ratio, `%` of a share, ` ms` of a time
    of_one     whether it is of one process or one seed, and so says nothing of others
    moderated  whether its interval is moderated by what other cases show
    borrowed   whether its interval is wholly that of other cases, since it is of one process
    more       about how many more processes would resolve it, where that is known
    unresolved whether it follows from a figure that is not resolved
    reach      of a figure whose interval is judged in its own unit and not by shares of it, as accuracies are
               in points: by how much it may reach from the figure; None of all others
    interval   how the interval is told: as shares of the value, as half its width, by its ends, or by the
               digits of the value alone, where it stands elsewhere
    digits     the decimals, all the figures that were `given`, those of a count (`whole`), or, of what was
               `measured`, four figures in all
    sign       `minus` alone, or also a plus, as differences have it: `always`, or `unless zero`
    more_than  whether it is only known to be more than `value`
    endless    the word for an infinite value
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    of_one: bool = False
    moderated: bool = False
    borrowed: bool = False
    more: int | None = None
    unresolved: bool = False
    reach: float | None = None
    interval: Literal["relative", "around", "ends", "unwritten"] = "relative"
    digits: int | Literal["measured", "given", "whole"] = "measured"
    sign: Literal["minus", "always", "unless zero"] = "minus"
    more_than: bool = False
    endless: str = "inf"

    @property
    def shares(self) -> tuple[float, float] | None:
        """By which shares of the value the interval reaches below and above it; None unless it is told so."""
        if self.interval != "relative" or self.low is None or self.high is None:
            return None
        return 1 - self.low / self.value, self.high / self.value - 1

    @property
    def across(self) -> tuple[float, float] | None:
        """The ends of its interval; None where there is none, or that of one process, which says nothing of
        the next."""
        if self.low is None or self.high is None or (self.of_one and not self.borrowed):
            return None
        return self.low, self.high

    @property
    def state(self) -> State:
        """How well the figure is known, by the wider half of its interval."""
        if self.reach is not None and self.low is not None and self.high is not None:
            wide = max(self.value - self.low, self.high - self.value) > self.reach
            return UNRESOLVED if wide else "resolved"
        wider = max(self.shares) if self.shares is not None else 0.0
        return "resolved" if wider <= RESOLVED else "about" if wider <= ABOUT else UNRESOLVED

    @property
    def is_resolved(self) -> bool:
        """Whether the figure may be written as a number: its interval reaches at most a quarter of it, or its
        `reach`."""
        return self.state != UNRESOLVED


class Missing(Struct, frozen=True):
    """In the place of a figure that could not be measured: which, and why."""

    figure: str
    reason: str


Cell = Scalar | Quantity | Missing
"""What a table holds; None, where there is nothing to measure, is left empty."""


def readable(cell: Cell, most_digits: int = MOST_DIGITS) -> str:
    """A cell as every format for people prints it: counts with thousands, a measured number with the digits
    that its interval leaves it, `most_digits` in all."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Missing):
        return NOT_MEASURED
    if isinstance(cell, Quantity):
        return _quantity(cell, most_digits)
    if isinstance(cell, int):
        return f"{cell:,}"
    return _in_digits(cell, most_digits)


def brief(cell: Cell) -> str:
    """As `readable`, with the fewer digits of a report's first screen."""
    return readable(cell, FEWEST_DIGITS)


def in_two(found: Quantity) -> tuple[str, str]:
    """The number and its interval on a first screen, for a sentence with words between them: `12%`, `(3% to
    21%)`."""
    return f"{_number(found, found.value, FEWEST_DIGITS)}{found.unit}", _interval(found, FEWEST_DIGITS)


def _in_digits(value: float, digits: int) -> str:
    """So many figures in all, and never fewer than those before the point."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e15:
        return f"{value:,.{max(0, _decimals(value, digits))}f}"
    return f"{value:.{digits - 1}e}"


def _decimals(value: float, digits: int) -> int:
    """Places behind the point (below zero: before it) that so many figures of a value reach."""
    return digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))


def _quantity(found: Quantity, most_digits: int) -> str:
    """`12.3 ±1.2%`, `about 12 (10 to 15)`, `12.34 †`, `not resolved (2.7 to 23; +4)`, `-0.3 (-0.8 to 0.2)`"""
    if found.unresolved:
        return FOLLOWS_FROM_UNRESOLVED
    mark = BORROWED if found.borrowed else ONE if found.of_one else ""
    if not found.is_resolved:
        return " ".join(filter(None, (UNRESOLVED, _known_of_unresolved(found), mark)))
    number = f"{'>' if found.more_than else ''}{_number(found, found.value, most_digits)}{found.unit}"
    about = "about" if found.state == "about" and not _is_within(found) else ""
    return " ".join(filter(None, (about, number, _interval(found, most_digits), mark)))


def _is_within(found: Quantity) -> bool:
    """Whether the interval is that of the samples of one process, which says nothing of the next."""
    return found.of_one and not found.borrowed and found.interval == "relative"


def _known_of_unresolved(found: Quantity) -> str:
    """`(2.7x to 23x; +4)`: the ends of the interval unless they say nothing, and the processes it takes."""
    known = []
    if found.reach is not None and found.low is not None and found.high is not None:
        known += _ends_in_points(found, found.low, found.high)
    elif found.shares is not None and max(found.shares) <= MOST_REACH:
        first = found.unit if found.unit in _AT_BOTH_ENDS else ""
        known.append(f"{_two_digits(found.low)}{first} to {_two_digits(found.high)}{found.unit}")
    if found.more is not None:
        known.append(f"+{found.more}" if found.more <= MOST_MORE else f"+>{MOST_MORE}")
    return f"({'; '.join(known)})" if known else ""


def _ends_in_points(found: Quantity, low: float, high: float) -> list[str]:
    """`58 to 82`; nothing of an interval that reaches as far as an accuracy can."""
    if max(abs(low), abs(high)) >= POINTS and (low <= 0 or high - low >= POINTS):
        return []
    return [f"{low:.0f} to {high:.0f}{found.unit}"]


def _two_digits(value: float | None) -> str:
    """What is not resolved has no more."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _number(found: Quantity, value: float, most_digits: int) -> str:
    """The value, or an end of its interval."""
    if not math.isfinite(value):
        return found.endless
    if found.digits == "whole":
        return f"{round(value):,}"
    if found.digits == "given":
        short = f"{value:g}"
        return short if float(short) == value and not isinstance(value, int) else repr(value)
    sign = "+" if found.sign == "always" or (found.sign == "unless zero" and value) else ""
    if found.digits == "measured":
        text = _measured(found, value, most_digits)
        return f"{sign}{text}" if value > 0 and text.strip("0.,") else text
    return f"{value:{sign}.{found.digits}f}"


def _measured(found: Quantity, value: float, most_digits: int) -> str:
    """Down to the first digit of half the interval, or the second where it begins with 1 or 2; the ends of an
    interval reach as far as the value does."""
    places = (
        _decimals(found.value, most_digits) if found.value and math.isfinite(found.value) else most_digits
    )
    half = _half_width(found)
    if half and math.isfinite(half):
        rounded = float(f"{half:.0e}")  # 0.97 is 1, and so begins with 1
        half = rounded if rounded >= 10 ** math.ceil(math.log10(half)) else half
        begins_small = float(f"{half:.1e}"[:3]) < 3
        places = min(places, _decimals(half, 2 if begins_small else 1))
    is_noise = half is not None and half >= 1e-4 > abs(value)
    if not 1e-4 <= abs(value) < 1e15 and not is_noise:
        return _in_digits(value, most_digits)
    rounded = round(value, places) + 0.0  # no -0
    return f"{rounded:,.{max(0, places)}f}"


def _half_width(found: Quantity) -> float | None:
    if found.low is None or found.high is None or _is_within(found):
        return None
    return max(found.value - found.low, found.high - found.value)


def _interval(found: Quantity, most_digits: int) -> str:
    if found.low is None or found.high is None or _is_within(found) or found.interval == "unwritten":
        return ""
    if found.interval == "around":
        return f"±{_number(found, found.high - found.value, most_digits)}"
    if found.interval == "ends" or found.state == "about":
        unit = found.unit if found.unit in _AT_BOTH_ENDS else ""
        low, high = (_number(found, end, most_digits) + unit for end in (found.low, found.high))
        return f"({low} to {high})"
    return _relative(found)


def _relative(found: Quantity) -> str:
    """`±1.2%`, by the wider half."""
    if found.shares is None:
        return ""
    wider = 100 * max(found.shares)
    if wider == 0:
        return "±0%"
    if wider < 0.05:
        return "±<0.1%"
    return f"±{wider:.1f}%" if wider < 2.95 else f"±{wider:.0f}%"
