"""What a run's cases lead to expect of the scatter of one: arrays in, arrays out. numpy is imported with it.

The model is Smyth's (2004, Stat. Appl. Genet. Mol. Biol. 3, article 3) with a trend: the variance s^2 of a
case, of f degrees of freedom, over what is expected of it, follows F(f, d0), and the log of what is
expected is `level + slope * (log within - centre)`. Level, slope and d0 are the mode of the likelihood of all
cases times the published prior of the three, so one formula serves one case and thousands.

The last axis of an array is the cases of a run; any axes before it are runs, each fitted by itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, zeta

from bench.stats.published_prior import PUBLISHED, Published

Array = NDArray[np.float64]

FREEDOMS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""The values of d0 that are tried. The last is the cap: cases differ, however alike those of a run may look,
and beyond it the noisiest fifth of them is covered in 88% and not in 92."""
SMALLEST = 1e-10
"""A variance below (0.001%)^2 is the clock's, in the fit; the exact zero has no log."""
MOST_STEPS = 200
CLOSE_ENOUGH = 1e-6
"""The last of Newton's steps: what is left after it is in the order of its square."""


class Line(NamedTuple):
    """The fitted prior of each run: the line, the freedom d0, and how unsure the line is."""

    level: Array
    slope: Array
    freedom: Array
    level_variance: Array
    covariance: Array
    slope_variance: Array


def distance(within: Array, published: Published = PUBLISHED) -> Array:
    """Of the log of a variance within processes from the centre of the published prior."""
    return np.log(np.maximum(within, SMALLEST)) - published.centre


def fit(
    variances: Array,
    freedom: Array,
    within: Array,
    published: Published = PUBLISHED,
    freedoms: tuple[float, ...] = FREEDOMS,
) -> Line:
    """The prior of each run from its cases; each case has a freedom of 1 or more, and there may be none."""
    s2, x = np.maximum(variances, SMALLEST), distance(within, published)
    f = np.broadcast_to(freedom, s2.shape)
    start = np.full(s2.shape[:-1], published.level), np.full(s2.shape[:-1], published.slope)
    lines, scores = [], []
    for d0 in freedoms:
        line, score = mode(s2, f, x, d0, published, start)
        start = line.level, line.slope  # near the next one's
        lines.append(line)
        scores.append(score)
    best = np.argmax(np.stack(scores), axis=0)[np.newaxis]
    fields = zip(*lines, strict=True)
    return Line(*(np.take_along_axis(np.stack(field), best, axis=0)[0] for field in fields))


def mode(
    s2: Array, f: Array, x: Array, d0: float, published: Published, start: tuple[Array, Array]
) -> tuple[Line, Array]:
    """The line at a given d0, and the log of the penalised likelihood there."""
    information = d0 * f / (2 * (d0 + f + 2))  # Fisher's, of one case, on the log of what is expected
    spread = _inverse(*_curvature(information, x, published))
    level, slope = _climb(s2, f, x, d0, published, start)
    expected = level[..., np.newaxis] + slope[..., np.newaxis] * x
    score = _log_density(s2, f, d0, expected).sum(-1)
    score = score - ((level - published.level) / published.level_sd) ** 2 / 2
    score = score - ((slope - published.slope) / published.slope_sd) ** 2 / 2
    score = score - (math.log(d0 / published.freedom) / published.freedom_sd) ** 2 / 2
    return Line(level, slope, np.full_like(level, d0), *spread), score


def _climb(
    s2: Array, f: Array, x: Array, d0: float, published: Published, start: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Level and slope at the mode, by Newton's steps.

    The likelihood is concave. Along a step its curvature changes by e at most for each unit that an
    expected log variance moves, so a step that moves none by more than 1 cannot overshoot.
    """
    level, slope = start
    for _ in range(MOST_STEPS):
        expected = level[..., np.newaxis] + slope[..., np.newaxis] * x
        share = 1 / (1 + f * s2 / d0 * np.exp(-expected))
        pull = (d0 - (f + d0) * share) / 2
        to_level = pull.sum(-1) - (level - published.level) / published.level_sd**2
        to_slope = (pull * x).sum(-1) - (slope - published.slope) / published.slope_sd**2
        inverse = _inverse(*_curvature((f + d0) / 2 * share * (1 - share), x, published))
        up = inverse[0] * to_level + inverse[1] * to_slope
        steeper = inverse[1] * to_level + inverse[2] * to_slope
        reach = np.abs(up[..., np.newaxis] + steeper[..., np.newaxis] * x).max(-1, initial=0.0)
        level = level + up / np.maximum(reach, 1)
        slope = slope + steeper / np.maximum(reach, 1)
        if reach.max(initial=0.0) < CLOSE_ENOUGH:
            break
    return level, slope


def _curvature(of_cases: Array, x: Array, published: Published) -> tuple[Array, Array, Array]:
    """Of the penalised likelihood in level and slope: a symmetric matrix."""
    return (
        of_cases.sum(-1) + published.level_sd**-2,
        (of_cases * x).sum(-1),
        (of_cases * x**2).sum(-1) + published.slope_sd**-2,
    )


def _inverse(first: Array, off: Array, second: Array) -> tuple[Array, Array, Array]:
    """Of a symmetric matrix of two rows."""
    determinant = first * second - off**2
    return second / determinant, -off / determinant, first / determinant


def _log_density(s2: Array, f: Array, d0: float, expected: Array) -> Array:
    """Of s2, where s2 / exp(expected) ~ F(f, d0)."""
    constant = f / 2 * np.log(f) + d0 / 2 * math.log(d0) - betaln(f / 2, d0 / 2)
    pooled = np.log(f * s2 + d0 * np.exp(expected))
    density: Array = constant + (f / 2 - 1) * np.log(s2) + d0 / 2 * expected - (f + d0) / 2 * pooled
    return density


def expected(line: Line, within: Array) -> tuple[Array, Array]:
    """What is expected of the variance of cases with this variance within, and the freedom that it is worth.

    What is not known of the line makes the prior worth less, and its mean larger than its mode.
    """
    level, slope, d0, level_variance, covariance, slope_variance = (each[..., np.newaxis] for each in line)
    x = distance(within)
    unsure = level_variance + 2 * covariance * x + slope_variance * x**2
    return np.exp(level + slope * x + unsure / 2), 2 * inverse_trigamma(trigamma(d0 / 2) + unsure)


def moderated(
    variances: Array | float,
    freedom: Array | float,
    floor: Array | float,
    prior_variance: Array | float,
    prior_freedom: Array | float,
) -> Array:
    """The variance of a process median, of `freedom + prior_freedom` degrees of freedom; at least `floor`.

    Of many or of one.
    """
    pooled = (prior_freedom * prior_variance + freedom * variances) / (prior_freedom + freedom)
    return np.asarray(np.maximum(floor, pooled), float)


def trigamma(x: Array) -> Array:
    """The second derivative of log gamma, above 0."""
    value: Array = zeta(2.0, x)
    return value


def inverse_trigamma(y: Array) -> Array:
    """By Newton's method on 1 / trigamma, which is nearly straight: monotone from this start (Smyth's)."""
    x = 0.5 + 1 / y
    for _ in range(60):
        value = trigamma(x)
        step = value * (1 - value / y) / (-2 * zeta(3.0, x))
        x = x + step
        if np.all(np.abs(step) <= CLOSE_ENOUGH * x):
            break
    return x
