"""By how much NEW differs from BASE: `+12% (+3% to +21%)`, `takes 12% (3% to 21%) more time`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

from msgspec import structs

from bench.stats.estimates import Interval
from reports.cells import ABOUT, FOLLOWS_FROM_UNRESOLVED, UNRESOLVED, Cell, Quantity, brief, in_two
from reports.tables.wording import BORROWED_NOTE, WITHIN_NOTE, with_interval

MARKS = {
    "slower": "▲",
    "faster": "▼",
    "larger": "▲",
    "smaller": "▼",
    "more": "▲",
    "less": "▼",
    "higher": "▲",
    "lower": "▼",
    "equivalent": "=",
    "equal": "=",
    "inconclusive": "?",
    "diverged": "✗",
    "different": "✗",
}
"""Stand ahead of a verdict."""
LARGEST_TOLD = 10.0
"""The largest detectable change that is told as it is. An interval whose end lies further out says
nothing."""
_WHOLE_PERCENT_FROM = 0.10
_FACTOR_FROM = 2.0
"""From here on a change is told as a factor: `2.5x the time`."""


class Judged(Protocol):
    """A ratio NEW / BASE with its verdict: a row of `compare`, or the verdict on pairs."""

    @property
    def ratio(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def verdict(self) -> str | None: ...
    @property
    def detectable(self) -> float | None: ...


def marked(word: str | None) -> str | None:
    """`▲ slower`, `= equivalent`: the verdict with its mark."""
    return None if word is None else f"{MARKS[word]} {word}"


def change(judged: Judged) -> Quantity | None:
    """`+12% (+3% to +21%)`; of a row that is not decided `not resolved (0.4x to 3x)` where its interval is
    wide; `+12% †` of one process a side."""
    ratio, low, high = judged.ratio, judged.low, judged.high
    if ratio is None:
        return None
    of_one = low is None and judged.verdict == "inconclusive"
    if low is None or high is None or low == high:
        value = _percent(ratio)
        return Quantity(value=value, unit="%", of_one=of_one, sign="unless zero", digits=_decimals_of(value))
    if judged.verdict == "inconclusive":
        factor = Quantity(value=ratio, low=low, high=high, unit="x")
        if not factor.is_resolved:
            return factor
    if high > ratio * LARGEST_TOLD and low > 1:
        value = _percent(low)
        return Quantity(value=value, unit="%", sign="always", more_than=True, digits=_decimals_of(value))
    return _change(_percent(ratio), _percent(low), _percent(high), sign="always")


def _percent(ratio: float) -> float:
    """`+5.0` of 1.05, without what only a float's rounding leaves, nor a zero with a sign."""
    return round(100 * (ratio - 1), 6) + 0.0


def _decimals_of(percent: float) -> int:
    """Of a change without an interval."""
    return 0 if percent == 0 or abs(percent) >= 10 else 1


def _change(value: float, low: float, high: float, sign: Literal["minus", "always"] = "minus") -> Quantity:
    """In percent, rounded by its interval, unless that would round an end to zero that is none."""
    step = _step(max(value - low, high - value))
    nearest = min(abs(low), abs(high))
    digits = max(0, -math.floor(math.log10(nearest))) if 0 < nearest < step / 2 and low * high > 0 else None
    return Quantity(
        value=value,
        low=low,
        high=high,
        unit="%",
        interval="ends",
        sign=sign,
        digits="measured" if digits is None else digits,
    )


def _step(half: float) -> float:
    """What a figure is rounded to by the half width of its interval."""
    if half <= 0:
        return 0.0
    first = 10.0 ** math.floor(math.log10(half))
    return first if half / first >= 3 else first / 10


def visible_from(share: float) -> Quantity:
    """`2.1%`, `15%`, `>1000%`: the smallest change that would have been seen."""
    if share >= LARGEST_TOLD:
        return Quantity(value=100 * LARGEST_TOLD, unit="%", digits="given", more_than=True)
    return Quantity(value=100 * share, unit="%", digits=0 if share >= _WHOLE_PERCENT_FROM else 1)


More = Literal["time", "memory", "energy"]
"""What NEW takes more or less of."""


def takes(judged: Judged, of: More) -> str:
    """`takes 12% (3% to 21%) more time`, `takes 2.5x (1.6x to 4.0x) the memory`, `is 2.5x (1.6x to 4.0x) as
    fast`: of a row that is decided."""
    ratio = judged.ratio
    assert ratio is not None
    low, high = _ends(judged) or (ratio, ratio)
    if high > ratio * LARGEST_TOLD:
        return f"takes {_near_end(low, high)} the {of}"
    if ratio >= _FACTOR_FROM:
        return f"takes {_written(ratio, low, high)} the {of}"
    if ratio <= 1 / _FACTOR_FROM and of == "time" and low > 0:
        return f"is {_written(1 / ratio, 1 / high, 1 / low)} as fast"
    return f"takes {brief(_in_percent(judged))} {'more' if ratio > 1 else 'less'} {of}"


