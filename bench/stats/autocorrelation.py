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


def sums(apart: Array) -> tuple[Array, Array, Array]:
    """Of rows of runs less their level (0 where there is none): products of neighbors, squares, and how many.

    The level was estimated from the runs, which takes about a square off the products.
    """
    squares = (apart * apart).sum(1)
    runs = (apart != 0).sum(1)
    products = (apart[:, 1:] * apart[:, :-1]).sum(1)
    return products + squares / np.maximum(runs, 1), squares, runs


def pooled(products: Array, squares: Array, runs: Array) -> float:
    """The lag-1 autocorrelation of all rows, less one standard error; 0 at least."""
    total = float(runs.sum())
    if total < 2 or squares.sum() <= 0:
        return 0.0
    return float(np.clip(products.sum() / squares.sum() - total**-0.5, 0.0, MOST))


def inflation(keep: float, runs: Array | NDArray[np.intp]) -> tuple[Array, float]:
    """The variance of the mean of so many runs, and of very many, over that of independent ones.

    1 + 2 sum over lags j of (1 - j / n) keep^j.
    """
    far = keep / (1 - keep)
    return 1 + 2 * far * (1 - (1 - keep**runs) / (runs * (1 - keep))), 1 + 2 * far
