"""What it is that a window found: a step and where, the effect of a marked boundary, a drift, or nothing yet.

numpy is imported with it. Gains are what a model takes off the sum of squares, in variances of a run: twice
the log of the likelihood ratio against a level that never changed.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

Array = NDArray[np.float64]

CLIP = 4.0
"""Standard deviations at which a run is cut: one outlier never looks like a step."""
FEWEST_AFTER = 3
"""Runs that a step needs: one or two runs off the level are outliers, even two that follow each other."""
LOCATION = 7.35
"""What the gain may fall short of the best in the 95% set of locations: (1 - exp(-x / 2))^2 = 0.95 (Hansen
2000, https://doi.org/10.1111/1468-0262.00124)."""
UNLIKE = 0.0005
"""Chance that three or four runs of one new level differ so much that they are taken for outliers."""
LEAST_SHIFT = 0.4
"""Standard deviations by which each of three or four runs must lie on the new level's side."""
DROPPED = 2
"""Runs of five or more without which the new level must still be half as far away."""
STEEPEST = 0.15
"""Standard deviations a run: what changes faster than that is no slow drift."""
FEWEST_OF_DRIFT = 20
"""Runs of a drift."""
QUICK, QUICK_MARGIN, QUICK_LESS = 5, -1.5, 2.0
"""A step of so few runs, or at a mark, may gain so much less than the best drift: a slow drift seldom looks
like that. It is taken where it gains hardly less than an earlier one."""
UNRIPE = 4.0
"""Where a step before one of the last two runs would gain so much more, the next run is waited for."""
STEP_MARGINS = (5.0, 2.0)
"""What a step of more runs must gain beyond the best drift: at once, and after `PATIENCE` runs. The first
runs of a drift look like a small step, so for a while later runs decide."""
DRIFT_MARGINS = (4.0, 2.0)
"""What a drift must gain beyond the best step, likewise."""
PATIENCE = 10
STAIR = 3.0
"""What one drift may gain less than the last step and this one, which have two numbers more, to be told."""

Kind = Literal["step", "boundary", "drift", "end"]


class Found(NamedTuple):
    """A new level (or slope) from run `at` on, with the 95% set of where it begins.

    slope  of a drift, of logs a run
    """

    kind: Kind
    at: int
    earliest: int
    latest: int
    slope: float = 0.0
    told_at: int = -1


class Segment(NamedTuple):
    """Runs from `first` on, up to the last one that is known.

    variances  of each run over that of a usual one, whose standard deviation is `sd`
    marks      places of marked boundaries among these runs
    level      of the runs before the window, about
    """

    first: int
    logs: Array
    variances: Array
    marks: NDArray[np.intp]
    level: float
    sd: float
    freedom: float

    def residuals(self) -> Array:
        """Runs less the level, in standard deviations, clipped at 4 of the run's own or where the last three
        runs all lie beyond: else one run that lies high would be as far as a new level that is 40 away."""
        residuals, limit = (self.logs - self.level) / self.sd, CLIP * np.sqrt(self.variances)
        last = residuals[-FEWEST_AFTER:]
        return np.clip(residuals, np.minimum(-limit, last.max()), np.maximum(limit, last.min()))


def name_change(segment: Segment, is_far: bool, waited: int, earlier: Segment | None = None) -> Found | None:
    """`is_far`: whether a window was further away than chance allows; else only one from a mark was.

    `waited`: runs since one was first. `earlier`: with the level before the last step that was told.
    """
    if len(segment.logs) < 2 * FEWEST_AFTER:
        return None
    residuals, weights = segment.residuals(), 1 / segment.variances
    gains = step_gains(residuals, weights)
    within = np.flatnonzero(gains >= gains.max() - LOCATION)
    marks = segment.marks - segment.first
    marks = marks[np.isin(marks, within)]
    has_mark = len(marks) > 0
    if not (has_mark or is_far):
        return None
    at = int(marks[gains[marks].argmax()]) if has_mark else best_place(gains)
    if len(residuals) - at < FEWEST_AFTER or gains[at] < gains[1 - FEWEST_AFTER :].max() - UNRIPE:
        return None
    if not is_one_level(segment, at):
        return None
    gain, onset, slope = best_ramp(residuals, weights)
    is_late = waited >= PATIENCE
    is_quick = has_mark or len(residuals) - at <= QUICK
    if gains[at] >= gain + (QUICK_MARGIN if is_quick else STEP_MARGINS[is_late]):
        if earlier is not None and not has_mark and (on := one_drift(earlier, segment, at)) is not None:
            return on
        ends = int(within[0]), int(within[-1])
        return Found("boundary" if has_mark else "step", *(segment.first + run for run in (at, *ends)))
    onset += segment.first
    drift = Found("drift", onset, onset, onset, slope * segment.sd)
    return drift if is_far and gain >= gains[at] + DRIFT_MARGINS[is_late] else None


def best_place(gains: Array) -> int:
    """Of a step with three runs after it or more; one of the last runs where that is hardly worse."""
    allowed = gains[: len(gains) - FEWEST_AFTER + 1]
    late = max(len(gains) - QUICK, 0)
    if len(allowed) > late and allowed[late:].max() >= allowed.max() - QUICK_LESS:
        return late + int(allowed[late:].argmax())
    return int(allowed.argmax())


def one_drift(earlier: Segment, segment: Segment, at: int) -> Found | None:
    """The drift of which the last step and this one would be the stair; it is told from the last one on."""
    edges = [segment.first - earlier.first, segment.first - earlier.first + at]
    residuals, weights = earlier.residuals(), 1 / earlier.variances
    ends = [0, *edges, len(residuals)]
    sums = [((weights * residuals)[a:b].sum(), weights[a:b].sum()) for a, b in itertools.pairwise(ends)]
    whole = (weights * residuals).sum() ** 2 / weights.sum()
    gain, onset, slope = best_ramp(residuals, weights)
    if gain < sum(moved**2 / weight for moved, weight in sums if weight) - whole - STAIR:
        return None
    first = max(earlier.first + onset, segment.first)
    return Found("drift", first, first, first, slope * segment.sd)


def step_gains(residuals: Array, weights: Array) -> Array:
    """Of a step before each run; -inf where fewer than three runs are before it."""
    weight, moved = np.cumsum(weights), np.cumsum(weights * residuals)
    before, after = weight[:-1], weight[-1] - weight[:-1]
    shift = (moved[-1] - moved[:-1]) / after - moved[:-1] / before
    gains = np.full(len(residuals), -np.inf)
    gains[1:] = shift * shift * before * after / weight[-1]
    gains[:FEWEST_AFTER] = -np.inf
    return gains


def best_ramp(residuals: Array, weights: Array) -> tuple[float, int, float]:
    """The best line that bends up or down once and goes on: its gain, last run before it rises, and slope.

    A slope is at most 0.15 standard deviations a run, for 20 runs or more. No gain where there are fewer.
    """
    n = len(residuals)
    onsets = np.arange(0, n - FEWEST_OF_DRIFT)
    if not len(onsets):
        return -math.inf, 0, 0.0
    ramps = np.maximum(np.arange(n) - onsets[:, None], 0.0)
    ramps -= (ramps @ weights / weights.sum())[:, None]
    squares, products = (ramps * ramps) @ weights, ramps @ (weights * residuals)
    slopes = np.clip(products / squares, -STEEPEST, STEEPEST)
    gains = 2 * slopes * products - slopes * slopes * squares
    best = int(gains.argmax())
    return float(gains[best]), int(onsets[best]), float(slopes[best])


def is_one_level(segment: Segment, at: int) -> bool:
    """Whether the runs from `at` on are a new level, and not two or three outliers among others."""
    residuals = (segment.logs - segment.level) / segment.sd
    after, variances = residuals[at:], segment.variances[at:]
    n = len(after)
    middle = float((after / variances).sum() / (1 / variances).sum())
    sign = math.copysign(1.0, middle)
    if n <= 4:
        unlike = float(((after - middle) ** 2 / variances).sum()) / (n - 1)
        limit = float(fdtri(n - 1, max(segment.freedom, 1.0), 1 - UNLIKE))
        return unlike <= limit and bool((sign * after >= LEAST_SHIFT).all())
    cut = np.sort(np.clip(sign * after, -CLIP, CLIP))
    return bool(cut[:-DROPPED].mean() >= cut.mean() / 2)
