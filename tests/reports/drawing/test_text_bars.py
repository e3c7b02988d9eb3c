"""Bars in plain text: lengths, whiskers and values say the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reports.bar_rows import BarChart, BarRow
from reports.cells import Quantity, brief
from reports.drawing import text_bars


def ms(value: float, low: float | None = None, high: float | None = None) -> Quantity:
    return Quantity(value=value, low=low, high=high)


def test_lengths_are_as_the_values_are_and_begin_at_zero() -> None:
    chart = BarChart(
        title="Milliseconds per image",
        rows=(BarRow("alexnet", (ms(25.0),)), BarRow("vgg16", (ms(100.0),))),
    )
    title, alexnet, vgg16 = text_bars.lines(chart, 60)
    assert title == "Milliseconds per image"
    assert abs(vgg16.count("█") - 4 * alexnet.count("█")) <= 2
    assert (alexnet[:9], vgg16[:9]) == ("alexnet  ", "vgg16    ")
    assert alexnet.endswith("25.0")
    assert vgg16.endswith("100")


def test_a_whisker_reaches_to_the_upper_end_of_the_interval() -> None:
    chart = BarChart(
        title="ms", rows=(BarRow("a", (ms(40.0, 37.0, 43.2),)), BarRow("b", (ms(20.0, 19.0, 21.0),)))
    )
    _, first, second = text_bars.lines(chart, 3 + 1 + len("20.0 ±5%") + 43)
    assert first == f"a  {'█' * 40}──┤ 40 ±8%"
    assert second == f"b  {'█' * 20}┤ 20.0 ±5%"


def test_one_process_has_no_whisker() -> None:
    """Its interval says nothing of the next process, and is not written either."""
    of_one = Quantity(value=40.0, low=30.0, high=50.0, of_one=True)
    chart = BarChart(title="ms", rows=(BarRow("a", (of_one,)), BarRow("b", (ms(20.0),))))
    _, first, _ = text_bars.lines(chart, 60)
    assert "┤" not in first
    assert first.endswith("█ 40.0 †")


def test_two_series_stand_side_by_side_on_one_scale() -> None:
    chart = BarChart(
        title="ms",
        series=("fp32 eager", "fastest"),
        rows=(BarRow("alexnet", (ms(9.1), ms(1.2))), BarRow("lenet5", (None, ms(4.55)))),
    )
    title, alexnet, lenet = text_bars.lines(chart, 80)
    assert title == "ms: █ fp32 eager, ░ fastest"
    assert abs(alexnet.count("█") - 2 * lenet.count("░")) <= 1
    assert "█" not in lenet
    assert alexnet.index("░") == lenet.index("░")


def test_what_is_not_resolved_has_words_and_no_bar() -> None:
    chart = BarChart(title="ms", rows=(BarRow("a", (ms(10.0),)), BarRow("b", (ms(8.0, 2.0, 32.0),))))
    *_, unresolved = text_bars.lines(chart, 60)
    assert unresolved == "b  not resolved (2 to 32)"


def test_without_room_the_values_stand_alone() -> None:
    chart = BarChart(title="ms", rows=(BarRow("a-long-name-of-a-network", (ms(10.0),)),))
    assert list(text_bars.lines(chart, 24)) == ["ms", "a-long-name-of-a-network  10.0"]


@given(
    st.lists(st.just(0.0) | st.floats(1e-3, 1e5), min_size=1, max_size=12),
    st.floats(1, 1.24),
    st.integers(40, 120),
)
def test_no_line_is_wider_than_the_screen_and_every_value_is_written(
    values: list[float], spread: float, width: int
) -> None:
    bars = [ms(value, value / spread, value * spread) if value else ms(value) for value in values]
    chart = BarChart(title="ms", rows=tuple(BarRow(str(n), (bar,)) for n, bar in enumerate(bars)))
    _, *lines = text_bars.lines(chart, width)
    assert all(line.endswith(brief(bar)) for line, bar in zip(lines, bars, strict=True))
    assert max(map(len, lines)) <= width
