"""What several ranks give over fewer, and what is lost on the way. Pure.

The unit of replication is the whole job: ranks of one job wait for each other, and are no independent
processes.

    speed-up    images a second with N ranks over those with the fewest ranks measured
    efficiency  speed-up / (ranks / the fewest ranks)
    ideal       seconds that the step would take at an efficiency of 1

What is lost of a step adds up to 1 - efficiency: communication that is not hidden, waiting for the slowest
rank, computing that takes longer than the ideal, and what the parts leave open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench.stats.estimates import Interval, Ratio, mean, mean_interval, median

ADDITIVE = 0.05
"""By this share of the step its parts may differ from it."""


class Scaling(Struct, frozen=True):
    """Of one number of ranks over the fewest that were measured; dimensionless."""

    speed_up: Ratio
    efficiency: Ratio


class StepParts(Struct, frozen=True, kw_only=True):
    """The parts of one job's step, in s: medians over its rounds, and differences of medians.

    step     the slowest rank's whole step
    compute  the mean rank's step without communication
    skew     the slowest rank's step without communication less the mean rank's
    exposed  the slowest rank's step of a pair less the slowest rank's step without communication

    The parts add up to the median step of the pairs, which is measured apart from `step`.
    """

    step: float
    compute: float
    skew: float
    exposed: float

    @property
    def gap(self) -> float:
        """The parts' sum over the step, less 1."""
        return (self.compute + self.skew + self.exposed) / self.step - 1


class RankSeconds(Struct, frozen=True, kw_only=True):
    """What one rank measured, in s: samples in the order of the rounds, which all ranks make together.

    step                   whole steps
    pair_quiet, pair_step  ahead of each one without communication, and a whole one
    """

    step: Sequence[float]
    pair_step: Sequence[float]
    pair_quiet: Sequence[float]


class Share(Struct, frozen=True):
    """A share of the step, the mean over the jobs; its 95% interval where there are two jobs or more."""

    value: float
    interval: Interval | None


class Losses(Struct, frozen=True, kw_only=True):
    """Shares of the step that N ranks lose against an efficiency of 1.

    exposed  communication that is not hidden
    skew     waiting for the slowest rank
    compute  computing beyond the ideal: what does not shrink, and what ranks take from each other
    open     what the parts leave open
    """

    exposed: Share
    skew: Share
    compute: Share
    open: Share


def parts_of(ranks: Sequence[RankSeconds]) -> StepParts | None:
    """The parts of one job's step; None where a series is missing, as of a strategy whose ranks cannot step
    without communication."""
    if not ranks or not all(rank.step and rank.pair_step and rank.pair_quiet for rank in ranks):
        return None
    compute = median([mean(each) for each in zip(*(rank.pair_quiet for rank in ranks), strict=True)])
    # Differences of medians add up, which medians of differences do not.
    slowest_quiet = slowest_step([rank.pair_quiet for rank in ranks])
    return StepParts(
        step=slowest_step([rank.step for rank in ranks]),
        compute=compute,
        skew=slowest_quiet - compute,
        exposed=slowest_step([rank.pair_step for rank in ranks]) - slowest_quiet,
    )


def slowest_step(ranks: Sequence[Sequence[float]]) -> float:
    """The median over the steps of the slowest rank's time, in s; one rank and one step at least."""
    return median([max(each) for each in zip(*ranks, strict=True)])


def scaling(times: Ratio, ranks: tuple[int, int], batches: tuple[int, int]) -> Scaling:
    """Of the fewest ranks and of more; `times` is the fewest ranks' step time over the other's.

    Weak and strong scaling are one formula: images a second are batch / time.
    """
    speed_up = scaled(times, batches[1] / batches[0])
    return Scaling(speed_up, scaled(speed_up, ranks[0] / ranks[1]))


def scaled(ratio: Ratio, factor: float) -> Ratio:
    """A ratio and its interval, times a number that is known exactly."""
    interval = ratio.interval
    if interval is not None:
        interval = structs.replace(interval, low=interval.low * factor, high=interval.high * factor)
    return Ratio(ratio.value * factor, interval)


def ideal_seconds(fewest_seconds: float, ranks: tuple[int, int], batches: tuple[int, int]) -> float:
    """The step's time at an efficiency of 1, from that of the fewest ranks."""
    return fewest_seconds * (batches[1] / batches[0]) * (ranks[0] / ranks[1])


def share(values: Sequence[float]) -> Share:
    """Of shares of which one comes from each job; at least one."""
    return Share(mean(values), mean_interval(values))


def losses(jobs: Sequence[StepParts], ideal: float, ends: tuple[float, float] | None) -> Losses:
    """Of the jobs of one number of ranks; `ideal` as `ideal_seconds` has it, with the ends of its interval,
    None where it has none. At least one job."""
    compute = share([(job.compute - ideal) / job.step for job in jobs])
    a_second = mean([1 / job.step for job in jobs])
    below = None if ends is None else tuple((end - ideal) * a_second for end in ends)
    return Losses(
        exposed=share([job.exposed / job.step for job in jobs]),
        skew=share([job.skew / job.step for job in jobs]),
        compute=_less(compute, below),
        open=share([-job.gap for job in jobs]),
    )


def _less(found: Share, ends: tuple[float, ...] | None) -> Share:
    """A share from which something was taken that is uncertain itself: by so much below and above its value.
    Half widths are added in quadrature (MOVER: Zou and Donner 2008)."""
    if found.interval is None or ends is None:
        return Share(found.value, None)
    low = math.hypot(found.value - found.interval.low, ends[1])
    high = math.hypot(found.interval.high - found.value, ends[0])
    return Share(found.value, structs.replace(found.interval, low=found.value - low, high=found.value + high))


def is_more(one: Share, other: Share) -> bool:
    """Whether the first is the larger one beyond their intervals, by the same rule; of single jobs by their
    values alone."""
    if one.interval is None or other.interval is None:
        return one.value > other.value
    return one.value - other.value > math.hypot(
        one.value - one.interval.low, other.interval.high - other.value
    )


def gap_of(jobs: Sequence[StepParts]) -> float:
    """The parts' sum over the step, less 1, in the mean over the jobs; at least one job."""
    return mean([job.gap for job in jobs])


def apart_of(jobs: Sequence[StepParts]) -> float:
    """By what share of the step the parts differ from it, above or below, in the mean over the jobs; at least
    one job."""
    return mean([abs(job.gap) for job in jobs])


def parts_add_up(jobs: Sequence[StepParts]) -> bool:
    """Whether the parts' sum is within 5% of the step: of the mean job, so that too much in one does not make
    up for too little in another."""
    return apart_of(jobs) <= ADDITIVE
