"""The samples of one row of a table as a small SVG in the page's colors: a line for each process."""

from __future__ import annotations

import math
from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from bench.stats.estimates import median
from reports.document import Series

_WIDTH, _MARGIN = 300, 8
_LANE, _TICK, _DOT, _AXIS = 12, 8, 3, 18
"""Pixels: the height of a process and of a sample in it, the radius of its median, the line of numbers."""
_FONT_SIZE = 11
_COLOR = "var(--series-0)"
_WIDE = 2.0
"""Samples that differ by more than this factor stand on a logarithmic axis."""


def in_words(series: Series) -> str:
    """`3 processes: medians -1% to +2% of the figure, samples -3% to +40%.`"""
    lanes = _lanes(series)
    medians = [median(samples) for samples in lanes]
    count = "1 process: median" if len(lanes) == 1 else f"{len(lanes)} processes: medians"
    return f"{count} {_range(medians)} from the figure, samples {_range(list(series.x))}."


def draw(series: Series) -> str:
    """An `<svg>` element; `in_words` stands beside it, so it is hidden from screen readers."""
    lanes = _lanes(series)
    height = _LANE * len(lanes) + _AXIS
    root = Element("svg", {"viewBox": f"0 0 {_WIDTH} {height}", "aria-hidden": "true"})
    ends = (min(1.0, *series.x), max(1.0, *series.x))
    place = _scale(*ends)
    bottom = _LANE * len(lanes)
    _line(root, f"M{place(1.0):.1f} 0V{bottom}", "var(--quiet)", "0.8", {"stroke-dasharray": "2 2"})
    for at, samples in enumerate(lanes):
        middle = _LANE * (at + 0.5)
        span = f"M{place(min(samples)):.1f} {middle:g}H{place(max(samples)):.1f}"
        ticks = "".join(f"M{place(x):.1f} {middle - _TICK / 2:g}v{_TICK}" for x in samples)
        _line(root, span + ticks, _COLOR, "0.8", {"opacity": "0.65"})
        dot = {"cx": f"{place(median(samples)):.1f}", "cy": f"{middle:g}", "r": str(_DOT), "fill": _COLOR}
        SubElement(root, "circle", dot)
    for end, anchor in zip(ends, ("start", "end"), strict=True):
        at_x = _MARGIN if anchor == "start" else _WIDTH - _MARGIN
        words = {"x": str(at_x), "y": str(height - 4), "text-anchor": anchor, "font-size": str(_FONT_SIZE)}
        SubElement(root, "text", words).text = _percent(end)
    return ElementTree.tostring(root, encoding="unicode")


def _lanes(series: Series) -> list[list[float]]:
    """The samples of each process."""
    lanes: dict[float, list[float]] = {}
    for x, process in zip(series.x, series.y, strict=True):
        lanes.setdefault(process, []).append(x)
    return list(lanes.values())


def _scale(low: float, high: float) -> Callable[[float], float]:
    """Samples -> pixels."""
    across = _WIDTH - 2 * _MARGIN
    if low == high:
        return lambda _: _WIDTH / 2
    if 0 < _WIDE * low < high:
        return lambda x: _MARGIN + across * math.log(x / low) / math.log(high / low)
    return lambda x: _MARGIN + across * (x - low) / (high - low)


def _line(root: Element, path: str, color: str, width: str, more: dict[str, str]) -> None:
    SubElement(root, "path", {"d": path, "stroke": color, "stroke-width": width, "fill": "none", **more})


def _range(ratios: list[float]) -> str:
    low, high = _percent(min(ratios)), _percent(max(ratios))
    return low if low == high else f"{low} to {high}"


def _percent(ratio: float) -> str:
    """`+12%`; with a decimal below ten."""
    percent = 100 * (ratio - 1)
    return f"{percent:+,.0f}%" if abs(percent) >= 10 else f"{percent:+.1f}%"
