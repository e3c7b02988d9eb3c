"""The chart of an answer as SVG: inside a page in the page's colors, or a file for light or dark paper.

Bars of several series differ in fill as well as in color, and every bar has its value beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from msgspec import Struct

from reports.cells import Quantity, brief
from reports.document import BarChart, BarRow
from reports.drawing.palette import COLORS, ON_DARK

WIDE, NARROW = 720, 340
"""Pixels: of a desk and of a phone. Of a narrow chart each name stands above its bars."""
_FONT_SIZE, _LETTER, _SIGN = 13, 7.8, 8.4
"""Pixels: about the widths of a letter and of a digit or sign of this size, in a wide font."""
_BAR, _GAP, _ROW_GAP, _LINE, _SWATCH = 14, 3, 10, 20, 12
_CAP = 3.5
"""Half the length of the line that ends an interval."""
_WIDEST_NAMES = 0.4
"""Names that take a larger share of the width stand above their bars."""


class Palette(Struct, frozen=True):
    """The colors of a chart; without `paper` it lies on what is there."""

    ink: str
    quiet: str
    series: tuple[str, ...]
    paper: str = ""


OF_THE_PAGE = Palette("currentColor", "var(--quiet)", tuple(f"var(--series-{n})" for n in range(len(COLORS))))
SCHEMES: Mapping[str, Palette] = {
    "light": Palette("#1b1f24", "#59636e", COLORS, "#ffffff"),
    "dark": Palette("#e3e6ea", "#9ba5af", ON_DARK, "#14171a"),
}


def in_words(chart: BarChart) -> str:
    """What the chart shows, for those who do not see it: every name with its values."""
    return _printable(f"{chart.title}: {'; '.join(_row_in_words(chart, row) for row in chart.rows)}.")


def file_name(scheme: str) -> str:
    """No plot is called so."""
    return f"answer-{scheme}.svg"


def files(chart: BarChart) -> dict[str, str]:
    """Color scheme -> a whole SVG file."""
    return {scheme: draw(chart, palette, is_file=True) for scheme, palette in SCHEMES.items()}


def draw(chart: BarChart, palette: Palette, width: int = WIDE, *, is_file: bool = False) -> str:
    """An `<svg>` element of this width in pixels; a file also holds the title."""
    root = Element("svg", {"role": "img", "aria-label": in_words(chart)})
    margin = 12 if is_file else 0
    pen = _Pen(root, palette, margin, width - margin)
    if is_file:
        root.set("xmlns", "http://www.w3.org/2000/svg")
        root.set("font-family", "system-ui, sans-serif")
        root.set("width", str(width))
        paper = SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": palette.paper})
        pen.text(margin, pen.line(), chart.title, {"font-weight": "600"})
    root.set("font-size", str(_FONT_SIZE))
    _legend(pen, chart)
    _rows(pen, chart)
    height = round(pen.down + margin)
    root.set("viewBox", f"0 0 {width} {height}")
    if is_file:
        root.set("height", str(height))
        paper.set("rx", "6")
    return ElementTree.tostring(root, encoding="unicode") + ("\n" if is_file else "")


class _Pen:
    """Where on the picture the next line goes, between `left` and `right`."""

    def __init__(self, root: Element, palette: Palette, left: float, right: float) -> None:
        self.root, self.palette = root, palette
        self.left, self.right = left, right
        self.down: float = left

    def line(self) -> float:
        """The middle of a new line of text."""
        self.down += _LINE
        return self.down - _LINE / 2

    def text(self, x: float, y: float, words: str, more: Mapping[str, str] | None = None) -> None:
        found = {"x": _short(x), "y": _short(y), "dy": "0.35em", "fill": self.palette.ink, **(more or {})}
        SubElement(self.root, "text", found).text = _printable(words)

    def rule(self, path: str, color: str) -> None:
        found = {"d": path, "stroke": color, "stroke-width": "1.4", "fill": "none"}
        SubElement(self.root, "path", found)

    def block(self, x: float, y: float, size: tuple[float, float], look: Mapping[str, str]) -> None:
        place = dict(zip(("x", "y", "width", "height"), map(_short, (x, y, *size)), strict=True))
        SubElement(self.root, "rect", {**place, **look})


def _look(palette: Palette, at: int, series: int) -> dict[str, str]:
    """How the bars of a series are filled: of several the first is pale, the second full, the third empty."""
    color = palette.series[at % len(palette.series)]
    filled = 1.0 if series == 1 else (0.22, 1.0, 0.0)[at % 3]
    return {"fill": color, "fill-opacity": f"{filled:g}", "stroke": color, "stroke-width": "1.4"}


def _legend(pen: _Pen, chart: BarChart) -> None:
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


def _rows(pen: _Pen, chart: BarChart) -> None:
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
        pen.rule(f"M{_short(zero)} {_short(top - 1)}V{_short(bottom + 1)}", pen.palette.quiet)
        pen.down += _ROW_GAP - _GAP


def _bar(pen: _Pen, zero: float, bar: Quantity, scale: float, look: Mapping[str, str]) -> None:
    """A bar with its whisker and value, and the step down to the next."""
    middle = pen.down + _BAR / 2
    if _is_drawn(bar):
        pen.block(zero, pen.down, (max(bar.value * scale, 1), _BAR), look)
        _whisker(pen, zero, middle, bar, scale)
    pen.text(zero + _end(bar) * scale + 8, middle, brief(bar))
    pen.down += _BAR + _GAP


def _whisker(pen: _Pen, zero: float, middle: float, bar: Quantity, scale: float) -> None:
    if bar.across is None:
        return
    low, high = (_short(zero + max(end, 0) * scale) for end in bar.across)
    cap = f"{_short(middle - _CAP)}V{_short(middle + _CAP)}"
    pen.rule(f"M{low} {cap}M{low} {_short(middle)}H{high}M{high} {cap}", pen.palette.ink)


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


def _short(number: float) -> str:
    return f"{number:.1f}"


def _printable(text: str) -> str:
    """XML cannot hold control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
