"""How much a run resembles the one before it, over all series of an archive. numpy is imported with it.

A machine that is slow today is often slow tomorrow. The mean of runs that resemble each other is less certain
than of as many independent ones, so a window must lie further away. A first-order autoregression is assumed;
its coefficient is taken at the lower end of what it may be (one standard error), so that independent runs
cost next to nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 0.8
"""Beyond it a series wanders, and no level is to be found."""


def sums(residuals: Array) -> tuple[Array, Array, Array]:
    """For each row of residuals the sum of the products of neighbors, that of the squares, and the number of
    runs. A residual is a run less its level, and 0 where there is no run.

    The level was estimated from the runs, which takes about a square off the products.
    """
    squares = (residuals * residuals).sum(1)
    runs = (residuals != 0).sum(1)
    products = (residuals[:, 1:] * residuals[:, :-1]).sum(1)
    return products + squares / np.maximum(runs, 1), squares, runs


def pooled(products: Array, squares: Array, runs: Array) -> float:
    """The lag-1 autocorrelation of all rows, less one standard error; 0 at least."""
    total = float(runs.sum())
    if total < 2 or squares.sum() <= 0:
        return 0.0
    return float(np.clip(products.sum() / squares.sum() - total**-0.5, 0.0, MOST))


def inflation(correlation: float, runs: Array | NDArray[np.intp]) -> tuple[Array, float]:
    """The variance of the mean of n `runs`, and of very many, over that of as many independent ones.

    With a lag-1 correlation r it is 1 + 2 sum over lags j < n of (1 - j / n) r^j.
    """
    r = correlation
    return 1 + 2 * r / (1 - r) * (1 - (1 - r**runs) / (runs * (1 - r))), (1 + r) / (1 - r)
