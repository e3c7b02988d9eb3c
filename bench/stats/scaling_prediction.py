"""The step of twice as many ranks as were measured. Pure.

What links can do is taken from the sweep of message sizes, never fitted to the steps: the time that a step's
messages need is arithmetic (`bench.stats.link_arithmetic`). From the steps come only

    compute  strong scaling: a + b / N, least squares over all N. Weak scaling: the mean over all N
    skew     the largest of N normal values lies E(N) standard deviations above their mean: the standard
             deviation, relative to compute, is sum(skew) / sum(E(N) compute)
    hidden   the time in which messages are hidden grows with compute: sum(messages - exposed) / sum(compute)

so that exposed communication = max(0, time of the messages - hidden x compute). The same formulas, at the N
that were measured, show how far off they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

from msgspec import Struct

FEWEST_SIZES = 3
"""Numbers of ranks that must have been measured, for a line of two unknowns to have something to be wrong
about."""
_REACH, _INTERVALS = 8.0, 800
"""Of the integral: standard deviations on either side, and steps."""


class MeasuredSize(Struct, frozen=True, kw_only=True):
    """What was measured at one number of ranks, in s; with one rank skew, exposed and messages are 0.

    messages  what the messages of a step would take one after the other, by the sweep of the same jobs
    """

    ranks: int
    step: float
    compute: float
    skew: float = 0.0
    exposed: float = 0.0
    messages: float = 0.0


class PredictedStep(Struct, frozen=True, kw_only=True):
    """By the formulas above, in s."""

    ranks: int
    compute: float
    skew: float
    exposed: float

    @property
    def step(self) -> float:
        """The sum of the parts."""
        return self.compute + self.skew + self.exposed


class Prediction(Struct, frozen=True):
    """The step of more ranks than were measured; `errors` are (ranks, predicted over measured, less 1)."""

    step: PredictedStep
    errors: tuple[tuple[int, float], ...]


class _Model(Struct, frozen=True):
    """compute = constant + shrinking / N; skew and hidden are relative to compute."""

    constant: float
    shrinking: float
    skew: float
    hidden: float

    def at(self, ranks: int, messages: float) -> PredictedStep:
        compute = self.constant + self.shrinking / ranks
        return PredictedStep(
            ranks=ranks,
            compute=compute,
            skew=self.skew * highest_of(ranks) * compute,
            exposed=max(0.0, messages - self.hidden * compute) if ranks > 1 else 0.0,
        )


def predict(
    measured: Sequence[MeasuredSize], ranks: int, messages: float, *, is_weak: bool
) -> Prediction | None:
    """Of so many ranks, whose messages would take so long, in s; None from fewer than three sizes, and
    without one of several ranks."""
    several = [size for size in measured if size.ranks > 1]
    if len({size.ranks for size in measured}) < FEWEST_SIZES or not several:
        return None
    constant, shrinking = _compute(measured, is_weak=is_weak)
    weights = math.fsum(highest_of(size.ranks) * size.compute for size in several)
    model = _Model(
        constant=constant,
        shrinking=shrinking,
        skew=math.fsum(size.skew for size in several) / weights,
        hidden=math.fsum(size.messages - size.exposed for size in several)
        / math.fsum(size.compute for size in several),
    )
    errors = tuple(
        (size.ranks, model.at(size.ranks, size.messages).step / size.step - 1) for size in measured
    )
    return Prediction(model.at(ranks, messages), errors)


def _compute(measured: Sequence[MeasuredSize], *, is_weak: bool) -> tuple[float, float]:
    """(a, b) of a + b / N."""
    times = [size.compute for size in measured]
    middle = math.fsum(times) / len(times)
    if is_weak:
        return middle, 0.0
    shares = [1 / size.ranks for size in measured]
    centre = math.fsum(shares) / len(shares)
    slope = math.fsum((x - centre) * (y - middle) for x, y in zip(shares, times, strict=True)) / math.fsum(
        (x - centre) ** 2 for x in shares
    )
    return middle - slope * centre, slope


@lru_cache(maxsize=64)
def highest_of(n: int) -> float:
    """The mean of the largest of `n` standard normal values: 0, 0.56, 0.85, 1.03, ... (Simpson's rule)."""
    if n < 2:
        return 0.0
    normal = NormalDist()
    width = 2 * _REACH / _INTERVALS
    total = 0.0
    for step in range(_INTERVALS + 1):
        x = -_REACH + step * width
        weight = 1 if step in (0, _INTERVALS) else 4 if step % 2 else 2
        total += weight * x * n * normal.pdf(x) * normal.cdf(x) ** (n - 1)
    return total * width / 3
