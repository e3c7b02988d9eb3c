"""Whether a suspect of a fleet is slow, from data of its own: rounds beside two references.

A suspect was picked for looking slow, so what it looked like then is no evidence. It is measured again, in
rounds that hold two units of the middle half of the fleet too; what changes slowly falls on all three. The
references differ from the centre by what the first run saw of them, which is taken off. docs/statistics.md
has the formulas and what was simulated. Pure; numpy is imported with it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct, structs

from bench.stats.estimates import LEVEL, Shift, welch_shift
from bench.stats.fewest import fewest
from bench.stats.fleet_arithmetic import Array, holm_adjusted, p_above
from bench.stats.fleet_ratios import SLOW_ERROR, ConfirmedRatio, FleetRatios
from bench.stats.fleet_scatter import expected_of_few
from bench.stats.prior_fit import SMALLEST
from bench.stats.student_t import needed
from models.errors import UserError

BEYOND = 0.02
"""So far beyond the margin (a share) a slow unit may be missed once in a thousand confirmations."""
POWER = 0.999
FEWEST_ROUNDS = 3
MOST_ROUNDS = 20
WITH_REFERENCES = 1.5
"""The variance of a round's ratio over that of one unit's round: one suspect, and half of each of two
references."""


class Remeasured(Struct, frozen=True):
    """A suspect and its two references, by their indices in the first run.

    log_medians  3 (suspect and references) x tests x rounds, NaN where missing
    """

    unit: int
    references: tuple[int, int]
    log_medians: Array


class _Seen(NamedTuple):
    """Of one suspect: the log ratio of each round, and the gap between the references of each."""

    ratios: Array
    gaps: Array


def references_of(first: FleetRatios, suspect: int, seed: str) -> tuple[int, int]:
    """Two units drawn at random from the middle half of the fleet; of other nodes than the suspect's where
    two are, as a node may be what is slow. The same for the same seed.

    Where the middle half holds fewer than two that are no suspects, the nearest to it are added. Raises
    UserError where the fleet has fewer than two.
    """
    ranked = sorted(
        (index for index, unit in enumerate(first.units) if unit.error is not None),
        key=lambda index: first.units[index].log_ratio or 0.0,
    )
    middle = (len(ranked) - 1) / 2
    near = sorted(enumerate(ranked), key=lambda placed: (abs(placed[0] - middle), placed[0]))
    healthy = [index for _, index in near if not first.units[index].suspect and index != suspect]
    if len(healthy) < 2:
        raise UserError(
            "a suspect is measured again beside two units that are no suspects, "
            f"and this fleet has {len(healthy)}; measure more of it: convbench fleet run --resume"
        )
    in_middle = {index for rank, index in enumerate(ranked) if abs(rank - middle) <= len(ranked) / 4}
    pool = [index for index in healthy if index in in_middle]
    elsewhere = [index for index in pool if first.nodes[index] != first.nodes[suspect]]
    chosen = next(few for few in (elsewhere, pool, healthy[:2]) if len(few) >= 2)
    one, other = random.Random(f"{seed}/{suspect}").sample(sorted(chosen), 2)
    return one, other


def rounds_needed(first: FleetRatios, suspects: Sequence[tuple[int, tuple[int, int]]]) -> int:
    """How many rounds find, with POWER, each suspect that is BEYOND the margin, after Holm's correction.

    They are taken to scatter as the first run's did, and those of a suspect that scattered more as its own.
    From FEWEST_ROUNDS to MOST_ROUNDS, which may then be too few.
    """
    if first.round_scatter is None:
        return MOST_ROUNDS
    effect = math.log((1 + first.margin + BEYOND) / (1 + first.margin))
    level = 1 - 2 * SLOW_ERROR / len(suspects)
    shapes = [
        (_own_variance(first, unit) + first.round_scatter.variance / 2, _correction(first, references))
        for unit, references in suspects
    ]
    variance, correction = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)

    def enough(rounds: int) -> bool:
        error = math.sqrt(variance / rounds + correction)
        return needed(rounds, POWER, level) * error <= effect

    if enough(FEWEST_ROUNDS):
        return FEWEST_ROUNDS
    return fewest(enough, FEWEST_ROUNDS, MOST_ROUNDS) if enough(MOST_ROUNDS) else MOST_ROUNDS


def confirm(first: FleetRatios, remeasured: Sequence[Remeasured]) -> tuple[ConfirmedRatio, ...]:
    """Judge the suspects by their second measurement, in the order given.

    A round counts where the suspect and both references have a test in common, and a test counts in a round
    where all three have it. How much rounds scatter is learned from these rounds too, over all suspects.
    """
    seen = [_seen(first, each) for each in remeasured]
    scatter = _Scatter.of(first, seen)
    judged = [_judged(first, each, rounds, scatter) for each, rounds in zip(remeasured, seen, strict=True)]
    p = np.array([np.nan if each.p is None else each.p for each in judged], float)
    return tuple(
        each if each.p is None else structs.replace(each, adjusted_p=adjusted, slow=adjusted <= SLOW_ERROR)
        for each, adjusted in zip(judged, holm_adjusted(p).tolist(), strict=True)
    )


class _Scatter(NamedTuple):
    """What is expected of the variance of a round's ratio, and what that is worth."""

    variance: float
    worth: float

    @classmethod
    def of(cls, first: FleetRatios, seen: Sequence[_Seen]) -> _Scatter:
        several = [rounds.ratios for rounds in seen if len(rounds.ratios) > 1]
        usual = first.round_scatter.variance if first.round_scatter else SMALLEST
        expected = expected_of_few(
            np.array([ratios.var(ddof=1) for ratios in several], float),
            np.array([len(ratios) - 1 for ratios in several], float),
            math.log(max(WITH_REFERENCES * usual, SMALLEST)),
        )
        return cls(*expected)


