"""The constants of the published prior from records: the same model, with levels of which nothing is known.

Machines share a slope and a freedom; each has a level of its own. numpy is imported with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import structs

from bench.stats.moderation import Scatter
from bench.stats.prior_fit import SMALLEST, Array, distance, mode
from bench.stats.published_prior import PUBLISHED, Published
from models.errors import UserError

FEWEST_CASES = 20
"""Of all machines together, for a slope and a freedom that say something."""
WORTH = 3
"""Machines that the published differences between machines count for, beside those that were measured."""
_FLAT, _FIXED = 1e4, 1e-6
"""Standard deviations of what is not known at all, and of what is."""
_FREEDOMS = tuple(np.geomspace(1.0, 6.0, 19).tolist())
"""That may be published: from the lowest to the highest that a fit tries."""

Series = tuple[Array, Array, Array]
"""Of one machine's cases: variances of the medians, their degrees of freedom, distances from the centre."""


def refit(machines: Sequence[Sequence[Scatter]], kept: Published = PUBLISHED) -> Published:
    """Level, slope and freedom that fit best, from the cases of each machine, of one metric.

    `level` is the median of the machines' levels, and `level_sd` their scatter beyond their own errors,
    where that of `kept` counts for three machines more. `slope` is the mean of the machines' slopes and that
    of `kept`, weighted by how sure each is. How machines differ in slope and freedom takes dozens of them to
    see: these, and the centre, are those of `kept`. Raises UserError for fewer than 20 cases of two
    processes or more.
    """
    series = [_arrays(scatters, kept) for scatters in machines]
    series = [each for each in series if each[0].size]
    count = sum(each[0].size for each in series)
    if count < FEWEST_CASES:
        raise UserError(
            f"a prior needs {FEWEST_CASES} cases with two processes or more; these runs have {count}"
        )
    _, d0, slope, levels, errors = max(
        (_at(series, freedom, kept) for freedom in _FREEDOMS), key=lambda found: found[0]
    )
    return structs.replace(
        kept,
        level=float(np.median(levels)),
        level_sd=_level_sd(levels, errors, kept),
        slope=slope,
        freedom=d0,
    )


def _arrays(scatters: Sequence[Scatter], kept: Published) -> Series:
    used = [scatter for scatter in scatters if scatter.processes > 1]
    s2 = np.array([scatter.variance for scatter in used], float)
    f = np.array([scatter.processes - 1.0 for scatter in used], float)
    within = np.array([scatter.within for scatter in used], float)
    return np.maximum(s2, SMALLEST), f, distance(within, kept)


def _at(
    series: Sequence[Series], d0: float, kept: Published
) -> tuple[float, float, float, list[float], list[float]]:
    """At one freedom: likelihood, freedom, the common slope, levels of the machines and their variances."""
    free = structs.replace(kept, level_sd=_FLAT, slope_sd=_FLAT, freedom=d0)
    alone = [mode(*each, d0, free, _start(kept.level, kept.slope))[0] for each in series]
    slopes = [kept.slope, *(float(line.slope) for line in alone)]
    weights = [kept.slope_sd**-2, *(1 / float(line.slope_variance) for line in alone)]
    slope = sum(w * each for w, each in zip(weights, slopes, strict=True)) / sum(weights)
    fixed = structs.replace(free, slope=slope, slope_sd=_FIXED)
    together = [mode(*each, d0, fixed, _start(kept.level, slope)) for each in series]
    return (
        sum(float(score) for _, score in together),
        d0,
        slope,
        [float(line.level) for line, _ in together],
        [float(line.level_variance) for line, _ in together],
    )


def _start(level: float, slope: float) -> tuple[Array, Array]:
    return np.asarray(level, float), np.asarray(slope, float)


def _level_sd(levels: Sequence[float], errors: Sequence[float], kept: Published) -> float:
    if len(levels) < 2:
        return kept.level_sd
    seen = max(float(np.var(levels, ddof=1)) - float(np.mean(errors)), 0.0)
    own = len(levels) - 1
    return math.sqrt((WORTH * kept.level_sd**2 + own * seen) / (WORTH + own))
