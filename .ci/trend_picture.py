"""Draws a trend of planted nights as the page of `convbench trend` shows it, for light and for dark pages.

    python .ci/trend_picture.py docs/img/trend

writes docs/img/trend.svg and docs/img/trend-dark.svg, which load nothing from elsewhere. The nights are
planted, so that what is found can be held against what is there; the picture says so.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from reports.document import Document
    from reports.drawing.chart_pen import Palette

WIDTH, MARGIN, GAP = 920, 20, 30
LINE, FONT, LETTERS = 20, 13, 125
CHARTS = 6
"""The first of the page."""
CAPTION = (
    "Planted, not measured: VGG-16 +3.1% on 16 April with a new driver, AlexNet +1.5% on 2 March,",
    "VGG-19 -5% on 17 March, VGG-11 +0.04% a night, single nights of VGG-13. convbench trend found:",
)


def planted() -> Document:
    """Of eight cases two step, one with a new driver; one gets faster, one drifts, one has outliers."""
    from reports.over_time import found_trend, trend_report
    from tests.planted import archived_nights
    from tests.planted.planted_nights import PlantedNights

    nights = PlantedNights(
        nights=150,
        cases=8,
        samples=5,
        steps={(4, 105): 0.031, (1, 60): 0.015, (5, 75): -0.05},
        drifts={2: 0.0004},
        outliers={(3, 40): 0.04, (3, 118): 0.035},
        missing=frozenset({30, 31, 32, 90}),
        drivers={105: "560.1"},
        commits={60: "def5678", 75: "0123abc"},
    )
    with tempfile.TemporaryDirectory() as folder:
        archive = archived_nights.archive(nights, Path(folder))
        return trend_report.document(found_trend.found_trend(archive))


def picture(document: Document, palette: Palette) -> str:
    """The headlines, and the first charts in two columns."""
    from reports.drawing import run_chart_svg

    assert document.answer is not None
    assert document.charts is not None
    width = (WIDTH - 2 * MARGIN - GAP) / 2
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "width": str(WIDTH)})
    root.attrib |= {"font-family": "system-ui, sans-serif", "font-size": str(FONT)}
    SubElement(root, "title").text = f"{document.title}. {' '.join(CAPTION)}"
    frame = {"width": "100%", "height": "100%", "rx": "8", "fill": palette.paper}
    SubElement(root, "rect", frame)
    down = _lines(root, CAPTION, MARGIN, palette.quiet) + LINE / 4
    down = _lines(root, document.answer.headlines, down, palette.ink) + LINE / 2
    scale = width / run_chart_svg.WIDTH
    for at, chart in enumerate(document.charts.charts[:CHARTS]):
        left = MARGIN + (width + GAP) * (at % 2)
        title = {"font-weight": "600", "fill": palette.ink, "x": f"{left:g}", "y": f"{down + LINE / 2:g}"}
        SubElement(root, "text", title).text = chart.title
        drawn = ElementTree.fromstring(run_chart_svg.draw(chart, document.charts.runs.seconds, palette))
        size = {"width": f"{width:g}", "height": f"{run_chart_svg.HEIGHT * scale:g}"}
        drawn.attrib |= {"x": f"{left:g}", "y": f"{down + LINE / 2:g}", **size}
        root.append(drawn)
        if at % 2:
            down += run_chart_svg.HEIGHT * scale + 1.5 * LINE
    height = f"{down:g}"
    root.attrib |= {"height": height, "viewBox": f"0 0 {WIDTH} {height}"}
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _lines(root: Element, texts: Sequence[str], down: float, color: str) -> float:
    """Below each other, a long one on two lines; where the next line goes."""
    for line in (line for text in texts for line in textwrap.wrap(text, LETTERS)):
        down += LINE
        SubElement(root, "text", {"x": str(MARGIN), "y": f"{down - 6:g}", "fill": color}).text = line
    return down


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from reports.drawing.chart_pen import SCHEMES

    document = planted()
    for scheme, ending in (("light", ""), ("dark", "-dark")):
        Path(f"{sys.argv[1]}{ending}.svg").write_text(picture(document, SCHEMES[scheme]), encoding="utf-8")


if __name__ == "__main__":
    main()
