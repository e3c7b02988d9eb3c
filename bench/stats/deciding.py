"""How many more processes would decide what a comparison left open. Pure.

Where `detectable` is at the margin or below, the comparison is decided whatever ratio it finds: below some
ratio it is equivalent, and from a smaller one on it is faster or slower. A ratio that lies further out needs
no more than that its own size is detectable.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from bench.stats.estimates import Shift, welch_shift
from bench.stats.fewest import fewest
from bench.stats.moderation import MOST_MORE
from bench.stats.student_t import needed
from bench.stats.verdicts import DETECTABLE_POWER, Verdict


class Side(Struct, frozen=True):
    """One side as it is: the variance of the log of a process's value, how many values there are, and the
    degrees of freedom that they give the variance."""

    variance: float
    n: int
    freedom: float


class Deciding(Struct, frozen=True):
    """What would decide a comparison: so many more on each side (None: more than MOST_MORE), which bring
    `detectable` to `target`, a share."""

    more: int | None
    target: float


def target_of(mean: float, margin: float) -> float:
    """The change that must be detectable, as a share: that which was seen, or the margin where it is larger.

    `mean` is the log of the ratio.
    """
    return math.expm1(max(abs(mean), math.log1p(margin)))


def unpaired_after(base: Side, new: Side, prior_freedom: float) -> Callable[[int], Shift]:
    """How sure the ratio would be with so many more processes on each side, if they scatter as these did.

    `prior_freedom` are the degrees of freedom that both sides borrow, and that so count once; 0 without.
    """

    def after(more: int) -> Shift:
        squared_errors = base.variance / (base.n + more), new.variance / (new.n + more)
        return welch_shift(0.0, squared_errors, (base.freedom + more, new.freedom + more), prior_freedom)

    return after


def paired_after(error: float, n: int) -> Callable[[int], Shift]:
    """The same of pairs: `error` is that of the `n` there are."""

    def after(more: int) -> Shift:
        return Shift(0.0, error * math.sqrt(n / (n + more)), n + more - 1)

    return after


def deciding(after: Callable[[int], Shift], mean: float, margin: float, level: float) -> Deciding:
    """The fewest that are enough, for a comparison that is inconclusive at `level` now."""
    target = target_of(mean, margin)

    def enough(more: int) -> bool:
        shift = after(more)
        return needed(shift.freedom, DETECTABLE_POWER, level) * shift.error <= math.log1p(target)

    return Deciding(fewest(enough, 0, MOST_MORE) if enough(MOST_MORE) else None, target)


def deciding_pairs(verdict: Verdict, margin: float) -> Deciding | None:
    """How many more pairs decide a verdict on log ratios of pairs; None where it is decided, and where
    nothing is known of how they scatter."""
    if verdict.is_clear or not verdict.error or not verdict.ratio:
        return None
    after = paired_after(verdict.error, verdict.n_base)
    return deciding(after, math.log(verdict.ratio), margin, verdict.level)
