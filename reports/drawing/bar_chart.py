"""A chart of bars as SVG: inside a page in the page's colors, or a file for light or dark paper.

Bars of several series differ in fill as well as in color, and every bar has its value beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.schema.plain_text import printable
from reports.bar_rows import BarChart, BarRow
from reports.cells import Quantity, brief
from reports.drawing.chart_pen import WIDE, Palette, Pen, short

_LETTER, _SIGN = 7.8, 8.4
"""Pixels: about the widths of a letter and of a digit or sign, in a wide font."""
_BAR, _GAP, _ROW_GAP, _SWATCH = 14, 3, 10, 12
_CAP = 3.5
"""Half the length of the line that ends an interval."""
_WIDEST_NAMES = 0.4
"""Names that take a larger share of the width stand above their bars."""


def in_words(chart: BarChart) -> str:
    """What the chart shows, for those who do not see it: every name with its values."""
    return printable(f"{chart.title}: {'; '.join(_row_in_words(chart, row) for row in chart.rows)}.")


def draw(chart: BarChart, palette: Palette, width: int = WIDE, *, is_file: bool = False) -> str:
    """An `<svg>` element of this width in pixels; a file also holds the title."""
    pen = Pen(palette, width, in_words(chart), title=chart.title if is_file else None)
    _legend(pen, chart)
    _rows(pen, chart)
    return pen.drawn()


def _look(palette: Palette, at: int, series: int) -> dict[str, str]:
    """How the bars of a series are filled: of several the first is pale, the second full, the third empty."""
    color = palette.series[at % len(palette.series)]
    filled = 1.0 if series == 1 else (0.22, 1.0, 0.0)[at % 3]
    return {"fill": color, "fill-opacity": f"{filled:g}", "stroke": color, "stroke-width": "1.4"}


def _legend(pen: Pen, chart: BarChart) -> None:
    """What the fills mean, on one line if it has room; nothing for one series."""
    if len(chart.series) == 1:
        return
    needed = [_SWATCH + 6 + _LETTER * len(name) + 18 for name in chart.series]
    in_a_line = sum(needed) <= pen.right - pen.left
    x, y = pen.left, pen.line()
    for at, name in enumerate(chart.series):
        if at and not in_a_line:
            x, y = pen.left, pen.line()
        pen.block(x + 1, y - _SWATCH / 2, (_SWATCH, _SWATCH), _look(pen.palette, at, len(chart.series)))
        pen.text(x + _SWATCH + 6, y, name)
        x += needed[at]
    pen.down += 6


def _rows(pen: Pen, chart: BarChart) -> None:
    """All bars begin at one line, which stands for zero."""
    values = [brief(bar) for row in chart.rows for bar in row.bars if bar is not None]
    names = _LETTER * max((len(row.label) for row in chart.rows), default=0) + 10
    is_stacked = pen.right < WIDE / 2 or names > _WIDEST_NAMES * (pen.right - pen.left)
    zero = pen.left + (1 if is_stacked else names)
    room = pen.right - zero - _SIGN * max(map(len, values), default=0) - 16
    longest = max((_end(bar) for row in chart.rows for bar in row.bars), default=0.0)
    scale = max(room, 20) / longest if longest > 0 else 0.0
    for row in chart.rows:
        if is_stacked:
            pen.text(pen.left, pen.line(), row.label)
        top = pen.down
        for at, bar in enumerate(row.bars):
            if bar is not None:
                _bar(pen, zero, bar, scale, _look(pen.palette, at, len(chart.series)))
        pen.down = max(pen.down, top + _BAR + _GAP)
        bottom = pen.down - _GAP
        if not is_stacked:
            pen.text(pen.left, (top + bottom) / 2, row.label)
        pen.rule(f"M{short(zero)} {short(top - 1)}V{short(bottom + 1)}", pen.palette.quiet)
        pen.down += _ROW_GAP - _GAP


def _bar(pen: Pen, zero: float, bar: Quantity, scale: float, look: Mapping[str, str]) -> None:
    """A bar with its whisker and value, and the step down to the next."""
    middle = pen.down + _BAR / 2
    if _is_drawn(bar):
        pen.block(zero, pen.down, (max(bar.value * scale, 1), _BAR), look)
        _whisker(pen, zero, middle, bar, scale)
    pen.text(zero + _end(bar) * scale + 8, middle, brief(bar))
    pen.down += _BAR + _GAP


def _whisker(pen: Pen, zero: float, middle: float, bar: Quantity, scale: float) -> None:
    if bar.across is None:
        return
    low, high = (short(zero + max(end, 0) * scale) for end in bar.across)
    cap = f"{short(middle - _CAP)}V{short(middle + _CAP)}"
    pen.rule(f"M{low} {cap}M{low} {short(middle)}H{high}M{high} {cap}", pen.palette.ink)


def _is_drawn(bar: Quantity) -> bool:
    return bar.is_resolved and not bar.unresolved


def _end(bar: Quantity | None) -> float:
    """How far a bar reaches, with its whisker."""
    if bar is None or not _is_drawn(bar):
        return 0.0
    return max(bar.value, bar.across[1] if bar.across else 0.0)


def _row_in_words(chart: BarChart, row: BarRow) -> str:
    named = zip(chart.series, row.bars, strict=True)
    values = (f"{name} {brief(bar)}".strip() for name, bar in named if bar is not None)
    return f"{row.label} {', '.join(values) or 'no figure'}"
