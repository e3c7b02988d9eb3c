"""How much the runs of each series spread, as known after each. numpy is imported with it.

Steps, drifts and outliers must not widen it. So each run is set against the median of the five before it, the
squares are cut at (2.5 sd)^2 as in Huber's proposal 2, and runs right after a step that was told count for
nothing. The variance is then drawn towards those of the other series, as limma does for genes (Smyth 2004,
https://doi.org/10.2202/1544-6115.1027); `docs/statistics.md` has the same for processes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, zeta

Array = NDArray[np.float64]

BEFORE = 5
"""Runs whose median a run is set against."""
MEMORY = 200
"""Runs that count for level and spread: the last ones."""
LAG = 3
"""Runs at the end that do not count for the spread yet: they may be the first of a step."""
CUT = 2.5
"""In standard deviations: where differences are cut."""
CUT_VARIANCE = 0.9776
"""Variance of a standard normal that is cut at +-2.5: E min(z^2, 6.25)."""
MEDIAN_VARIANCES = (1.0, 0.5, 0.4487, 0.2982, 0.2868)
"""Variance of the median of one to five standard normals."""
MEDIAN_VARIANCE = MEDIAN_VARIANCES[-1]
EFFICIENCY = 0.88
"""Degrees of freedom that each difference gives the variance: 0.88 to 0.92 in simulation."""
LEAST = 2e-4
"""The least standard deviation between runs, of logs: below 0.02% nothing is a step."""


def differences(logs: Array) -> Array:
    """Squares of runs less the median of the (up to) five before, scaled to the variance of a run.

    Of rows of logs, NaN where a series has no run; 0 for the first run.
    """
    squares = np.zeros_like(logs)
    for at in range(1, min(BEFORE, logs.shape[1])):
        difference = logs[:, at] - np.median(logs[:, :at], axis=1)
        squares[:, at] = difference * difference / (1 + MEDIAN_VARIANCES[at - 1])
    if logs.shape[1] > BEFORE:
        windows = np.lib.stride_tricks.sliding_window_view(logs, BEFORE, axis=1)[:, :-1]
        difference = logs[:, BEFORE:] - np.sort(windows, axis=2)[..., BEFORE // 2]
        squares[:, BEFORE:] = difference * difference / (1 + MEDIAN_VARIANCE)
    return np.nan_to_num(squares)


def own_variance(squares: Array, counts: Array, before: Array) -> tuple[Array, Array]:
    """Variance of each row's last runs, cut by the variance `before`, and its degrees of freedom.

    `counts` is 1 for squares that count, else 0. Infinite where none counts.
    """
    total = counts.sum(1)
    cut = np.minimum(squares, (CUT * CUT * before)[:, None])
    variance = (cut * counts).sum(1) / np.maximum(total, 1) / CUT_VARIANCE
    return np.where(total > 0, np.maximum(variance, LEAST * LEAST), np.inf), EFFICIENCY * total


def pooled(variance: Array, freedom: Array) -> tuple[Array, Array]:
    """Each variance drawn towards the others', and the degrees of freedom of the outcome.

    How much the series differ is taken at the upper end of what it may be (one standard error), so that few
    series lend little. Where no two series know theirs, each stands alone.
    """
    known = freedom >= 2
    lenders = int(known.sum())
    if lenders < 2:
        return variance, freedom
    half = freedom[known] / 2
    logs = np.log(variance[known]) - digamma(half) + np.log(half)
    own = zeta(2, half)  # trigamma
    weights = 1 / own
    centre = float((weights * logs).sum() / weights.sum())
    dispersion = float(((logs - centre) ** 2).sum() / (lenders - 1))
    noise = float(own.mean())
    excess = max(dispersion - noise, 0.0)
    of_centre = max(dispersion, noise) / lenders
    half_prior = inverse_trigamma(excess + of_centre)
    expected = np.exp(centre + digamma(half_prior) - np.log(half_prior))
    worth = 2 * half_prior
    shown = freedom * np.where(freedom > 0, variance, 0.0)
    return (worth * expected + shown) / (worth + freedom), freedom + worth


def inverse_trigamma(value: float) -> float:
    """The x above 0 at which trigamma is `value`; by Newton's steps on 1 / trigamma (Smyth 2004)."""
    x = 0.5 + 1 / value
    for _ in range(6):
        trigamma, tetragamma = float(zeta(2, x)), -2 * float(zeta(3, x))
        x += trigamma * (1 - trigamma / value) / tetragamma
    return x
