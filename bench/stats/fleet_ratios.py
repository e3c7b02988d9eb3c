"""Which units of a fleet are slow: each unit's log ratio to the fleet's robust centre, over all tests.

A unit is a GPU or a CPU, a test is a case without its replicate, and a value is the natural log of the
median of one process. All units are of one kind; kinds are never judged together. That units differ is no
news, all of them do, so the question asked of each is one-sided: is it more than `margin` slower than the
centre? Holm's correction is over the units, and a unit of which it holds is a `suspect`: it was picked for
looking slow, and only `confirm` (`bench.stats.confirmed_ratios`), from data of its own, calls it `slow`.
docs/statistics.md has the formulas and what was simulated. Pure; numpy is imported with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.special import stdtrit

from bench.stats.estimates import LEVEL
from bench.stats.fleet_arithmetic import (
    Array,
    Centre,
    UnitMeans,
    Weighed,
    centred,
    given_centre,
    holm_adjusted,
    node_means,
    p_above,
    robust_centre,
    true_spread,
    unit_means,
    weigh,
)
from bench.stats.fleet_scatter import Errors, round_scatter, squared_errors

__all__ = [
    "MARGIN",
    "SLOW_ERROR",
    "SUSPECT_ERROR",
    "Array",
    "CentreOfTest",
    "ConfirmedRatio",
    "FleetRatios",
    "RoundScatter",
    "UnitRatio",
    "WhyNotJudged",
    "judge",
]

MARGIN = 0.03
"""So much slower than the centre (a share) a unit may be."""
SUSPECT_ERROR = 0.05
"""The share of fleets in which a unit within the margin may become a suspect: it costs a second look."""
SLOW_ERROR = 0.01
"""The share of confirmations in which any unit within the margin may be called slow."""

WhyNotJudged = Literal["no test", "one process", "alone"]
"""Why a unit has no interval: none of its tests counts; nothing shows how its processes differ; it is the
only unit, and so its own centre."""


class CentreOfTest(Struct, frozen=True, kw_only=True):
    """One test over all units.

    log_centre  of a process median; None where the test does not count
    units       that have the test
    weight      share of the test in a unit's log ratio; the weights of all tests add up to 1, and it is 0
                where the test does not count: fewer than two units have it, or fewer than half
    process_sd  standard deviation of the log of a process median around its unit's mean, over all units
    """

    log_centre: float | None
    units: int
    weight: float
    process_sd: float | None


class UnitRatio(Struct, frozen=True, kw_only=True):
    """How much slower one unit is than the centre.

    log_ratio   weighted mean over its tests of log(unit / centre), above 0 is slower; None without a test
    low, high   the 95% interval of log_ratio, for this unit alone; None where it is not judged
    error       standard error of log_ratio; `freedom`: its degrees of freedom
    p           one-sided, of "at most `margin` slower"
    adjusted_p  the same after Holm's correction over the units
    suspect     adjusted_p is at most SUSPECT_ERROR
    tests       how many tests log_ratio is over
    processes   how many rounds of processes the unit has: the most that any of its tests has
    why         it was not judged; None where it was
    """

    log_ratio: float | None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    freedom: float | None = None
    p: float | None = None
    adjusted_p: float | None = None
    suspect: bool = False
    tests: int = 0
    processes: int = 0
    why: WhyNotJudged | None = None


class RoundScatter(Struct, frozen=True):
    """How a unit's mean over the tests of one round (the k-th process of each test) varies around its mean
    over all rounds: the variance expected of a unit of this kind, of logs, and the degrees of freedom that
    the expectation is worth."""

    variance: float
    freedom: float


class FleetRatios(Struct, frozen=True, kw_only=True):
    """A fleet judged by its first run.

    margin      a share: 0.03 is 3%
    tests       in the order of the array's second axis
    units       in the order of the array's first axis
    nodes       index of the node of each unit
    by_test     units x tests: log(unit / centre) of the unit's mean over processes; NaN where missing, or
                where the test does not count
    over_units  standard deviation of the units' true log ratios (robust, without what processes add);
                None for fewer than three units
    over_nodes  the same of the nodes' means; None for fewer than three nodes
    over_processes  standard deviation of a process median of a test around its unit's mean, typical of a
                test; None where no test has two processes of a unit
    round_scatter   None where no unit has two processes of a test
    centre_error    standard error of the centre as a log ratio has it; `centre_freedom` of one that is given
    shift       log(the fleet's own centre / the centre given as `against`), weighted over tests; None without
    """

    margin: float
    tests: tuple[CentreOfTest, ...]
    units: tuple[UnitRatio, ...]
    nodes: tuple[int, ...]
    by_test: Array
    over_units: float | None
    over_nodes: float | None
    over_processes: float | None
    round_scatter: RoundScatter | None
    centre_error: float
    centre_freedom: float = math.inf
    shift: float | None = None

    @property
    def suspects(self) -> tuple[int, ...]:
        """Indices of the units that the first run makes suspects, slowest first."""
        found = [index for index, unit in enumerate(self.units) if unit.suspect]
        return tuple(sorted(found, key=lambda index: -(self.units[index].log_ratio or 0.0)))


class ConfirmedRatio(Struct, frozen=True, kw_only=True):
    """One suspect measured again beside two references; all figures from these rounds alone, but for the
    references' own ratios to the centre, which are the first run's.

    unit        index of the suspect in the first run
    references  indices of its references
    rounds      in which the suspect and both references were measured
    log_ratio   of the suspect to the centre; None without a round
    low, high   its 95% interval; None for fewer than two rounds
    error       standard error of log_ratio; freedom: its degrees of freedom
    p           one-sided, of "at most `margin` slower" (than the slower of references that differ)
    adjusted_p  after Holm's correction over the suspects
    slow        adjusted_p is at most SLOW_ERROR
    references_differ  the two, each corrected by its ratio of the first run: one has changed since
    """

    unit: int
    references: tuple[int, int]
    rounds: int
    log_ratio: float | None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    freedom: float | None = None
    p: float | None = None
    adjusted_p: float | None = None
    slow: bool = False
    references_differ: bool = False


def judge(
    log_medians: Array,
    nodes: Sequence[int],
    *,
    margin: float = MARGIN,
    against: Array | None = None,
    against_errors: tuple[Array, float] | None = None,
) -> FleetRatios:
    """Judge the first run of a fleet: units of one kind.

    log_medians  units x tests x processes, NaN where missing. The k-th process of every test of a unit stands
                 at index k: what changes slowly is the same for processes of one round
    nodes        index of the node of each unit, from 0
    against      log centre of each test from elsewhere (a good run), NaN where there is none; tests without
                 one do not count
    against_errors  their standard errors, of one sign in all tests, and degrees of freedom of these
    """
    table, node_of = unit_means(log_medians), np.asarray(nodes, np.int64)
    centre = robust_centre(table.values) if against is None else given_centre(table.values, against)
    weighed = weigh(table, centre)
    if against is None:
        centre, weighed = centred(centre, weighed)
    scatter = round_scatter(table, weighed)
    errors = squared_errors(table, centre, weighed, scatter, node_of)
    errors = errors.with_centre(weighed.weights, against_errors)
    return FleetRatios(
        margin=margin,
        tests=_tests(table, centre, weighed),
        units=_units(table, weighed, errors, margin),
        nodes=tuple(nodes),
        by_test=table.values - centre.values,
        over_units=true_spread(weighed.ratios, errors.own),
        over_nodes=true_spread(*node_means(weighed.ratios, errors.own, node_of)),
        over_processes=_typical_sd(weighed.process_variances),
        round_scatter=RoundScatter(*scatter.expected) if scatter.expected else None,
        centre_error=math.sqrt(errors.centre),
        centre_freedom=against_errors[1] if against_errors else math.inf,
        shift=None if against is None else _shift(table, centre, weighed),
    )


def _tests(table: UnitMeans, centre: Centre, weighed: Weighed) -> tuple[CentreOfTest, ...]:
    return tuple(
        CentreOfTest(log_centre=_known(value), units=units, weight=weight, process_sd=_root(variance))
        for value, units, weight, variance in zip(
            centre.values.tolist(),
            (table.counts > 0).sum(0).tolist(),
            weighed.weights.tolist(),
            weighed.process_variances.tolist(),
            strict=True,
        )
    )


def _units(table: UnitMeans, weighed: Weighed, errors: Errors, margin: float) -> tuple[UnitRatio, ...]:
    total = errors.total
    p = p_above(weighed.ratios - math.log1p(margin), total, errors.freedom)
    half = stdtrit(errors.freedom, (1 + LEVEL) / 2) * np.sqrt(total)
    columns = (
        weighed.ratios,
        weighed.ratios - half,
        weighed.ratios + half,
        np.sqrt(total),
        errors.freedom,
        p,
        holm_adjusted(p),
    )
    tests = (weighed.shares > 0).sum(1).tolist()
    processes = table.counts.max(1, initial=0).tolist()
    alone = (table.counts > 0).any(1).sum() == 1
    return tuple(
        _unit(row, of_tests, of_processes, alone)
        for row, of_tests, of_processes in zip(np.stack(columns, 1).tolist(), tests, processes, strict=True)
    )


def _unit(row: list[float], tests: int, processes: int, alone: bool) -> UnitRatio:
    ratio, low, high, error, freedom, p, adjusted = row
    if math.isnan(ratio):
        why: WhyNotJudged = "alone" if alone and processes else "no test"
        return UnitRatio(log_ratio=None, processes=processes, why=why)
    if math.isnan(error):
        return UnitRatio(log_ratio=ratio, tests=tests, processes=processes, why="one process")
    return UnitRatio(
        log_ratio=ratio,
        low=low,
        high=high,
        error=error,
        freedom=freedom,
        p=p,
        adjusted_p=adjusted,
        suspect=adjusted <= SUSPECT_ERROR,
        tests=tests,
        processes=processes,
    )


def _shift(table: UnitMeans, centre: Centre, weighed: Weighed) -> float | None:
    """Of the fleet's own centre from the one given, over the tests that both have."""
    apart = robust_centre(table.values).values - centre.values
    weights = np.where(np.isfinite(apart), weighed.weights, 0.0)
    return float(np.nansum(weights * apart) / weights.sum()) if weights.any() else None


def _typical_sd(variances: Array) -> float | None:
    known = variances[np.isfinite(variances)]
    return math.sqrt(float(np.median(known))) if len(known) else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _root(variance: float) -> float | None:
    return None if math.isnan(variance) else math.sqrt(variance)
