"""The chart of an answer: bars from zero, intervals as whiskers, and every value also in words."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from markdown_it import MarkdownIt
from msgspec import structs

from reports import formats
from reports.bar_rows import BarChart, BarRow
from reports.cells import Quantity
from reports.drawing import answer_chart, bar_chart, chart_pen, plots
from reports.drawing.palette import COLORS, ON_DARK
from tests.planted.planted_answer import CHART, document

ONE = BarChart(
    title="ms",
    rows=(
        BarRow("a", (Quantity(value=10.0, low=9.5, high=10.5),)),
        BarRow("b", (Quantity(value=5.0, low=4.8, high=5.2),)),
        BarRow("c", (Quantity(value=20.0, low=2.0, high=200.0),)),
    ),
)


def drawn(chart: BarChart, width: int = chart_pen.WIDE) -> Element:
    return ElementTree.fromstring(bar_chart.draw(chart, chart_pen.OF_THE_PAGE, width))


def bars(svg: Element) -> list[Element]:
    return [rect for rect in svg.iter("rect") if rect.get("height") == "14.0"]


def whiskers(svg: Element) -> list[tuple[float, float]]:
    """Where each begins and ends."""
    found = (re.fullmatch(r"M(\S+) .*H(\S+)M.*", path.get("d", "")) for path in svg.iter("path"))
    return [(float(match[1]), float(match[2])) for match in found if match]


def test_lengths_stand_to_each_other_as_the_values_do_and_all_begin_at_one_place() -> None:
    first, second = bars(drawn(ONE))
    assert first.get("x") == second.get("x")
    assert float(first.get("width", 0)) == pytest.approx(2 * float(second.get("width", 0)), rel=0.01)


def test_a_whisker_reaches_from_one_end_of_the_interval_to_the_other() -> None:
    svg = drawn(ONE)
    zero, width = (float(bars(svg)[0].get(key, 0)) for key in ("x", "width"))
    low, high = whiskers(svg)[0]
    assert (low - zero) / width == pytest.approx(0.95, abs=0.005)
    assert (high - zero) / width == pytest.approx(1.05, abs=0.005)


def test_what_is_not_resolved_has_words_and_neither_bar_nor_whisker() -> None:
    svg = drawn(ONE)
    assert len(bars(svg)) == len(whiskers(svg)) == 2
    assert any((text.text or "").startswith("not resolved") for text in svg.iter("text"))


def test_one_process_has_no_whisker() -> None:
    of_one = Quantity(value=3.0, low=2.9, high=3.1, of_one=True)
    svg = drawn(structs.replace(ONE, rows=(BarRow("a", (of_one,)),)))
    assert (len(bars(svg)), whiskers(svg)) == (1, [])


@pytest.mark.parametrize("width", [chart_pen.WIDE, chart_pen.NARROW])
def test_series_differ_by_more_than_their_color_and_have_a_legend(width: int) -> None:
    svg = drawn(CHART, width)
    assert len({bar.get("fill-opacity") for bar in bars(svg)}) == 2
    texts = [text.text for text in svg.iter("text")]
    assert texts[:2] == list(CHART.series)
    assert not {"", *CHART.series} & {text.text for text in drawn(ONE, width).iter("text")}


@pytest.mark.parametrize("width", [chart_pen.WIDE, chart_pen.NARROW])
def test_nothing_reaches_beyond_the_picture(width: int) -> None:
    svg = drawn(CHART, width)
    _, _, right, bottom = map(float, svg.get("viewBox", "").split())
    assert right == width
    assert max(float(bar.get("x", 0)) + float(bar.get("width", 0)) for bar in bars(svg)) < right - 40
    assert max(float(text.get("y", 0)) for text in svg.iter("text")) < bottom


def test_the_words_have_every_name_and_value() -> None:
    assert bar_chart.in_words(CHART) == (
        "Milliseconds per image: AlexNet inference fp32 eager 9.1 ±3%, fastest found 1.20 †; VGG-16 "
        "inference fp32 eager 151 ±2.6%; VGG-11 training fp32 eager not resolved "
        "(50 to 900), fastest found 81.0."
    )
    assert drawn(CHART).get("aria-label") == bar_chart.in_words(CHART)


def test_files_are_whole_and_in_the_colors_of_their_scheme() -> None:
    found = answer_chart.files(CHART)
    assert list(found) == ["light", "dark"]
    for text, color in zip(found.values(), (COLORS[0], ON_DARK[0]), strict=True):
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert color in text
        assert CHART.title in text
        assert "var(" not in text
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_markup_and_control_characters_in_names_are_text() -> None:
    planted = structs.replace(ONE, title="<t>\x07", rows=(BarRow('<b>"&\x07', ONE.rows[0].bars),))
    for text in (*answer_chart.files(planted).values(), bar_chart.draw(planted, chart_pen.OF_THE_PAGE)):
        root = ElementTree.fromstring(text)
        assert '<b>"& ' in [found.text for found in root.iter() if found.tag.endswith("text")]


def test_a_chart_without_rows_or_lengths_is_drawn() -> None:
    assert bars(drawn(structs.replace(ONE, rows=()))) == []
    nothing = structs.replace(ONE, rows=(BarRow("a", (None,)), BarRow("b", (Quantity(value=0.0),))))
    assert len(bars(drawn(nothing))) == 1


def test_markdown_shows_the_picture_of_the_readers_color_scheme(tmp_path: Path) -> None:
    folder = tmp_path / "my plots"
    shown = plots.write(structs.replace(document(), plots=()), folder)
    assert sorted(file.name for file in folder.iterdir()) == ["answer-dark.svg", "answer-light.svg"]
    (block,) = [
        token.content
        for token in MarkdownIt("commonmark").parse(formats.render("md", shown))
        if token.type == "html_block" and "<picture>" in token.content
    ]
    assert 'media="(prefers-color-scheme: dark)" srcset="my%20plots/answer-dark.svg"' in block
    assert 'src="my%20plots/answer-light.svg"' in block
    assert "VGG-16 inference fp32 eager 151" in block
    assert "<picture>" not in formats.render("md", document()), "without files the bars are plain text"
