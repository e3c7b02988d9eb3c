"""How much the rounds of a unit scatter, drawn towards what all units of its kind show, and the error of a
fleet's ratios that follows.

Axes are as in `bench.stats.fleet_arithmetic`. The moderation is that of `bench.stats.moderation`, with units
in the place of cases. Pure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from msgspec import structs

from bench.stats import prior_fit
from bench.stats.fleet_arithmetic import (
    FEW,
    Array,
    Centre,
    Counts,
    UnitMeans,
    Weighed,
    moderated_variances,
)
from bench.stats.moderation import FEWEST_LENDERS
from bench.stats.prior_fit import SMALLEST
from bench.stats.published_prior import PUBLISHED, Published

UNIT_FREEDOM, UNIT_FREEDOM_SD = 6.0, 1.0
UNIT_FREEDOMS = (*prior_fit.FREEDOMS, 10.0, 16.0, 30.0, 60.0, 120.0)
"""Units of one kind are more alike than cases are, so what they lead to expect may be worth more."""


class Scatter(NamedTuple):
    """Of the mean over the tests of one round, of each unit: the moderated variance (NaN where unknown) and
    its degrees of freedom; and what was expected, a variance and what it is worth, None where nothing shows
    it."""

    variances: Array
    freedom: Array
    expected: tuple[float, float] | None


class Errors(NamedTuple):
    """Squared standard errors of the ratios: `own` of each unit (NaN where unknown), that of the centre, and
    the degrees of freedom."""

    own: Array
    centre: float
    freedom: Array

    @property
    def total(self) -> Array:
        """Of the ratio of each unit to the centre."""
        return self.own + self.centre

    def with_centre(self, weights: Array, given: tuple[Array, float] | None) -> Errors:
        """With the errors that another run's centre has in each test, whose degrees of freedom may be few:
        both in one by Welch-Satterthwaite. Itself where no errors are `given`."""
        if given is None:
            return self
        errors, freedom = given
        centre = float(np.nansum(weights * errors) ** 2)
        of_own, of_centre = self.own / (self.own + centre), centre / (self.own + centre)
        both = of_own**2 / np.maximum(self.freedom, SMALLEST) + of_centre**2 / freedom
        return Errors(self.own, centre, np.where(np.isfinite(both), 1 / both, self.freedom))


def round_scatter(table: UnitMeans, weighed: Weighed) -> Scatter:
    """How much the mean over the tests of one round varies around the unit's mean, moderated over the units.

    What the tests of a round share is in it, as they are not taken to be independent.
    """
    variances, freedom = _own_scatter(table, weighed.weights)
    independent = np.maximum(moderated_variances(table, weighed.process_variances), SMALLEST)
    whole = max(float((weighed.weights**2 * independent).sum()), SMALLEST)
    size = np.maximum((weighed.shares**2 * independent).sum(1), SMALLEST) / whole
    lenders = freedom > 0.9
    unknown = np.full(len(freedom), np.nan)
    if not lenders.any():
        return Scatter(unknown, freedom, None)
    expected = expected_of_units((variances / size)[lenders], freedom[lenders], math.log(whole))
    pooled = prior_fit.moderated(variances, freedom, 0.0, expected[0] * size, expected[1])
    known = (freedom > 0) | (lenders.sum() >= FEWEST_LENDERS)
    return Scatter(np.where(known, pooled, np.nan), freedom + expected[1], expected)


def _own_scatter(table: UnitMeans, weights: Array) -> tuple[Array, Array]:
    """Variance of a unit's round means and its degrees of freedom, from tests of two processes or more."""
    repeated = (table.counts >= 2) * weights
    of_round = repeated[..., np.newaxis] * table.there
    total, squares = of_round.sum(1), (of_round**2).sum(1)
    away = np.divide((of_round * table.deviations).sum(1), total, out=np.zeros(total.shape), where=total > 0)
    left = 1 - 1 / np.maximum(table.counts, 1)[..., np.newaxis]
    kept = np.divide((of_round**2 * left).sum(1), squares, out=np.zeros(total.shape), where=squares > 0)
    freedom = kept.sum(1)
    return np.divide((away**2).sum(1), freedom, out=np.zeros(freedom.shape), where=freedom > 0), freedom


def expected_of_units(variances: Array, freedom: Array, level: float) -> tuple[float, float]:
    """What the variances of units lead to expect of one more, and the degrees of freedom that it is worth.

    `level` is the log of the variance that is likely before looking.
    """
    published = structs.replace(PUBLISHED, level=level, freedom=UNIT_FREEDOM, freedom_sd=UNIT_FREEDOM_SD)
    return _expected(variances, freedom, published, UNIT_FREEDOMS)


def expected_of_few(variances: Array, freedom: Array, level: float) -> tuple[float, float]:
    """The same, worth no more than what the cases of a run lead to expect of one."""
    return _expected(variances, freedom, structs.replace(PUBLISHED, level=level), prior_fit.FREEDOMS)


def _expected(
    variances: Array, freedom: Array, published: Published, freedoms: tuple[float, ...]
) -> tuple[float, float]:
    within = math.exp(published.centre)  # nothing is known of it, so the slope has no part
    line = prior_fit.fit(variances, freedom, np.full(variances.shape, within), published, freedoms)
    (variance,), (worth,) = prior_fit.expected(line, np.array([within]))
    return float(variance), float(worth)


def squared_errors(
    table: UnitMeans, centre: Centre, weighed: Weighed, scatter: Scatter, nodes: Counts
) -> Errors:
    """Of the ratios: the processes' scatter, the tests that a unit lacks, and the centre."""
    per_round = (weighed.shares / np.maximum(table.counts, 1)).sum(1)
    lacking = weighed.interaction * ((weighed.shares - weighed.weights) ** 2).sum(1)
    own = np.where(np.isfinite(weighed.ratios), scatter.variances * per_round + lacking, np.nan)
    return Errors(own, _centre_error(own, centre, weighed.weights, nodes), scatter.freedom)


def _centre_error(own: Array, centre: Centre, weights: Array, nodes: Counts) -> float:
    """Squared. What changes slowly is the same for units of one node, so nodes count; units where there is
    only one node. Of few units one moves the centre by more than its part in it."""
    if not np.isfinite(own).any():
        return 0.0
    pull = centre.parts @ weights * np.sqrt(np.where(np.isfinite(own), own, np.nanmedian(own)))
    by_node = np.bincount(nodes, pull)
    squared = (by_node**2).sum() if np.count_nonzero(by_node) > 1 else (pull**2).sum()
    return float(squared * (1 + FEW / max(int(np.count_nonzero(pull)), 1)))
