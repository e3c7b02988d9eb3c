"""What a run counts for, against pooled variances that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.stats.run_series import SeriesPoint
from bench.stats.run_weights import Weights


def _point(scatter: float | None, processes: int, units: int = 1) -> SeriesPoint:
    return SeriesPoint(log_seconds=-5.0, scatter=scatter, processes=processes, units=units)


def _last_ratio(points: list[SeriesPoint], variance: float) -> float:
    weights = Weights([points])
    row = np.zeros(1, np.intp)
    found = [weights.add(row, np.array([at]), np.array([variance])) for at in range(len(points))]
    return float(found[-1][0])


@pytest.mark.parametrize("units", [1, 2])
def test_the_scatter_of_processes_is_pooled_by_its_degrees_of_freedom(units: int) -> None:
    """Four processes have 3 degrees of freedom on one GPU, and 2 on two."""
    freedom = 4 - units
    usual = (freedom * 0.01**2 + 2 * 0.02**2) / (freedom + 2)
    mean_share = (1 / 4 + 1 / 3) / 2
    points = [_point(0.01, 4, units), _point(0.02, 3), _point(None, 1)]
    variance = 0.03**2
    assert _last_ratio(points, variance) == pytest.approx(1 + usual * (1 - mean_share) / variance)


def test_runs_of_as_many_processes_count_alike() -> None:
    assert _last_ratio([_point(0.01, 5), _point(0.012, 5), _point(0.009, 5)], 0.02**2) == 1.0
