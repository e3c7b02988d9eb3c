"""Numbers as colors."""

from __future__ import annotations

import math

from reports.document import Plot, Series
from reports.drawing import plots
from reports.drawing.heat_map import HIGH, LOW, MIDDLE


def heat(*rows: tuple[float, ...]) -> Plot:
    names = tuple(f"test {at}" for at in range(len(rows[0])))
    return Plot(
        name="heat",
        title="Slower, %",
        x_label="",
        y_label="",
        kind="heat",
        series=tuple(
            Series(label=f"node{at}", x=tuple(map(float, range(len(row)))), y=row, names=names)
            for at, row in enumerate(rows, start=1)
        ),
    )


def drawn(plot: Plot) -> str:
    return plots.draw(plot, "svg", words_as_text=True).decode()


def test_the_largest_number_has_the_strongest_color_and_zero_none() -> None:
    text = drawn(heat((0.0, 5.0), (-5.0, 1.0))).lower()
    assert all(f"fill: {color}" in text for color in (LOW, HIGH, MIDDLE))


def test_every_cell_also_has_its_number_and_a_missing_one_says_so() -> None:
    text = drawn(heat((0.04, 5.12), (math.nan, 1.0)))
    assert all(
        f">{words}</text>" in text for words in ("0.0", "5.1", "none", "1.0", "node1", "node2", "test 1")
    )


def test_a_wide_picture_has_colors_alone_and_no_picture_has_a_photograph() -> None:
    text = drawn(heat(tuple(float(at) for at in range(30))))
    assert ">29.0</text>" not in text
    assert "<image" not in text
