"""Higher, lower, equivalent or inconclusive: the accuracies of two sides. Pure; scipy is late.

The rule and its levels are those of `bench.stats.verdicts`, on the difference NEW - BASE of shares: 98%
against 97% and 50% against 49% are both one point, where a ratio would call the second the larger change. The
unit is the seed: with another one all weights, the order of the images and their augmentation are others.

1. `diverged` where a seed of either side has no accuracy: the mean of the others would flatter that side.
2. `equivalent` where the 90% interval lies inside +- PARITY_MARGIN.
3. `higher` or `lower` where the 99% interval excludes 0.
4. `inconclusive` otherwise, and where neither side learned anything.

It says nothing of other test images: both sides are judged by the same ones.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from bench.stats.estimates import Shift, mean, mean_shift, p_value, welch_difference
from bench.stats.student_t import needed
from bench.stats.verdicts import DETECTABLE_POWER, EQUIVALENCE_ERROR, ERROR

AccuracyWord = Literal["equivalent", "higher", "lower", "inconclusive", "diverged"]

PARITY_MARGIN = 0.01
"""One point: what a result in a paper is usually rounded to, and less than most choices of a recipe move."""
ONE_SEED = "one seed per side does not show how much seeds differ"
AT_CHANCE = 1.5
"""Up to so many times the accuracy of guessing nothing was learned: classes are not all as frequent."""
NOTHING_LEARNED = "neither side learned more than guessing"
ALL_EQUAL = 1e-9
"""Shares that are closer than this are equal: no set of test images is so large that they could differ."""


class Difference(Struct, frozen=True, kw_only=True):
    """What two sides say about NEW - BASE, as shares (0.01 is one point).

    difference  of the means over the seeds; None where a seed diverged
    low, high   the interval at `level`: outside 0 means higher or lower
    detectable  the smallest difference whose interval would exclude 0 in 99 of 100 such comparisons, if
                the seeds scatter as they did here; None where they did not scatter at all
    n_base, n_new    the seeds that have an accuracy
    p           two-sided; None where there was no test
    paired      whether both sides have the same seeds, and seed was compared with seed
    reason      why there is no interval, or why it says nothing
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: AccuracyWord = "inconclusive"
    detectable: float | None = None
    n_base: int
    n_new: int
    p: float | None = None
    level: float = 1 - ERROR
    paired: bool = False
    diverged_base: int = 0
    diverged_new: int = 0
    reason: str | None = None


def difference(
    base: Mapping[int, float],
    new: Mapping[int, float],
    *,
    classes: int | None = None,
    diverged: tuple[int, int] = (0, 0),
    names: tuple[str, str] = ("BASE", "NEW"),
    margin: float = PARITY_MARGIN,
) -> Difference:
    """Judge two sides by the accuracy of each of their seeds.

    `diverged` are the seeds of BASE and NEW that have none; a side has one seed at least, of either kind.
    Of `classes` guessing gets one in so many right: where both sides do no better they are equal, and
    nothing is known of them. None is for shares that are no accuracies.
    Where both have the same seeds, the same first weights met the same images in the same order on both
    sides, and what differs within a pair is tested (paired t); else the means are (Welch).
    """
    sizes = len(base), len(new)
    paired = base.keys() == new.keys()
    if any(diverged):
        return _diverged(sizes, diverged, names)
    ones, others = [new[seed] for seed in sorted(new)], [base[seed] for seed in sorted(base)]
    if min(sizes) < 2:
        found = mean(ones) - mean(others)
        return Difference(difference=found, n_base=sizes[0], n_new=sizes[1], paired=paired, reason=ONE_SEED)
    if paired:
        shift = mean_shift([one - other for one, other in zip(ones, others, strict=True)])
    else:
        shift = welch_difference(ones, others)
    if shift.error <= ALL_EQUAL:
        shift = _by_step(shift, ones, others)
    judged = _judge(shift, sizes, paired, margin)
    if classes is not None and is_at_chance([*ones, *others], classes):
        return structs.replace(judged, verdict="inconclusive", reason=NOTHING_LEARNED)
    return judged


def is_at_chance(accuracies: Sequence[float], classes: int) -> bool:
    """Whether none of these is clearly better than guessing."""
    return max(accuracies) <= AT_CHANCE / classes


def _diverged(sizes: tuple[int, int], diverged: tuple[int, int], names: tuple[str, str]) -> Difference:
    lost = zip(names, sizes, diverged, strict=True)
    return Difference(
        verdict="diverged",
        n_base=sizes[0],
        n_new=sizes[1],
        diverged_base=diverged[0],
        diverged_new=diverged[1],
        reason="; ".join(f"{name}: {gone} of {n + gone} seeds diverged" for name, n, gone in lost if gone),
    )


def _by_step(shift: Shift, ones: Sequence[float], others: Sequence[float]) -> Shift:
    """The same difference with the error of values that are rounded to a step, step / sqrt(12).

    Accuracies are counts of test images: that few seeds agree to the image does not say that another would.
    The step is the smallest gap between any two values, which is one image or more. Where all values are
    equal nothing was seen to differ, and the error stays 0.
    """
    ordered = sorted([*ones, *others])
    gaps = [high - low for low, high in itertools.pairwise(ordered) if high - low > ALL_EQUAL]
    step = min(gaps, default=0.0)
    error = step * math.sqrt((1 / len(ones) + 1 / len(others)) / 12)
    return Shift(shift.mean if gaps else 0.0, error, shift.freedom)


def _judge(shift: Shift, sizes: tuple[int, int], paired: bool, margin: float) -> Difference:
    level = 1 - ERROR
    low, high = shift.ends(level)
    varies = shift.error > 0
    return Difference(
        difference=shift.mean,
        low=low,
        high=high,
        verdict=_word(shift, margin, low, high),
        detectable=needed(shift.freedom, DETECTABLE_POWER, level) * shift.error if varies else None,
        n_base=sizes[0],
        n_new=sizes[1],
        p=p_value(shift) if varies else None,
        level=level,
        paired=paired,
    )


def _word(shift: Shift, margin: float, low: float, high: float) -> AccuracyWord:
    inner_low, inner_high = shift.ends(1 - 2 * EQUIVALENCE_ERROR)
    if -margin <= inner_low and inner_high <= margin:
        return "equivalent"
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "inconclusive"
