"""How much slower a unit is, in the words of a report."""

from __future__ import annotations

import math

import pytest

from bench.stats.fleet_ratios import UnitRatio
from reports.cells import readable
from reports.fleet.percent_slower import slower


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((1.05, 1.04, 1.06), "5.0% (4.0% to 6.0%)"),
        ((0.99, 0.985, 0.995), "-1.0% (-1.5% to -0.5%)"),
        ((1.0001, 0.98, 1.02), "0.0% (-2.0% to 2.0%)"),
        ((4.0, 3.5, 4.5), "300% (250% to 350%)"),
        ((150.0, 11.0, 1971.0), ">1000%"),  # its far end is beyond ten times its time
        ((1.5, 1.1, 40.0), ">10.0%"),
        ((1.0, 0.5, 2.0), "not resolved (0.5x to 2x)"),
        ((1.5, 0.1, 21.0), "not resolved"),
    ],
)
def test_a_figure_is_as_exact_as_its_interval(factors: tuple[float, float, float], said: str) -> None:
    value, low, high = map(math.log, factors)
    found = slower(UnitRatio(log_ratio=value, low=low, high=high))
    assert found is not None
    assert readable(found) == said


def test_what_was_not_measured_has_no_figure() -> None:
    assert slower(UnitRatio(log_ratio=None)) is None
