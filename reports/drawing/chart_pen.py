"""What draws the chart of an answer as SVG: a pen, and the colors of a page or of light and dark paper."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from msgspec import Struct

from bench.schema.plain_text import printable
from reports.drawing.palette import COLORS, ON_DARK

WIDE, NARROW = 720, 340
"""Pixels: of a desk and of a phone. Of a narrow chart each name stands above its bars."""
FONT_SIZE, LINE = 13, 20
_FILE_MARGIN = 12


class Palette(Struct, frozen=True, kw_only=True):
    """The colors of a chart; without `paper` it lies on what is there. Letters are readable in all but those
    of series."""

    ink: str
    quiet: str
    bad: str
    good: str
    series: tuple[str, ...]
    paper: str = ""


OF_THE_PAGE = Palette(
    ink="currentColor",
    quiet="var(--quiet)",
    bad="var(--bad)",
    good="var(--good)",
    series=tuple(f"var(--series-{n})" for n in range(len(COLORS))),
)
SCHEMES: Mapping[str, Palette] = {
    "light": Palette(
        ink="#1b1f24", quiet="#59636e", bad="#b3261e", good="#1a6b34", series=COLORS, paper="#ffffff"
    ),
    "dark": Palette(
        ink="#e3e6ea", quiet="#9ba5af", bad="#ff9a90", good="#6fd08c", series=ON_DARK, paper="#14171a"
    ),
}


class Pen:
    """Where on the picture the next line goes, between `left` and `right`."""

    def __init__(self, palette: Palette, width: int, words: str, *, title: str | None = None) -> None:
        """`words` are the picture's text alternative; one with a `title` is a file of its own."""
        self.root = Element("svg", {"role": "img", "aria-label": words})
        self.palette, self._width, self._is_file = palette, width, title is not None
        self._margin = _FILE_MARGIN if self._is_file else 0
        self.left, self.right = float(self._margin), float(width - self._margin)
        self.down = float(self._margin)
        if title is not None:
            self.root.set("xmlns", "http://www.w3.org/2000/svg")
            self.root.set("font-family", "system-ui, sans-serif")
            self.root.set("width", str(width))
            paper = {"width": "100%", "height": "100%", "fill": palette.paper, "rx": "6"}
            SubElement(self.root, "rect", paper)
            self.text(self._margin, self.line(), title, {"font-weight": "600"})
        self.root.set("font-size", str(FONT_SIZE))

    def drawn(self) -> str:
        """The element, as high as what it holds."""
        height = round(self.down + self._margin)
        self.root.set("viewBox", f"0 0 {self._width} {height}")
        if self._is_file:
            self.root.set("height", str(height))
        return ElementTree.tostring(self.root, encoding="unicode") + ("\n" if self._is_file else "")

    def line(self) -> float:
        """The middle of a new line of text."""
        self.down += LINE
        return self.down - LINE / 2

    def text(self, x: float, y: float, words: str, more: Mapping[str, str] | None = None) -> None:
        found = {"x": short(x), "y": short(y), "dy": "0.35em", "fill": self.palette.ink, **(more or {})}
        SubElement(self.root, "text", found).text = printable(words)  # XML cannot hold control characters

    def rule(self, path: str, color: str, more: Mapping[str, str] | None = None) -> None:
        found = {"d": path, "stroke": color, "stroke-width": "1.4", "fill": "none", **(more or {})}
        SubElement(self.root, "path", found)

    def block(self, x: float, y: float, size: tuple[float, float], look: Mapping[str, str]) -> None:
        place = dict(zip(("x", "y", "width", "height"), map(short, (x, y, *size)), strict=True))
        SubElement(self.root, "rect", {**place, **look})


def short(number: float) -> str:
    return f"{number:.1f}"
