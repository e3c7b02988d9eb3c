"""A dot chart in plain text."""

from __future__ import annotations

import pytest

from reports.dot_chart import Dot, DotChart
from reports.drawing import answer_chart, text_dots

FLEET = DotChart(
    title="Slower, %",
    what="GPU",
    dots=(*(Dot(0.0) for _ in range(12)), Dot(-1.0), Dot(1.0), Dot(1.0), Dot(5.0, "node5 GPU 3")),
    margin=3.0,
)


def test_each_place_has_a_sign_for_how_many_dots_it_has() -> None:
    title, axis, strip = text_dots.lines(FLEET, 63)
    assert title == "Slower, %: · one GPU, • 2 to 9, ● 10 or more, ┊ margin"
    assert [strip.index(sign) for sign in "·●•┊"] == [1, 11, 21, 41]
    assert strip.rindex("·") == 61
    assert strip.strip("▕▏").replace(" ", "") == "·●•┊·"
    assert [axis.index(number) for number in ("-1", "0", "2", "4")] == [1, 11, 31, 51]


@pytest.mark.parametrize("width", [26, 40, 80, 100])
def test_no_line_is_wider_than_the_terminal_and_all_dots_lie_inside(width: int) -> None:
    _, axis, strip = text_dots.lines(FLEET, width)
    assert len(strip) == width
    assert len(axis) <= width
    assert strip[1] != " "
    assert strip[-2] != " "


def test_without_room_for_an_axis_the_ends_stand_in_its_place() -> None:
    assert list(answer_chart.lines(FLEET, 20)) == ["Slower, %: -1.00 to 5.00"]


def test_without_dots_there_is_a_title_alone() -> None:
    assert list(text_dots.lines(DotChart(title="T", what="GPU", dots=(), margin=3.0), 80)) == ["T"]
