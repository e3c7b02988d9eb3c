"""Sparklines: levels, their height, and how many runs share a cell."""

from __future__ import annotations

import pytest

from reports.drawing.sparkline import BLOCKS, sparkline


def test_a_rise_uses_all_blocks() -> None:
    assert sparkline([float(n) for n in range(8)], 8, 0.0) == BLOCKS


def test_noise_within_the_least_range_stays_in_the_middle() -> None:
    drawn = sparkline([0.0, 0.004, -0.004, 0.002], 4, 0.04)
    assert set(drawn) <= set(BLOCKS[2:6])


def test_a_step_of_the_least_range_is_from_the_bottom_to_the_top() -> None:
    assert sparkline([1.0] * 3 + [1.04] * 3, 6, 0.04) == "▁▁▁███"


def test_each_cell_is_the_median_of_its_runs() -> None:
    values = [0.0, 0.0, 9.0, 1.0, 1.0, 1.0]
    assert sparkline(values, 2, 0.0) == "▁█"


@pytest.mark.parametrize(("count", "cells"), [(0, 0), (1, 1), (5, 5), (1825, 16)])
def test_there_are_no_more_cells_than_values(count: int, cells: int) -> None:
    assert len(sparkline([1.0] * count, 16, 0.04)) == cells


def test_one_height_without_a_range_is_no_division_by_zero() -> None:
    assert len(set(sparkline([2.0, 2.0], 2, 0.0))) == 1
