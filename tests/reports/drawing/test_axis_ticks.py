"""Round numbers for an axis."""

from __future__ import annotations

import pytest

from reports.drawing.axis_ticks import ticks


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.0, 5.1, 6, (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)),
        (-1.8, 5.1, 4, (0.0, 2.0, 4.0)),
        (-0.03, 0.031, 4, (-0.02, 0.0, 0.02)),
        (0.0, 900.0, 5, (0.0, 200.0, 400.0, 600.0, 800.0)),
        (3.0, 3.0, 5, (3.0,)),
    ],
)
def test_an_axis_has_round_numbers_and_zero_where_it_lies_within(
    low: float, high: float, most: int, expected: tuple[float, ...]
) -> None:
    assert ticks(low, high, most) == pytest.approx(expected)
