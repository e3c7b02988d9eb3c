"""A chart of the runs of one series as SVG: dots with their intervals, levels, and marks where it changed.

All dots of one look are one path: a series has thousands. A page's script reads `frame_of`, by which it finds
the run under a pointer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from bench.schema.plain_text import printable
from reports.drawing.axis_ticks import ticks
from reports.drawing.chart_pen import Palette, Pen, short
from reports.drawing.date_ticks import date_ticks
from reports.run_charts import MarkKind, RunChart, RunMark

WIDTH, HEIGHT = 420, 190
"""Of the picture, in its own units; a page scales it."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 414.0, 38.0, 168.0
"""Of what lies between the axes; marks have their letters above, dates below."""
_FONT = 11
_LETTER = 6.2
"""The width of one, in a wide font."""
_MOST_TICKS, _MOST_DATES = 6, 5
LEAST_RANGE = 0.04
"""Of the middle: the least that the height stands for. Noise that filled it would look like a change."""
_MARGIN = 0.08
"""Of the height, above and below what is drawn."""
_LINES = 2
"""Of labels above the chart; one that fits into none of them is only told when one points at it."""
_SPARSE = 400
"""Runs; larger dots of more would cover each other."""
_FEW, _BESIDE = 0.03, 0.3
"""Of the runs, at either end of the range; and of the range without them, which is left for their like."""


class Frame(Struct, frozen=True):
    """Where a chart's values lie: the ends of the box in the picture, and what they stand for.

    An axis without length, of a single run, has its place in the middle.
    """

    left: float
    right: float
    top: float
    bottom: float
    first: float
    last: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        if self.last <= self.first:
            return (self.left + self.right) / 2
        return self.left + (seconds - self.first) / (self.last - self.first) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Within the box: what lies beyond stands at its edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)


def frame_of(chart: RunChart, seconds: Sequence[float]) -> Frame:
    """`seconds` are those of all runs that charts share."""
    low, high = _range(chart)
    middle, reach = (low + high) / 2, max(high - low, LEAST_RANGE * (low + high) / 2) * (0.5 + _MARGIN)
    ats = [seconds[run] for run in chart.runs]
    return Frame(_LEFT, _RIGHT, _TOP, _BOTTOM, min(ats), max(ats), middle - reach, middle + reach)


def _range(chart: RunChart) -> tuple[float, float]:
    """Of all runs but outliers; where a few others alone would take half of the height, also without these: a
    week at another clock must not hide a step of 3%."""
    outliers = set(chart.outliers)
    kept = sorted(value for at, value in enumerate(chart.values) if at not in outliers) or chart.values
    few = math.ceil(_FEW * len(kept))
    low, high = kept[0], kept[-1]
    inner_low, inner_high = kept[min(few, len(kept) - 1)], kept[max(len(kept) - 1 - few, 0)]
    if high - low > 2 * max(inner_high - inner_low, LEAST_RANGE * inner_low):
        beside = _BESIDE * (inner_high - inner_low)
        return max(inner_low - beside, low), min(inner_high + beside, high)
    return low, high


def in_words(chart: RunChart) -> str:
    """What the chart shows, for those who do not see it."""
    marks = "".join(f" {mark.words}." for mark in chart.marks)
    return printable(f"{chart.title}, {len(chart.values):,} runs: {chart.note}.{marks}")


def draw(chart: RunChart, seconds: Sequence[float], palette: Palette) -> str:
    """An `<svg>` element; without a title, which stands above it."""
    frame = frame_of(chart, seconds)
    pen = Pen(palette, WIDTH, in_words(chart))
    pen.root.set("font-size", str(_FONT))
    xs = [frame.x(seconds[run]) for run in chart.runs]
    _axes(pen, frame, chart.unit)
    _marks(pen, frame, chart.marks, xs)
    _points(pen, frame, chart, xs)
    _levels(pen, frame, chart, xs)
    _slopes(pen, frame, chart, xs)
    pen.down = HEIGHT
    return pen.drawn()


def _axes(pen: Pen, frame: Frame, unit: str) -> None:
    quiet = {"fill": pen.palette.quiet}
    for value in ticks(frame.low, frame.high, _MOST_TICKS):
        y = frame.y(value)
        pen.rule(f"M{short(frame.left)} {short(y)}H{short(frame.right)}", pen.palette.quiet, _FAINT)
        pen.text(frame.left - 5, y, f"{value:,g}", {"text-anchor": "end", **quiet})
    pen.text(frame.left - 5, frame.top - 22, unit, {"text-anchor": "end", **quiet})
    for at, label in date_ticks(frame.first, frame.last, _MOST_DATES):
        half = _LETTER * len(label) / 2
        x = min(max(frame.x(at), half), WIDTH - half)
        pen.text(x, frame.bottom + 13, label, {"text-anchor": "middle", **quiet})


