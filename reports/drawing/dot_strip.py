"""A dot chart as SVG: dots that stand on each other where they are alike, and names for those that stand out.

All dots of one color are one path: a fleet has thousands, and an element for each would fill the page.
"""

from __future__ import annotations

from bench.schema.plain_text import printable
from reports.dot_chart import Dot, DotChart
from reports.drawing.axis_ticks import ticks
from reports.drawing.chart_pen import LINE, WIDE, Palette, Pen, short

_DOT, _PITCH = 5.0, 6.0
"""Pixels: across a dot, and from one to its neighbor."""
_HIGHEST = 130.0
"""Pixels: higher piles are pressed together."""
_LETTER, _LETTERS_A_TICK = 7.8, 60
_USUAL, _OUTSTANDING = 0, 1
"""Colors of the palette; what stands out is also larger and has its name."""
MOST_NAMED = 8
"""Names of more would cover each other: the others are in the tables."""


def in_words(chart: DotChart) -> str:
    """What the chart shows, for those who do not see it."""
    within = [dot.value for dot in chart.dots if dot.value <= chart.margin]
    beyond = sorted((dot for dot in chart.dots if dot.value > chart.margin), key=lambda dot: -dot.value)
    parts = []
    if within:
        ends = f"from {_number(min(within))} to {_number(max(within))}"
        parts.append(f"{_how_many(chart, len(within))} {ends}, below the margin of {_number(chart.margin)}")
    parts += [f"{dot.name or chart.what} {_number(dot.value)}" for dot in beyond[:MOST_NAMED]]
    if len(beyond) > MOST_NAMED:
        parts.append(f"{_how_many(chart, len(beyond) - MOST_NAMED)} more above the margin")
    return printable(f"{chart.title}: {'; '.join(parts) or 'no figure'}.")


def draw(chart: DotChart, palette: Palette, width: int = WIDE, *, is_file: bool = False) -> str:
    """An `<svg>` element of this width in pixels; a file also holds the title."""
    pen = Pen(palette, width, in_words(chart), title=chart.title if is_file else None)
    scale = _Scale(chart, pen)
    named = sorted((dot for dot in chart.dots if dot.name), key=lambda dot: -dot.value)[:MOST_NAMED]
    for dot in named:
        _name(pen, scale, dot)
    piles = _piles(chart, scale)
    highest = max(map(len, piles.values()), default=1)
    pitch = min(_PITCH, _HIGHEST / highest)
    floor = pen.down + highest * pitch + _PITCH
    _rule_at(pen, scale(0.0), floor, pen.palette.quiet)
    _rule_at(pen, scale(chart.margin), floor, pen.palette.series[_OUTSTANDING])
    _dots(pen, piles, floor, pitch)
    pen.rule(f"M{short(pen.left)} {short(floor)}H{short(pen.right)}", pen.palette.quiet)
    pen.down = floor + 2
    _numbers(pen, scale, chart)
    return pen.drawn()


class _Scale:
    """Values to pixels; the outermost dots lie within the picture."""

    def __init__(self, chart: DotChart, pen: Pen) -> None:
        self.low, self.high = chart.ends
        self._left, self._room = pen.left + _DOT, pen.right - pen.left - 2 * _DOT

    def __call__(self, value: float) -> float:
        return self._left + (value - self.low) / (self.high - self.low) * self._room


def _piles(chart: DotChart, scale: _Scale) -> dict[tuple[int, bool], list[Dot]]:
    """The dots that would cover each other, by their column and whether they stand out."""
    piles: dict[tuple[int, bool], list[Dot]] = {}
    for dot in chart.dots:
        piles.setdefault((round(scale(dot.value) / _PITCH), bool(dot.name)), []).append(dot)
    return piles


def _dots(pen: Pen, piles: dict[tuple[int, bool], list[Dot]], floor: float, pitch: float) -> None:
    """A stroke of no length with round ends is a dot. A style: that of a page wins over attributes."""
    for stands_out, color, across in ((False, _USUAL, _DOT), (True, _OUTSTANDING, _DOT + 2)):
        strokes = "".join(
            f"M{short(column * _PITCH)} {short(floor - _PITCH / 2 - at * pitch)}h0"
            for (column, out), pile in sorted(piles.items(), key=lambda item: item[0])
            if out == stands_out
            for at in range(len(pile))
        )
        if strokes:
            look = {"stroke-width": short(across), "style": "stroke-linecap:round"}
            pen.rule(strokes, pen.palette.series[color], look)


def _name(pen: Pen, scale: _Scale, dot: Dot) -> None:
    """On a line of its own, ending at its dot where it would not fit behind it."""
    words, at = f"{dot.name} {_number(dot.value)}", scale(dot.value)
    fits = at + _LETTER * len(words) < pen.right
    pen.text(at if fits else pen.right, pen.line(), words, {} if fits else {"text-anchor": "end"})


def _rule_at(pen: Pen, x: float, floor: float, color: str) -> None:
    pen.rule(f"M{short(x)} {short(pen.down)}V{short(floor)}", color, {"stroke-dasharray": "3 3"})


def _numbers(pen: Pen, scale: _Scale, chart: DotChart) -> None:
    """Of the axis, and the word for the margin on the line below."""
    most = max(2, int((pen.right - pen.left) / _LETTERS_A_TICK))
    middle = pen.line()
    for value in ticks(scale.low, scale.high, most):
        pen.text(scale(value), middle, f"{value:g}", {"text-anchor": "middle", "fill": pen.palette.quiet})
    x = min(scale(chart.margin), pen.right - _LETTER * len("margin") / 2)
    color = {"text-anchor": "middle", "fill": pen.palette.series[_OUTSTANDING]}
    pen.text(x, middle + LINE * 0.8, "margin", color)
    pen.down += LINE * 0.8


def _how_many(chart: DotChart, count: int) -> str:
    return f"{count:,} {chart.what}{'' if count == 1 else 's'}"


def _number(value: float) -> str:
    """With the decimal that matters beside a margin of a few percent."""
    return f"{value:.1f}"
