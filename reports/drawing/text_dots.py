"""A dot chart in plain text: an axis, and under it a sign for each place that has dots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from reports.cells import FEWEST_DIGITS, readable
from reports.dot_chart import DotChart
from reports.drawing.axis_ticks import ticks

ONE, SEVERAL, MANY = "·", "•", "●"
MANY_FROM = 10
MARGIN = "┊"
FEWEST_CELLS = 24
"""A shorter axis shows nothing."""
_LETTERS_A_TICK = 10


def lines(chart: DotChart, width: int) -> Iterator[str]:
    """A title that says what the signs stand for, the numbers of the axis, and the dots.

    Where `width` leaves no room for an axis, the ends of the dots stand in its place.
    """
    if not chart.dots:
        yield chart.title
        return
    cells = width - 2
    if cells < FEWEST_CELLS:
        low, high = (readable(end, FEWEST_DIGITS) for end in _range(chart))
        yield f"{chart.title}: {low} to {high}"
        return
    places = Counter(_place(chart, dot.value, cells) for dot in chart.dots)
    yield f"{chart.title}: {_legend(chart, set(map(_sign, places.values())))}"
    yield f" {_axis(chart, cells)}".rstrip()
    strip = [" "] * cells
    strip[_place(chart, chart.margin, cells)] = MARGIN
    for at, count in places.items():
        strip[at] = _sign(count)
    yield f"▕{''.join(strip)}▏"


def _range(chart: DotChart) -> tuple[float, float]:
    values = [dot.value for dot in chart.dots]
    return min(values), max(values)


def _place(chart: DotChart, value: float, cells: int) -> int:
    low, high = chart.ends
    return round((value - low) / (high - low) * (cells - 1))


def _sign(count: int) -> str:
    return ONE if count == 1 else SEVERAL if count < MANY_FROM else MANY


def _legend(chart: DotChart, signs: set[str]) -> str:
    said = {
        ONE: f"{ONE} one {chart.what}",
        SEVERAL: f"{SEVERAL} 2 to {MANY_FROM - 1}",
        MANY: f"{MANY} {MANY_FROM} or more",
    }
    return ", ".join([*(words for sign, words in said.items() if sign in signs), f"{MARGIN} margin"])


def _axis(chart: DotChart, cells: int) -> str:
    """Numbers above their places: zero first, then whatever has room beside it."""
    found = ticks(*chart.ends, max(2, cells // _LETTERS_A_TICK))
    line = [" "] * cells
    for value in sorted(found, key=abs):
        text = f"{value:g}"
        begin = min(max(0, _place(chart, value, cells) - (len(text) - 1) // 2), cells - len(text))
        around = line[max(0, begin - 1) : begin + len(text) + 1]
        if all(letter == " " for letter in around):
            line[begin : begin + len(text)] = text
    return "".join(line)
