"""A dot chart as SVG: where the dots stand, what is named, and the same in words."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from reports.dot_chart import Dot, DotChart
from reports.drawing import answer_chart, chart_pen, dot_strip

FLEET = DotChart(
    title="Slower, %",
    what="GPU",
    dots=(Dot(0.0), Dot(0.0), Dot(-1.0), Dot(1.0), Dot(5.0, "node5 <GPU> 3")),
    margin=3.0,
)


def drawn(chart: DotChart, width: int = chart_pen.WIDE) -> Element:
    return ElementTree.fromstring(dot_strip.draw(chart, chart_pen.OF_THE_PAGE, width))


def dots(svg: Element) -> list[tuple[str, float, float]]:
    """Color, x and y of each."""
    return [
        (path.get("stroke", ""), float(x), float(y))
        for path in svg.iter("path")
        for x, y in re.findall(r"M(\S+) (\S+?)h0", path.get("d", ""))
    ]


def test_each_dot_is_drawn_once_and_alike_ones_stand_on_each_other() -> None:
    found = dots(drawn(FLEET))
    assert len(found) == 5
    lower, upper = sorted(y for _, x, y in found if x == found[1][1])
    assert upper - lower == pytest.approx(6.0)


def test_what_has_a_name_has_another_color_and_is_named_with_its_value() -> None:
    svg = drawn(FLEET)
    usual, outstanding = (chart_pen.OF_THE_PAGE.series[at] for at in (0, 1))
    assert [color for color, _, _ in dots(svg)] == [usual] * 4 + [outstanding]
    assert "node5 <GPU> 3 5.0" in [text.text for text in svg.iter("text")]


@pytest.mark.parametrize("width", [chart_pen.WIDE, chart_pen.NARROW])
def test_all_dots_lie_within_the_picture(width: int) -> None:
    many = DotChart(title="T", what="GPU", dots=tuple(Dot(at % 7 / 2) for at in range(5_000)), margin=3.0)
    svg = drawn(many, width)
    height = float(svg.get("viewBox", "").split()[3])
    found = dots(svg)
    assert len(found) == 5_000
    assert all(0 <= x <= width and 0 <= y <= height for _, x, y in found)


def test_a_fleet_of_thousands_needs_few_elements() -> None:
    many = DotChart(title="T", what="GPU", dots=tuple(Dot(at / 1e4) for at in range(8_000)), margin=3.0)
    assert len(list(drawn(many).iter())) < 40


def test_the_words_say_what_the_picture_shows() -> None:
    words = "Slower, %: 4 GPUs from -1.0 to 1.0, below the margin of 3.0; node5 <GPU> 3 5.0."
    assert answer_chart.in_words(FLEET) == words
    assert drawn(FLEET).get("aria-label") == words


def test_a_file_has_its_title_and_a_background() -> None:
    for scheme, text in answer_chart.files(FLEET).items():
        svg = ElementTree.fromstring(text)
        assert "Slower, %" in [each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")]
        assert chart_pen.SCHEMES[scheme].paper in text