_FAINT = {"stroke-width": "0.5", "stroke-opacity": "0.5"}


def _points(pen: Pen, frame: Frame, chart: RunChart, xs: Sequence[float]) -> None:
    """A stroke of no length with round ends is a dot; that of an outlier is hollow."""
    outliers = set(chart.outliers)
    beyond = {at for at, value in enumerate(chart.values) if not frame.low <= value <= frame.high}
    color = pen.palette.series[0]
    inside = [(at, xs[at], frame.y(value)) for at, value in enumerate(chart.values) if at not in beyond]
    intervals = "".join(
        f"M{x:.1f} {frame.y(low):.1f}V{frame.y(high):.1f}"
        for at, x, _ in inside
        if (low := chart.low[at]) is not None and (high := chart.high[at]) is not None
    )
    if intervals:
        pen.rule(intervals, color, {"stroke-width": "1.2", "stroke-opacity": "0.3"})
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for at, x, y in inside if at not in outliers)
    across = "3.4" if len(xs) <= _SPARSE else "1.8"
    pen.rule(dots, color, {"stroke-width": across, "style": "stroke-linecap:round"})
    rings = "".join(_ring(x, y) for at, x, y in inside if at in outliers)
    rings += "".join(_arrow(xs[at], frame, is_above=chart.values[at] > frame.high) for at in sorted(beyond))
    if rings:
        pen.rule(rings, color, {"stroke-width": "1.2"})


def _ring(x: float, y: float) -> str:
    return f"M{x - 2.5:.1f} {y:.1f}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0"


def _arrow(x: float, frame: Frame, *, is_above: bool) -> str:
    """A triangle at the edge that a run lies beyond."""
    edge, base = (frame.top, 5) if is_above else (frame.bottom, -5)
    return f"M{x:.1f} {edge:.1f}l3 {base}h-6z"


def _levels(pen: Pen, frame: Frame, chart: RunChart, xs: Sequence[float]) -> None:
    for level in chart.levels:
        if not frame.low <= level.value <= frame.high:
            continue
        left, right = xs[level.first], xs[level.last]
        top, bottom = frame.y(level.high), frame.y(level.low)
        look = {"fill": pen.palette.ink, "fill-opacity": "0.12"}
        pen.block(left, top, (max(right - left, 1), max(bottom - top, 0.5)), look)
        pen.rule(
            f"M{short(left)} {short(frame.y(level.value))}H{short(max(right, left + 1))}", pen.palette.ink
        )


def _slopes(pen: Pen, frame: Frame, chart: RunChart, xs: Sequence[float]) -> None:
    for slope in chart.slopes:
        begin, end = frame.y(slope.begin), frame.y(slope.end)
        path = f"M{short(xs[slope.first])} {short(begin)}L{short(xs[slope.last])} {short(end)}"
        pen.rule(path, pen.palette.ink)


def _color(palette: Palette, kind: MarkKind) -> str:
    """Its sign says the same."""
    known: Mapping[MarkKind, str] = {
        "slower": palette.bad,
        "drift": palette.bad,
        "faster": palette.good,
        "acknowledged": palette.quiet,
        "boundary": palette.ink,
    }
    return known[kind]


def _marks(pen: Pen, frame: Frame, marks: Sequence[RunMark], xs: Sequence[float]) -> None:
    """A line each, dashed where conditions changed; letters as far as they do not cover each other."""
    for mark, line in zip(marks, _lines(marks, xs), strict=True):
        x, color = xs[mark.at], _color(pen.palette, mark.kind)
        dashes = {"stroke-dasharray": "4 3"} if mark.kind == "boundary" else {}
        if mark.kind != "drift":  # of which no run is the first
            pen.rule(f"M{short(x)} {short(frame.top - 2)}V{short(frame.bottom)}", color, dashes)
        if line is not None:
            middle = _middle(mark, x)
            look = {"text-anchor": "middle", "fill": color}
            pen.text(middle, frame.top - 9 - 13 * line, mark.label, look)


def _middle(mark: RunMark, x: float) -> float:
    """Of its letters, which stay within the picture and right of the unit."""
    half = _LETTER * len(mark.label) / 2
    return min(max(x, _LEFT + half), WIDTH - half)


def _lines(marks: Sequence[RunMark], xs: Sequence[float]) -> Iterator[int | None]:
    """On which line above the chart the letters of each mark stand; None where there is no room."""
    ends = [0.0] * _LINES
    for mark in marks:
        half = _LETTER * len(mark.label) / 2
        left = _middle(mark, xs[mark.at]) - half
        line = next((at for at, end in enumerate(ends) if left >= end + 4), None)
        if line is not None:
            ends[line] = left + 2 * half
        yield line
