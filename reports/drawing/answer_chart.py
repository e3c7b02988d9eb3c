"""The chart of an answer, whichever kind it is: as lines of text, as SVG in a page, as files, in words."""

from __future__ import annotations

from collections.abc import Iterator

from reports.bar_rows import BarChart
from reports.dot_chart import DotChart
from reports.drawing import bar_chart, dot_strip, text_bars, text_dots
from reports.drawing.chart_pen import SCHEMES, WIDE, Palette

Chart = BarChart | DotChart


def lines(chart: Chart, width: int) -> Iterator[str]:
    """In plain text of so many columns, the title first."""
    return text_bars.lines(chart, width) if isinstance(chart, BarChart) else text_dots.lines(chart, width)


def in_words(chart: Chart) -> str:
    """What the chart shows, for those who do not see it."""
    return bar_chart.in_words(chart) if isinstance(chart, BarChart) else dot_strip.in_words(chart)


def draw(chart: Chart, palette: Palette, width: int = WIDE, *, is_file: bool = False) -> str:
    """An `<svg>` element of this width in pixels; a file also holds the title."""
    if isinstance(chart, BarChart):
        return bar_chart.draw(chart, palette, width, is_file=is_file)
    return dot_strip.draw(chart, palette, width, is_file=is_file)


def file_name(scheme: str) -> str:
    """No plot is called so."""
    return f"answer-{scheme}.svg"


def files(chart: Chart) -> dict[str, str]:
    """Color scheme -> a whole SVG file."""
    return {scheme: draw(chart, palette, is_file=True) for scheme, palette in SCHEMES.items()}
