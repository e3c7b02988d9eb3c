"""Series of nightly runs with steps, drifts and outliers where a test put them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bench.stats.run_series import SeriesPoint

Array = NDArray[np.float64]

SPREAD = 0.008
"""Between runs without any change."""


def level_series(seed: int, series: int, nights: int, spread: float = SPREAD) -> Array:
    """Logs of seconds that never change, one row a series."""
    return np.random.default_rng(seed).normal(-5.0, spread, (series, nights))


def autocorrelated_series(seed: int, series: int, nights: int, keep: float) -> Array:
    """The same, but each night keeps a part of the deviation of the one before."""
    random = np.random.default_rng(seed)
    logs = random.normal(0.0, SPREAD, (series, nights))
    for night in range(1, nights):
        logs[:, night] = keep * logs[:, night - 1] + (1 - keep**2) ** 0.5 * logs[:, night]
    return logs - 5.0


def heavy_tailed_series(seed: int, series: int, nights: int, freedom: float) -> Array:
    """The same, of Student's t, scaled to the same standard deviation."""
    random = np.random.default_rng(seed)
    scale = SPREAD * ((freedom - 2) / freedom) ** 0.5
    logs: Array = random.standard_t(freedom, (series, nights)) * scale - 5.0
    return logs


def points(logs: Iterable[float], boundaries: Iterable[int] = ()) -> list[SeriesPoint]:
    """Runs of five processes, marked at these places."""
    marked = set(boundaries)
    return [
        SeriesPoint(log_seconds=float(log), scatter=None, processes=5, is_boundary=at in marked)
        for at, log in enumerate(logs)
    ]


def rows(logs: Array) -> list[list[SeriesPoint]]:
    return [points(row) for row in logs]
