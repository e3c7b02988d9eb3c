"""Whether a commit has a change or not: its ratio to the good end against half of the whole step. Pure.

The step is log(BAD / GOOD), the mean of pairs and so not known exactly. A commit between them is `bad` where
its own log(commit / GOOD) is clearly above half of the step, and `good` where it is clearly below. Both means
come from different pairs of processes, so the difference is Welch's: the error of half the step is in it.

A commit is looked at after 8, 16, 32, 64 and 128 pairs, each look with a fifth of the error that the commit
may have. All commits together may have CHAIN_ERROR: each takes its share of what is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from bench.stats.estimates import Shift, mean_shift, welch_shift
from bench.stats.verdicts import ERROR, INTERIM_PAIRS

HalfAnswer = Literal["good", "bad"]

SEARCH_ERROR = 0.05
"""The share of searches that may give a wrong answer."""
CHAIN_ERROR = SEARCH_ERROR - ERROR
"""Of it what is left for the commits: ERROR is that of GOOD against BAD, which is a verdict of `ab`."""


LOOKS = (*INTERIM_PAIRS, 2 * INTERIM_PAIRS[-1])
"""Pairs after which a commit is looked at. Half of a step needs four times the pairs that the step needs."""


def step_of(log_ratios: Sequence[float]) -> Shift | None:
    """The step from the pairs of GOOD and BAD; None for fewer than two, which show no scatter."""
    return mean_shift(log_ratios) if len(log_ratios) > 1 else None


def can_be_halved(step: Shift) -> bool:
    """Whether the step is known well enough for its half to tell two commits apart: the interval of a look
    of `ab` reaches at most half of the step to either side."""
    return _reach(step) < abs(step.mean) / 2


def is_well_known(step: Shift) -> bool:
    """Whether more pairs of the ends would save fewer pairs of the commits than they cost: the interval
    reaches at most a third of the step."""
    return _reach(step) < abs(step.mean) / 3


def _reach(step: Shift) -> float:
    low, high = step.ends(1 - ERROR / len(INTERIM_PAIRS))
    return (high - low) / 2


def share_of(left: float, steps: int) -> float:
    """The error that the next commit may have, of what is `left` for it and for `steps` more answers.

    However many commits follow, together they have no more than there is.
    """
    return left / (steps + 1)


def answer_of(
    step: Shift, log_ratios: Sequence[float], error: float, *, last: bool = False
) -> HalfAnswer | None:
    """Whether a commit with these log(commit / GOOD) has the step, with this `error` over all looks; None
    where it cannot be told yet, and at a number of pairs at which nobody looks unless it is the `last`."""
    if len(log_ratios) < 2 or not (last or len(log_ratios) in LOOKS):
        return None
    own = mean_shift(log_ratios)
    beyond = math.copysign(1.0, step.mean) * (own.mean - step.mean / 2)
    difference = welch_shift(beyond, (own.error**2, (step.error / 2) ** 2), (own.freedom, step.freedom))
    low, high = difference.ends(1 - error / len(LOOKS))
    if low > 0:
        return "bad"
    return "good" if high < 0 else None
