"""Medians, intervals and ratios, and when they may be printed. Pure; scipy is imported late, for its price.

Samples within a process are not independent evidence about the next process: clocks, memory layout and
the algorithms that a library picked are drawn once for each. So kinds of interval are never mixed:
`within-process`, how well one process was sampled, `across-processes`, what another run of the same command
would show, `across-machines` and `across-gpus`, what another unit would (`bench.stats.levels`).

Across processes a t interval on logs is used at every number of processes. A bootstrap needs 20, and was not
better there: over 3,000 simulated runs of 20 processes (normal, exponential, bimodal and t3 logs) the t
interval covered 95.5, 91.6, 92.7 and 96.2%, BCa 93.3, 89.5, 91.5 and 92.9%; likewise at 50.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from bench.stats.student_t import t_factor

LEVEL = 0.95
"""The confidence of every interval in a report."""

IntervalKind = Literal["across-machines", "across-gpus", "across-processes", "within-process"]
IntervalMethod = Literal["t", "moderated", "borrowed"]
"""How an interval across processes was made: from the case's own processes, with what the run's other cases
show of scatter beside them (`bench.stats.moderation`), or from these alone, for a single process."""


class Moderated(Struct, frozen=True, gc=False):
    """The variance of the log of a process median, with its parts: any reader can recompute it.

    variance       the larger of floor_sd^2 and the mean of prior_sd^2 and own_sd^2, weighted by their freedom
    freedom        degrees of freedom: prior_freedom, and one less than there are processes
    prior_freedom  what the other cases and the published prior are worth
    prior_sd       the standard deviation that these lead to expect
    own_sd         that of the case's own processes; None for one process
    floor_sd       the least that a median of so few samples can have
    cases          in the fit of the prior
    """

    variance: float
    freedom: float
    prior_freedom: float
    prior_sd: float
    own_sd: float | None
    floor_sd: float
    cases: int


class Interval(Struct, frozen=True, gc=False):
    """A confidence interval, in the unit of what it is about; `level` is the confidence asked for."""

    low: float
    high: float
    kind: IntervalKind
    level: float = LEVEL
    method: IntervalMethod | None = None
    parts: Moderated | None = None

    @property
    def is_across(self) -> bool:
        """Whether it says anything of other processes."""
        return self.kind != "within-process"


class Ratio(Struct, frozen=True, gc=False):
    """One quantity over another, dimensionless, with its interval where there is one."""

    value: float
    interval: Interval | None


def median_of_sorted(ordered: Sequence[float]) -> float:
    """The median of samples that are in order already; at least one."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the mean of the two in the middle; at least one sample."""
    return median_of_sorted(sorted(samples))


@lru_cache(maxsize=8192)
def median_ranks(n: int, level: float = LEVEL) -> tuple[int, int] | None:
    """Indices from 0 of the two order statistics that enclose the median of any distribution.

    Exact: the count of samples below it is binomial(n, 1/2). None where even the full range covers less than
    `level` (five samples or fewer at 95%).
    """
    total = 2**n
    term = tail = 1  # the ways to have 0, then at most `rank`, samples below the median
    rank = -1
    while 2 * tail / total <= 1 - level:
        rank += 1
        term = term * (n - rank) // (rank + 1)
        tail += term
    return (rank, n - 1 - rank) if rank >= 0 else None


