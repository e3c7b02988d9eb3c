"""What an incomplete run counts for: the variance of each run against that of a usual one.

A run's figure is a mean over its processes. Runs differ among themselves (the machine's day), and processes
within a run do too: a run of one process instead of five has more of the latter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from bench.stats.run_series import SeriesPoint

Array = NDArray[np.float64]

RARE = 0.001
"""Chance of a scatter within a run that is taken for this run's own, not for that of all."""
LEAST, MOST = 0.25, 100.0
"""The bounds of a run's variance against a usual one."""


class Weights:
    """What is known of the scatter of processes within the runs of each series, so far."""

    def __init__(self, series: Sequence[Sequence[SeriesPoint]]) -> None:
        longest = max(map(len, series))
        self._scatter = np.zeros((len(series), longest))
        self._freedom = np.zeros((len(series), longest))
        self._share = np.ones((len(series), longest))
        for row, points in enumerate(series):
            for at, point in enumerate(points):
                self._share[row, at] = 1 / max(point.processes, 1)
                if point.scatter is not None and point.processes > point.units:
                    self._scatter[row, at] = point.scatter**2
                    self._freedom[row, at] = point.processes - point.units
        own = np.maximum(self._freedom, 1)
        self._limit = chdtri(own, RARE) / own
        self._squares, self._total, self._shares = np.zeros((3, len(series)))

    def add(self, rows: NDArray[np.intp], at: NDArray[np.intp], variance: Array) -> Array:
        """Variance of these runs over that of a usual run, whose variance is `variance`; 1 where unknown."""
        total = self._total[rows]
        usual = self._squares[rows] / np.maximum(total, 1)  # of a process
        own, limit, freedom = self._scatter[rows, at], self._limit[rows, at], self._freedom[rows, at]
        is_rare = (freedom > 0) & (own > limit * usual)
        share, mean_share = self._share[rows, at], self._shares[rows] / np.maximum(at, 1)
        of_processes = np.where(is_rare, own, usual) * share
        whole = np.maximum(variance, usual * mean_share)
        ratio = np.where((total > 0) & (whole > 0), 1 + (of_processes - usual * mean_share) / whole, 1.0)
        self._squares[rows] += freedom * np.where(is_rare & (total > 0), limit * usual, own)
        self._total[rows] += freedom
        self._shares[rows] += share
        return np.clip(ratio, LEAST, MOST)
