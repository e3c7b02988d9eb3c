"""The samples behind a row: a line for each process, and what it shows in words."""

from __future__ import annotations

from xml.etree import ElementTree

from msgspec import structs

from reports.document import Series
from reports.drawing import sample_strips

TWO = Series(label="a", x=(0.98, 0.99, 1.0, 1.02, 1.05, 1.4), y=(1.0, 1.0, 1.0, 2.0, 2.0, 2.0))


def paths(series: Series) -> list[str]:
    root = ElementTree.fromstring(sample_strips.draw(series))
    return [path.get("d", "") for path in root.iter("path")]


def test_the_words_say_how_far_processes_and_samples_are_from_the_figure() -> None:
    assert (
        sample_strips.in_words(TWO)
        == "2 processes: medians -1.0% to +5.0% from the figure, samples -2.0% to +40%."
    )
    one = structs.replace(TWO, x=(1.0, 1.0), y=(1.0, 1.0))
    assert sample_strips.in_words(one) == "1 process: median +0.0% from the figure, samples +0.0%."


def test_every_sample_is_a_tick_in_the_line_of_its_process() -> None:
    _, first, second = paths(TWO)
    assert (first.count("v"), second.count("v")) == (3, 3)


def test_the_figure_stands_between_smaller_and_larger_samples() -> None:
    figure, first, second = paths(TWO)
    at = [float(path.split()[0][1:]) for path in (figure, first, second)]
    assert at[1] < at[0] < at[2]


def test_far_samples_leave_the_near_ones_apart() -> None:
    """On a linear axis a sample a hundred times as long would press the others together."""
    far = structs.replace(TWO, x=(1.0, 2.0, 4.0, 1.0, 2.0, 100.0))
    _, first, _ = paths(far)
    ticks = [float(tick.split()[0]) for tick in first.split("M")[2:]]
    assert ticks[1] - ticks[0] > 20


def test_samples_that_are_all_alike_are_drawn() -> None:
    assert len(paths(structs.replace(TWO, x=(1.0,) * 6))) == 3
