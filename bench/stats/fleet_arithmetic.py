"""The arithmetic of `bench.stats.fleet_ratios`: arrays of a fleet's log medians to ratios and their errors.

Axes are units, tests and processes, in this order. Missing is NaN, in these arrays alone. Pure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from bench.stats.prior_fit import SMALLEST

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

NORMAL_MAD = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""
REACH = 3.44 * NORMAL_MAD
"""Median absolute deviations from which a unit has no part in the centre: Tukey's biweight, 85% efficient."""
FEW = 4.0
"""Few units say little of their own spread, and one at the edge would move the centre by being in or out: so
many units have the reach doubled."""
MOST_STEPS = 50
CLOSE_ENOUGH = 1e-9
"""The last step of the centre, of logs."""
LENT = 4.0
"""Degrees of freedom that the typical test's variance over processes is worth for one test."""
MOST_OF_TYPICAL = 4.0
"""No test weighs more than one whose variance is smaller than the typical by this factor: the ratio is over
all tests, however quiet one of them is."""


class UnitMeans(NamedTuple):
    """Means over processes.

    there       units x tests x processes: which processes there are
    counts      units x tests: how many
    values      units x tests: their mean; NaN where there is none
    deviations  units x tests x processes: from that mean; 0 where missing
    """

    there: Mask
    counts: Counts
    values: Array
    deviations: Array


class Centre(NamedTuple):
    """The centre of each test, NaN where the test does not count; the part (units x tests) that each unit has
    in it."""

    values: Array
    parts: Array


class Weighed(NamedTuple):
    """Tests put together.

    weights      of each test, 1 in all; 0 where the test does not count
    process_variances  of each test, of a process around its unit's mean; NaN where unknown
    interaction  variance of what a test of a unit has that its other tests have not
    shares       units x tests: the weights of the tests that a unit has, 1 in all; all 0 without any
    ratios       of each unit, weighted over its tests; NaN without any
    """

    weights: Array
    process_variances: Array
    interaction: float
    shares: Array
    ratios: Array


def unit_means(log_medians: Array) -> UnitMeans:
    """Of units x tests x processes; what is not finite is missing."""
    there = np.isfinite(log_medians)
    counts = there.sum(-1)
    sums = np.where(there, log_medians, 0.0).sum(-1)
    values = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    deviations = np.where(there, log_medians - values[..., np.newaxis], 0.0)
    return UnitMeans(there, counts, values, deviations)


def robust_centre(values: Array) -> Centre:
    """Tukey's biweight mean over the units: fewer than half of them may be anything.

    A test counts if two units have it and half of those that have any: else its centre would be that of
    another fleet.
    """
    there = np.isfinite(values)
    units = there.sum(0)
    used = (units >= 2) & (2 * units >= there.any(1).sum())
    centre, parts = np.full(values.shape[1], np.nan), np.zeros(values.shape)
    if used.any():
        centre[used], parts[:, used] = _biweight(values[:, used], there[:, used])
    return Centre(centre, parts)


def centred(centre: Centre, weighed: Weighed) -> tuple[Centre, Weighed]:
    """Moved so that the centre of the ratios is 0.

    The processes' scatter is large in one test beside the units' spread, so the centre of each test is a
    little off that of the ratios over all tests, which is the one that is meant.
    """
    found = robust_centre(weighed.ratios[:, np.newaxis])
    if not np.isfinite(found.values[0]):
        return centre, weighed
    moved = Centre(centre.values + found.values[0], np.repeat(found.parts, len(centre.values), axis=1))
    return moved, weighed._replace(ratios=weighed.ratios - found.values[0])


def given_centre(values: Array, against: Array) -> Centre:
    """One from elsewhere, in which the units have no part; NaN where it has none for a test."""
    used = np.isfinite(against) & np.isfinite(values).any(0)
    return Centre(np.where(used, against, np.nan), np.zeros(values.shape))


def _biweight(values: Array, there: Mask) -> tuple[Array, Array]:
    """The centres of tests that two units have at least, and the parts of the units in them.

    From the densest half of the units on: their median may lie among the slow ones where many are slow.
    """
    centre = np.array([_densest(np.sort(column[own])) for column, own in zip(values.T, there.T, strict=True)])
    reach = REACH * (1 + FEW / there.sum(0)) * median(np.abs(values - centre), 0)
    filled = np.where(there, values, 0.0)
    parts = np.zeros(values.shape)
    for _ in range(MOST_STEPS):
        away = np.where(there, values - centre, np.inf)
        inside = np.divide(away, reach, out=np.where(away == 0, 0.0, np.inf), where=reach > 0)
        pull = (1 - np.minimum(np.abs(inside), 1) ** 2) ** 2
        parts = pull / pull.sum(0)
        before, centre = centre, (parts * filled).sum(0)
        if np.abs(centre - before).max() < CLOSE_ENOUGH:
            break
    return centre, parts