def _seen(first: FleetRatios, again: Remeasured) -> _Seen:
    centres = np.array([np.nan if each.log_centre is None else each.log_centre for each in first.tests])
    weights = np.array([each.weight for each in first.tests])
    suspect, one, other = again.log_medians - centres[:, np.newaxis]
    one = one - first.by_test[again.references[0]][:, np.newaxis]
    other = other - first.by_test[again.references[1]][:, np.newaxis]
    ratios, gaps = suspect - (one + other) / 2, one - other
    there = np.isfinite(ratios)
    share = np.where(there, weights[:, np.newaxis], 0.0)
    rounds = share.sum(0) > 0
    share = share[:, rounds] / share[:, rounds].sum(0)
    return _Seen(*((share * np.where(there, each, 0.0)[:, rounds]).sum(0) for each in (ratios, gaps)))


def _judged(first: FleetRatios, again: Remeasured, seen: _Seen, scatter: _Scatter) -> ConfirmedRatio:
    rounds = len(seen.ratios)
    result = ConfirmedRatio(
        unit=again.unit,
        references=again.references,
        rounds=rounds,
        log_ratio=float(seen.ratios.mean()) if rounds else None,
    )
    if rounds < 2:
        return result
    shift = _mean(seen.ratios, scatter, _correction(first, again.references), _freedom(first, again))
    low, high = shift.ends(LEVEL)
    apart = _apart(first, again, seen, scatter)
    excess = shift.mean - apart / 2 - math.log1p(first.margin)
    return structs.replace(
        result,
        low=low,
        high=high,
        error=shift.error,
        freedom=shift.freedom,
        p=float(p_above(np.asarray(excess), shift.error**2, shift.freedom)),
        references_differ=apart > 0,
    )


def _mean(rounds: Array, scatter: _Scatter, correction: float, freedom: float) -> Shift:
    """Of the rounds, with their moderated variance, less what is known of the references."""
    own = len(rounds) - 1
    pooled = (scatter.worth * scatter.variance + own * float(rounds.var(ddof=1))) / (scatter.worth + own)
    errors = max(pooled, SMALLEST) / len(rounds), correction
    return welch_shift(float(rounds.mean()), errors, (scatter.worth + own, freedom))


def _apart(first: FleetRatios, again: Remeasured, seen: _Seen, scatter: _Scatter) -> float:
    """By how much the references are apart, as a log; 0 unless clearly and by more than the margin."""
    wider = _Scatter(scatter.variance * 2 / WITH_REFERENCES, scatter.worth)
    of_both = sum(_own_squared(first, unit) for unit in again.references)
    gap = _mean(seen.gaps, wider, of_both, _freedom_of_references(first, again))
    low, high = gap.ends(1 - SLOW_ERROR)
    is_clear = abs(gap.mean) > math.log1p(first.margin) and not low <= 0 <= high
    return abs(gap.mean) if is_clear else 0.0


def _correction(first: FleetRatios, references: tuple[int, int]) -> float:
    """Squared error of the mean of two references' ratios in the first run; the centre is in both."""
    return sum(_own_squared(first, unit) for unit in references) / 4 + first.centre_error**2


def _own_squared(first: FleetRatios, unit: int) -> float:
    """Squared error of a unit's ratio in the first run, without that of the centre."""
    error = first.units[unit].error
    return max((error or 0.0) ** 2 - first.centre_error**2, 0.0)


def _own_variance(first: FleetRatios, unit: int) -> float:
    """Of one round of this unit, at least what is expected of any."""
    expected = first.round_scatter.variance if first.round_scatter else 0.0
    return max(expected, _own_squared(first, unit) * first.units[unit].processes)


def _freedom(first: FleetRatios, again: Remeasured) -> float:
    """Of `_correction`: few where the centre is that of another run with few units."""
    centre = first.centre_error**2
    squared = _correction(first, again.references) - centre, centre
    return welch_shift(0.0, squared, (_freedom_of_references(first, again), first.centre_freedom)).freedom


def _freedom_of_references(first: FleetRatios, again: Remeasured) -> float:
    return min(first.units[unit].freedom or 1.0 for unit in again.references)
