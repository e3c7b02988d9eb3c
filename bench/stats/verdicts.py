"""Faster, slower, equivalent or inconclusive: two sides compared, a row at a time. Pure; scipy is late.

A verdict is about the ratio NEW / BASE of a cost (seconds, bytes, joules), and its unit is the process
(or the pair of processes, or the run): samples within a process are no evidence about the next one.

1. `equivalent` where the 90% interval lies inside 1 +- margin: two one-sided tests at 5%. It is looked at
   first: a change that is real but inside the margin does not matter.
2. `faster` or `slower` where the 99% interval excludes 1. Of a size, they mean smaller or larger.
3. `inconclusive` otherwise: not "no change" but "too few processes to say".

Where processes are the unit, times and energies have moderated variances (`bench.stats.moderation`). Pairs
have not: their looks begin at eight, and what changed slowly is not in them. Nor have runs, since the scatter
between runs is none of processes, nor sizes, which have a rule of their own: they are often equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, structs

from bench.stats.estimates import Moderated, Shift, centre, mean_shift, p_value, welch
from bench.stats.moderation import moderated_shift
from bench.stats.student_t import needed

TimeWord = Literal["equivalent", "faster", "slower", "inconclusive"]
VerdictMethod = Literal["t", "moderated"]
FailOn = Literal["slower", "any", "inconclusive"]
"""Which verdicts make a gate fail: `any` is slower or faster; `inconclusive` is slower, or too few processes
to say."""

MARGIN = 0.02
ERROR = 0.01
"""The share of comparisons of a thing with itself that may be called faster or slower."""
EQUIVALENCE_ERROR = 0.05
"""The share of changes just outside the margin that may be called equivalent."""
DETECTABLE_POWER = 0.99
INTERIM_PAIRS = (8, 16, 32, 64)
"""Pairs after which `ab` may look; at each of them only a quarter of the errors may be made."""

ONE_PROCESS = "one process on a side does not show how processes differ"
NO_RATIO = "a value of zero has no ratio"


class Verdict(Struct, frozen=True, kw_only=True):
    """What two sides say about NEW / BASE.

    ratio       of the geometric means of the sides' values; None where a value is zero or less
    low, high   the interval at `level` (99%, or 99.75% for a look): outside 1 means faster or slower
    detectable  the smallest slowdown, as a share (0.03 is 3%), whose interval would exclude 1 in 99 of
                100 such comparisons, if the values scatter as they did here
    p           two-sided; None where there was no test, because nothing varies or nothing is known
    reason      why there is no interval
    method      of the interval: `moderated`, or `t` with the sides' own variances; None where there is none
    error       standard error of the log of the ratio: low and high are ratio x exp(-+ t(freedom) x error)
    freedom     degrees of freedom of the error; None where nothing varies
    """

    ratio: float | None
    low: float | None = None
    high: float | None = None
    verdict: TimeWord = "inconclusive"
    detectable: float | None = None
    n_base: int
    n_new: int
    p: float | None = None
    level: float = 1 - ERROR
    reason: str | None = None
    method: VerdictMethod | None = None
    error: float | None = None
    freedom: float | None = None

    @property
    def is_clear(self) -> bool:
        """Whether more processes would be of no use."""
        return self.verdict != "inconclusive"


def unpaired(
    base: Sequence[float],
    new: Sequence[float],
    margin: float = MARGIN,
    moderated: tuple[Moderated, Moderated] | None = None,
) -> Verdict:
    """Welch's t on the logs of what each process (or run) gave; at least one value on each side.

    `moderated` are the variances of base and of new, drawn towards one prior; else each side has its own.
    """
    sizes = len(base), len(new)
    if min(*base, *new) <= 0:
        return Verdict(ratio=None, n_base=sizes[0], n_new=sizes[1], reason=NO_RATIO)
    if min(sizes) < 2:
        ratio = centre(new) / centre(base)
        return Verdict(ratio=ratio, n_base=sizes[0], n_new=sizes[1], reason=ONE_PROCESS)
    if moderated is not None:
        shift = moderated_shift(new, base, moderated[1], moderated[0])
        return structs.replace(_judge(shift, sizes, margin), method="moderated")
    return _judge(welch(new, base), sizes, margin)


def paired(log_ratios: Sequence[float], margin: float = MARGIN) -> Verdict:
    """t on log(new / base) of pairs that were measured side by side; at least one pair.

    What changes slowly on a machine is the same for both of a pair, and so is not in the interval.
    """
    return _paired(log_ratios, margin, share=1.0)


def interim_verdict(
    log_ratios: Sequence[float], margin: float = MARGIN, *, last: bool = False
) -> Verdict | None:
    """The sequential rule of `ab`: a verdict at 8, 16, 32 and 64 pairs, None at any other number.

    Stop where it is clear. Each look makes at most a quarter of the errors, so that all four together
    make no more than one comparison would. `last` looks now, whatever the number: for when the budget is
    spent, and then in place of the looks that will not be made.
    """
    if not (last or len(log_ratios) in INTERIM_PAIRS):
        return None
    return _paired(log_ratios, margin, share=1 / len(INTERIM_PAIRS))


def holm(p_values: Sequence[float], error: float = ERROR) -> tuple[bool, ...]:
    """Which of these tests hold when all are made at once: any false one among them, at most `error`."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    holds = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] > error / (len(p_values) - rank):
            break
        holds[index] = True
    return tuple(holds)


def _paired(log_ratios: Sequence[float], margin: float, share: float) -> Verdict:
    n = len(log_ratios)
    if n < 2:
        ratio = math.exp(log_ratios[0]) if n else None
        return Verdict(ratio=ratio, n_base=n, n_new=n, level=1 - ERROR * share, reason=ONE_PROCESS)
    return _judge(mean_shift(log_ratios), (n, n), margin, share)


def _judge(shift: Shift, sizes: tuple[int, int], margin: float, share: float = 1.0) -> Verdict:
    """The verdict rule; `share` of each error may be made."""
    level = 1 - ERROR * share
    low, high = shift.around(level)
    varies = shift.error > 0
    return Verdict(
        ratio=shift.ratio,
        low=low,
        high=high,
        verdict=_word(shift, margin, (low, high), 1 - 2 * EQUIVALENCE_ERROR * share),
        detectable=_detectable(shift, level) if varies else 0.0,
        n_base=sizes[0],
        n_new=sizes[1],
        p=p_value(shift) if varies else None,
        level=level,
        method="t",
        error=shift.error,
        freedom=shift.freedom if varies else None,
    )


def _word(shift: Shift, margin: float, interval: tuple[float, float], equivalence_level: float) -> TimeWord:
    inner_low, inner_high = shift.around(equivalence_level)
    if 1 - margin <= inner_low and inner_high <= 1 + margin:
        return "equivalent"
    low, high = interval
    if high < 1:
        return "faster"
    return "slower" if low > 1 else "inconclusive"


def _detectable(shift: Shift, level: float) -> float:
    # bounded, as two processes can be so far apart that no change would be seen
    return math.expm1(min(needed(shift.freedom, DETECTABLE_POWER, level) * shift.error, 300.0))