def _densest(ordered: Array) -> float:
    """The median of the shortest stretch that holds more than half of the values."""
    most = len(ordered) // 2 + 1
    begin = int(np.argmin(ordered[most - 1 :] - ordered[: len(ordered) - most + 1]))
    return float(np.median(ordered[begin : begin + most]))


def weigh(table: UnitMeans, centre: Centre) -> Weighed:
    """Weights by what processes and the tests' own ways leave unsure; none where nothing counts."""
    used = np.isfinite(centre.values)
    by_test = table.values - centre.values
    variances = process_variances(table)
    weights = np.zeros(used.shape)
    interaction = 0.0
    if used.any():
        processes = np.array([count[count > 0].mean() for count in table.counts[:, used].T])
        noise = moderated_variances(table, variances)[used] / processes
        interaction = _interaction(by_test[:, used], noise)
        unsure = noise + interaction
        weights[used] = 1 / np.maximum(unsure, np.median(unsure) / MOST_OF_TYPICAL)
        weights /= weights.sum()
    shares = np.where(np.isfinite(by_test), weights, 0.0)
    total = shares.sum(1, keepdims=True)
    shares = np.divide(shares, total, out=np.zeros(shares.shape), where=total > 0)
    sums = (shares * np.where(shares > 0, by_test, 0.0)).sum(1)
    return Weighed(weights, variances, interaction, shares, np.where(total[:, 0] > 0, sums, np.nan))


def process_variances(table: UnitMeans) -> Array:
    """Of each test, over all units; NaN where no unit has two processes of it."""
    freedom = np.maximum(table.counts - 1, 0).sum(0)
    squares = (table.deviations**2).sum((0, 2))
    found: Array = np.divide(squares, freedom, out=np.full(freedom.shape, np.nan), where=freedom > 0)
    return found


def moderated_variances(table: UnitMeans, variances: Array) -> Array:
    """Drawn towards the typical test's; all alike where no test has two processes of a unit."""
    if not np.isfinite(variances).any():
        return np.full(variances.shape, SMALLEST)
    freedom = np.maximum(table.counts - 1, 0).sum(0)
    typical = np.nanmedian(variances)
    own = np.where(freedom > 0, variances, 0.0)
    return np.asarray(np.maximum((LENT * typical + freedom * own) / (LENT + freedom), SMALLEST), float)


def _interaction(by_test: Array, noise: Array) -> float:
    """Typical over the tests; 0 where units or tests are too few to show it."""
    rows = by_test[np.isfinite(by_test).sum(1) >= 3]
    if len(rows) < 4:
        return 0.0
    rest = rows - median(rows, 1)[:, np.newaxis]
    scales = NORMAL_MAD * median(np.abs(rest - median(rest, 0)), 0)
    return max(float(np.nanmedian(scales**2 - noise)), 0.0)


def p_above(excess: Array, squared_error: Array | float, freedom: Array | float) -> Array:
    """One-sided, of a mean of logs against 0 or less; NaN where the error is unknown."""
    return np.asarray(stdtr(freedom, -excess / np.sqrt(squared_error)), float)


def holm_adjusted(p: Array) -> Array:
    """Holm's adjusted p values of those that are not NaN: a test holds at an error where its value is at most
    that."""
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    left = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(left * p[order]), 1.0)
    return adjusted


def true_spread(ratios: Array, squared_errors: Array) -> float | None:
    """Robust standard deviation over three values or more, without what their errors add."""
    known = ratios[np.isfinite(ratios)]
    if len(known) < 3:
        return None
    seen = NORMAL_MAD * float(np.median(np.abs(known - np.median(known))))
    errors = squared_errors[np.isfinite(squared_errors)]
    added = float(np.median(errors)) if len(errors) else 0.0
    return math.sqrt(max(seen**2 - added, 0.0))


def node_means(ratios: Array, squared_errors: Array, nodes: Counts) -> tuple[Array, Array]:
    """Of the units of each node that has any, and their squared errors."""
    known = np.isfinite(ratios)
    units = np.bincount(nodes[known])
    there = units > 0
    sums = np.bincount(nodes[known], ratios[known])[there]
    errors = np.bincount(nodes[known], np.nan_to_num(squared_errors[known]))[there]
    return sums / units[there], errors / units[there] ** 2


def median(values: Array, axis: int) -> Array:
    """Of what is not NaN; each line has something."""
    middle = np.nanmedian if np.isnan(values).any() else np.median
    return np.asarray(middle(values, axis=axis), float)