def within_process(ordered: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Order-statistic interval of the median of one process's samples, which must be in order.

    None for fewer than six samples: their whole range does not reach 95%.
    """
    ranks = median_ranks(len(ordered), level)
    return Interval(ordered[ranks[0]], ordered[ranks[1]], "within-process", level) if ranks else None


def interval_is_narrow(samples: Sequence[float], target: float, level: float = LEVEL) -> bool:
    """The stopping rule: neither end of the median's interval is further away than `target` x median."""
    ranks = median_ranks(len(samples), level)
    if ranks is None:
        return False
    ordered = sorted(samples)
    centre = median_of_sorted(ordered)
    return max(ordered[ranks[1]] - centre, centre - ordered[ranks[0]]) <= target * centre


def quantile(samples: Sequence[float], probability: float) -> float | None:
    """The quantile, interpolated linearly; None where the samples are too few to print it.

    Too few: the chance that at most one sample lies above the true quantile is more than 1%
    (below 64 samples for 0.9, below 662 for 0.99).
    """
    n = len(samples)
    none_above = probability**n
    one_above = n * (1 - probability) * probability ** (n - 1) if n else 0.0
    if none_above + one_above > 0.01:
        return None
    ordered = sorted(samples)
    position = probability * (n - 1)
    below = math.floor(position)
    above = min(below + 1, n - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def centre(medians: Sequence[float]) -> float:
    """The figure for several processes: the geometric mean of their medians, exact when they are equal.

    It is the centre of the t interval on logs. Where a value is zero or less there are no logs, and
    it is the median of the medians.
    """
    lowest, highest = min(medians), max(medians)
    if lowest == highest:
        return lowest
    if lowest <= 0:
        return median(medians)
    mean_of_logs = math.fsum(map(math.log, medians)) / len(medians)
    return min(max(math.exp(mean_of_logs), lowest), highest)


def across_processes(medians: Sequence[float], level: float = LEVEL) -> Interval | None:
    """t interval on the logs of process medians, around their geometric mean.

    Medians that are all equal give the interval of width zero. None for one process, and where a
    value is zero or less.
    """
    n = len(medians)
    if n < 2:
        return None
    if min(medians) == max(medians):
        return Interval(medians[0], medians[0], "across-processes", level, "t")
    if min(medians) <= 0:
        return None
    _, variance = moments(list(map(math.log, medians)))
    factor = bounded_exp(t_factor(n - 1, level) * math.sqrt(variance / n))
    return Interval(centre(medians) / factor, centre(medians) * factor, "across-processes", level, "t")


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, exact when all values are equal; at least one."""
    return moments(values)[0] if len(values) > 1 else values[0]


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """t interval of the arithmetic mean: for shares and losses, of which one value comes from each seed.

    It is in the values' own unit and may reach beyond what they can be (above 100%): then they are too few.
    Values that are all equal give the interval of width zero. None for one value.
    """
    if len(values) < 2:
        return None
    low, high = mean_shift(values).ends(level)
    return Interval(low, high, "across-processes", level, "t")


class Shift(Struct, frozen=True, gc=False):
    """A difference of means: its standard error, and the degrees of freedom of that error.

    Of logs (then the log of a ratio) or of values. Where nothing varies `error` is 0, `freedom` no matter.
    """

    mean: float
    error: float
    freedom: float

    @property
    def ratio(self) -> float:
        """The ratio of the geometric means."""
        return bounded_exp(self.mean)

    def ends(self, level: float) -> tuple[float, float]:
        """Ends of the two-sided t interval, in the unit of the values."""
        half = t_factor(self.freedom, level) * self.error if self.error else 0.0
        return self.mean - half, self.mean + half

    def around(self, level: float) -> tuple[float, float]:
        """Ends of the two-sided t interval of logs, as ratios."""
        low, high = self.ends(level)
        return bounded_exp(low), bounded_exp(high)


def welch(numerators: Sequence[float], denominators: Sequence[float]) -> Shift:
    """Of independent processes: logs of the numerators less logs of the denominators, as Welch has it.

    Needs two processes or more on each side and values above zero.
    """
    return welch_difference(list(map(math.log, numerators)), list(map(math.log, denominators)))


def welch_difference(ones: Sequence[float], others: Sequence[float]) -> Shift:
    """The mean of `ones` less that of `others`, all independent, as Welch has it; two or more of each."""
    (mean_a, variance_a), (mean_b, variance_b) = moments(ones), moments(others)
    n, m = len(ones), len(others)
    return welch_shift(mean_a - mean_b, (variance_a / n, variance_b / m), (n - 1, m - 1))


def welch_shift(
    difference: float, squared_errors: tuple[float, float], own: tuple[float, float], shared: float = 0.0
) -> Shift:
    """A difference of means, by the squared errors and degrees of freedom of both (Welch-Satterthwaite).

    Each side has `shared` degrees of freedom beside its own: the same ones, which so count once in all.
    """
    squared = sum(squared_errors)
    if squared == 0:
        return Shift(difference, 0.0, shared + sum(own))
    # Written with shares of the squared error, whose squares cannot underflow.
    freedom = 1 / sum((e / squared) ** 2 / (shared + f) for e, f in zip(squared_errors, own, strict=True))
    return Shift(difference, math.sqrt(squared), min(freedom, shared + sum(own)))


def mean_shift(values: Sequence[float]) -> Shift:
    """Of the differences (or log ratios) within pairs that belong together; needs two or more."""
    middle, variance = moments(values)
    return Shift(middle, math.sqrt(variance / len(values)), len(values) - 1)


def ratio_across_processes(
    numerators: Sequence[float], denominators: Sequence[float], level: float = LEVEL
) -> Ratio:
    """Ratio of two geometric means of process medians, with Welch's t interval on the logs.

    Needs two processes or more on each side and values above zero.
    """
    shift = welch(numerators, denominators)
    low, high = shift.around(level)
    return Ratio(shift.ratio, Interval(low, high, "across-processes", level))


def ratio_within_process(
    numerator: float, above: Interval | None, denominator: float, below: Interval | None
) -> Ratio:
    """Ratio of two figures of which one at least comes from a single process; all above zero.

    The half widths of their intervals, on logs, are added in quadrature; what differs between
    processes is not in it. Without an interval on both sides there is none for the ratio.
    """
    value = numerator / denominator
    if above is None or below is None or min(above.low, below.low) <= 0:
        return Ratio(value, None)
    high = math.hypot(math.log(above.high / numerator), math.log(denominator / below.low))
    low = math.hypot(math.log(numerator / above.low), math.log(below.high / denominator))
    level = min(above.level, below.level)
    return Ratio(value, Interval(value * math.exp(-low), value * math.exp(high), "within-process", level))


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and unbiased variance; exact where all are equal, which sizes in bytes often are."""
    if min(values) == max(values):
        return values[0], 0.0
    middle = math.fsum(values) / len(values)
    return middle, math.dist(values, [middle] * len(values)) ** 2 / (len(values) - 1)


def bounded_exp(log: float) -> float:
    """e^log, bounded: two processes far apart must not make an infinity or a zero."""
    return math.exp(min(max(log, -300.0), 300.0))


def p_value(shift: Shift) -> float:
    """Two-sided, of the difference against none; the error must be above 0."""
    from scipy.special import stdtr

    return 2 * float(stdtr(shift.freedom, -abs(shift.mean) / shift.error))
