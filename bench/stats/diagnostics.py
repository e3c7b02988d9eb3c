"""What makes a process's median less sure than its interval says: neighbours alike, two modes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from operator import ne, sub

from msgspec import Struct

from bench.stats.estimates import LEVEL, Interval, median, median_ranks, within_process

FEWEST_TO_JUDGE = 20
"""Samples below which nothing is said: chance makes runs and gaps."""
RARE = 2.5
"""Standard deviations below the expected crossings; one independent stream in 200 gets there."""
MATERIAL = 0.1
"""A correlation below this leaves the 95% interval with more than 92%."""
TWO_MODES = 0.9
"""The share of the variance that two groups must explain: 64% for a normal distribution, 75% for a
uniform one, 90% for equal groups six standard deviations apart, or eight where one holds a fifth."""
SMALLEST_GROUP = 0.1
APART = 1.01
"""Closer modes do not matter, and a clock of coarse ticks makes them."""


def autocorrelation(samples: Sequence[float]) -> float | None:
    """How much neighbours keep to one side of the median (0 never, 1 always); None where chance would do.

    `samples` in the order they were taken. The median's interval counts the samples on either side of
    the median as so many tosses of a coin, so it is the correlation of these sides that makes it too
    narrow. This is the runs test of Wald and Wolfowitz: the crossings of the median have a known mean
    and spread if samples are independent. Of 20 samples only a strong correlation shows.
    """
    middle = median(samples)
    above = [sample > middle for sample in samples]
    return correlation_of_sides(len(samples), sum(above), sum(map(ne, above, above[1:])))


def correlation_of_sides(n: int, high: int, found: int) -> float | None:
    """As `autocorrelation`, of `n` samples of which `high` are above the median, crossed `found` times."""
    if n < FEWEST_TO_JUDGE:
        return None
    expected = 2 * high * (n - high) / n
    if expected <= 1:  # nearly all samples are equal
        return None
    spread = math.sqrt(expected * (expected - 1 + 1 / n) / (n - 1))
    correlation = 1 - found / expected
    return correlation if expected - found > RARE * spread and correlation >= MATERIAL else None


def effective_samples(n: int, correlation: float) -> float:
    """How many independent samples `n` are worth whose sides of the median have this correlation."""
    return n * (1 - correlation) / (1 + correlation)


def corrected_interval(samples: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The interval of one process's median, of as many independent samples as these are worth.

    `samples` in the order in which they were taken. As `bench.stats.estimates.within_process` where
    neighbours are not alike; None where they are worth fewer than six.
    """
    ordered, n = sorted(samples), len(samples)
    correlation = autocorrelation(samples) if n else None
    if correlation is None:
        return within_process(ordered, level)
    worth = math.floor(effective_samples(n, correlation))
    ranks = median_ranks(worth, level)
    if ranks is None:
        return None
    rank = math.floor(ranks[0] * n / worth)
    return Interval(ordered[rank], ordered[n - 1 - rank], "within-process", level)


class Modes(Struct, frozen=True, gc=False):
    """Two groups of samples: `share` of them is in the slower, whose mean is `ratio` x the other's."""

    share: float
    ratio: float


def two_modes(ordered: Sequence[float]) -> Modes | None:
    """The two groups that one process's samples, in order of size, fall into; None where they form one.

    The cut is where two groups explain most of the variance (Otsu's threshold), the outer 5% on either
    side left aside; they are two modes where that is TWO_MODES of it or more.
    """
    if len(ordered) < FEWEST_TO_JUDGE or not _may_have_gap(ordered):
        return None
    edge = len(ordered) // 20
    inner = ordered[edge : len(ordered) - edge]
    n = len(inner)
    mean = math.fsum(inner) / n
    total = math.fsum((sample - mean) ** 2 for sample in inner)
    sums = list(accumulate(sample - mean for sample in inner))
    least = math.ceil(n * SMALLEST_GROUP)
    explained, cut = max((sums[c - 1] ** 2 * n / (c * (n - c)), c) for c in range(least, n - least + 1))
    low, high = mean + sums[cut - 1] / cut, mean - sums[cut - 1] / (n - cut)
    if explained < TWO_MODES * total or low <= 0 or high < APART * low:
        return None
    return Modes(share=1 - cut / n, ratio=high / low)


def _may_have_gap(ordered: Sequence[float]) -> bool:
    """Whether two modes are possible, from nine of the samples: a report looks at very many streams."""
    n = len(ordered)
    tenths = [ordered[n * tenth // 10] for tenth in range(1, 10)]
    widest: float = max(map(sub, tenths[2:], tenths))
    return widest > 0.5 * (tenths[-1] - tenths[0])
