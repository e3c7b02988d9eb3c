"""How many replicates find a given effect."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.stats.estimates import mean_shift
from bench.stats.student_t import needed
from bench.stats.verdicts import ERROR
from models.errors import UserError

RECOMMENDED_POWER = 0.999
PILOT_CONFIDENCE = 0.9
"""How sure to be that the processes scatter no more than a recommendation assumes. A pilot of 5 often
shows half the real scatter: taken at its word, 3% would be found in 90 of 100 comparisons and not 99."""


def recommended_replicates(
    pilot: Sequence[float], effect: float = 0.03, power: float = RECOMMENDED_POWER
) -> int:
    """Processes on each side, so that a slowdown by `effect` (0.03 is 3%) is found with `power`.

    `pilot` are the medians of processes of one case; ten of them are a good pilot, and five ask for half
    as many replicates again. The scatter assumed is the upper end of what the pilot allows.
    A change inside the margin is called equivalent, however many processes. Raises UserError for fewer
    than two medians, or an effect that is not above 0.
    """
    if len(pilot) < 2:
        raise UserError("a pilot needs two processes or more")
    if effect <= 0:
        raise UserError("the effect to be found must be above 0, for example 0.03 for 3%")
    from scipy.special import chdtri

    freedom = len(pilot) - 1
    error = mean_shift([math.log(median) for median in pilot]).error
    scatter = error * math.sqrt(len(pilot) * freedom / float(chdtri(freedom, PILOT_CONFIDENCE)))
    if scatter == 0:
        return 2
    below, enough = 1, 2
    while not _finds(enough, scatter, effect, power):
        below, enough = enough, enough * 2
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if _finds(middle, scatter, effect, power) else (middle, enough)
    return enough


def _finds(n: int, scatter: float, effect: float, power: float) -> bool:
    """Whether `n` processes a side, whose logs have this standard deviation, show the effect."""
    freedom = 2 * (n - 1)
    error = scatter * math.sqrt(2 / n)
    return math.log1p(effect) >= needed(freedom, power, 1 - ERROR) * error