def in_speed(judged: Judged) -> str:
    """`is 12% slower (3% to 21%)`, `is faster, in 10% (8% to 12%) less time`, `is slower, at 2.5x (1.6x to
    4.0x) the time`: of a row that is decided."""
    ratio = judged.ratio
    assert ratio is not None
    low, high = _ends(judged) or (ratio, ratio)
    if high > ratio * LARGEST_TOLD:
        return f"is {'slower' if low > 1 else 'faster'}, at {_near_end(low, high)} the time"
    if ratio >= _FACTOR_FROM:
        return f"is slower, at {_written(ratio, low, high)} the time"
    if ratio <= 1 / _FACTOR_FROM and low > 0:
        return f"is faster, at {_written(1 / ratio, 1 / high, 1 / low)} the speed"
    if ratio <= 1:
        return f"is faster, in {brief(_in_percent(judged))} less time"
    number, interval = in_two(_in_percent(judged))
    return " ".join(filter(None, (f"is {number} slower", interval)))


def _near_end(low: float, high: float) -> str:
    """`more than 1.2x`, `less than 0.9x`: the end towards 1, where the other one says nothing."""
    return f"more than {_written(low)}" if low > 1 else f"less than {_written(high)}"


def _in_percent(judged: Judged) -> Quantity:
    """`12% (3% to 21%)`, of more or of less."""
    ratio = judged.ratio
    assert ratio is not None
    low, high = _ends(judged) or (ratio, ratio)
    sign = 1 if ratio > 1 else -1
    near, far = sorted((sign * _percent(low), sign * _percent(high)))
    value = sign * _percent(ratio)
    if low < high:
        return _change(value, near, far)
    return Quantity(value=value, unit="%", digits=_decimals_of(value))


def _ends(judged: Judged) -> tuple[float, float] | None:
    """None where nothing varies, or nothing is known."""
    low, high = judged.low, judged.high
    return None if low is None or high is None else (low, high)


def _written(ratio: float, low: float | None = None, high: float | None = None) -> str:
    """`2.5x (1.6x to 4.0x)`"""
    ends = (None, None) if low == high else (low, high)
    return brief(Quantity(value=ratio, low=ends[0], high=ends[1], unit="x", interval="ends"))


def best_guess(judged: Judged) -> str:
    """`+5.0% (-14% to +19%)`; nothing where it is of one process a side, or not resolved."""
    told = change(judged)
    return "" if told is None or told.of_one or not told.is_resolved else brief(told)


def side(value: float | None, interval: Interval | None, scale: float) -> Cell:
    """A side's figure with its interval; `scale` is how many of the column's units one of its own is."""
    return None if value is None else with_interval(value, interval, scale)


def short_side(cell: Cell) -> Cell:
    """The same on a first screen, where the change has the interval: `6.19`, `6.19 †`, or `?` where the
    figure is not resolved."""
    if not isinstance(cell, Quantity):
        return cell
    if not cell.is_resolved:
        return structs.replace(cell, unresolved=True)
    return structs.replace(cell, interval="unwritten")


def beside(found: Quantity | None, *sides: Cell) -> Quantity | None:
    """A change between these sides: `?` where it has no interval of its own and a side is not resolved."""
    unresolved = any(isinstance(each, Quantity) and not each.is_resolved for each in sides)
    if found is None or not found.of_one or not unresolved:
        return found
    return structs.replace(found, unresolved=True)


def short_change(judged: Judged) -> Quantity | None:
    """`change` on a first screen, which has no room for the ends of an interval that says little."""
    found = change(judged)
    if found is None or found.is_resolved:
        return found
    return structs.replace(found, low=0.0, high=math.inf)


def short_notes_on(cells: Iterable[Cell]) -> Iterator[str]:
    """The same on a first screen, in a line each."""
    found = [cell for cell in cells if isinstance(cell, Quantity)]
    if any(cell.of_one for cell in found):
        yield WITHIN_NOTE
    if any(cell.unresolved or not cell.is_resolved for cell in found):
        marks = f"{UNRESOLVED}, {FOLLOWS_FROM_UNRESOLVED}"
        yield f"{marks}: the interval reaches more than {ABOUT:.0%} from the figure."


def notes_on(cells: Iterable[Cell], level: str = "99%") -> Iterator[str]:
    """What the marks of these cells mean; `level` is that of the changes' intervals."""
    found = [cell for cell in cells if isinstance(cell, Quantity)]
    if any(cell.of_one and not cell.borrowed for cell in found):
        yield WITHIN_NOTE
    if any(cell.borrowed for cell in found):
        yield BORROWED_NOTE
    if any(cell.unresolved for cell in found):
        yield f"{FOLLOWS_FROM_UNRESOLVED}: a time whose 95% interval reaches more than {ABOUT:.0%} from it."
    if any(not cell.is_resolved for cell in found if cell.unit == "x"):
        yield (
            f"{UNRESOLVED}: the {level} interval of the ratio (in brackets) reaches more than {ABOUT:.0%} "
            "from it."
        )
