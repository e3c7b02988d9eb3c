"""How many replicates find a given effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.stats.estimates import Moderated, mean_shift
from bench.stats.fewest import fewest
from bench.stats.student_t import needed
from bench.stats.verdicts import ERROR
from models.errors import UserError

RECOMMENDED_POWER = 0.999
PILOT_CONFIDENCE = 0.9
"""How sure to be that the processes scatter no more than a recommendation assumes. A pilot of 5 often
shows half the real scatter: taken at its word, 3% would be found in 90 of 100 comparisons and not 99."""


def recommended_replicates(
    pilot: Sequence[float],
    effect: float = 0.03,
    power: float = RECOMMENDED_POWER,
    moderated: Moderated | None = None,
) -> int:
    """Processes on each side, so that a slowdown by `effect` (0.03 is 3%) is found with `power`.

    `pilot` are the medians of processes of one case. `moderated` is its variance, drawn towards what the
    pilot's run leads to expect, and then the comparison is taken to moderate its variances too: three
    processes are a good pilot. Without it ten are, five ask for half as many replicates again, and three find
    the effect in 97 of 100 comparisons and not in 99. The scatter assumed is the upper end of what is known.
    A change inside the margin is called equivalent, however many processes. Raises UserError for fewer
    than two medians, or an effect that is not above 0.
    """
    if len(pilot) < 2:
        raise UserError("a pilot needs two processes or more")
    if effect <= 0:
        raise UserError("the effect to be found must be above 0, for example 0.03 for 3%")
    scatter = _assumed(moderated) if moderated else _assumed(_plain(pilot))
    if scatter.variance == 0:
        return 2
    below, enough = 1, 2
    while not _finds(enough, scatter, effect, power):
        below, enough = enough, enough * 2
    return fewest(lambda n: _finds(n, scatter, effect, power), below, enough)


class _Assumed(NamedTuple):
    """What a comparison will meet: the variance of a process, and what the prior expects and is worth."""

    variance: float
    expected: float
    worth: float


def _plain(pilot: Sequence[float]) -> Moderated:
    """What the pilot shows alone, as a variance that borrowed nothing."""
    shift = mean_shift([math.log(median) for median in pilot])
    sd = shift.error * math.sqrt(len(pilot))
    return Moderated(sd**2, shift.freedom, 0.0, 0.0, sd, 0.0, 0)


def _assumed(known: Moderated) -> _Assumed:
    from scipy.special import chdtri

    upper = known.variance * known.freedom / float(chdtri(known.freedom, PILOT_CONFIDENCE))
    return _Assumed(upper, known.prior_sd**2, known.prior_freedom)


def _finds(n: int, scatter: _Assumed, effect: float, power: float) -> bool:
    """Whether `n` processes a side of this scatter show the effect."""
    own = n - 1
    pooled = (scatter.worth * scatter.expected + own * scatter.variance) / (scatter.worth + own)
    error = math.sqrt(max(scatter.variance, pooled) * 2 / n)
    return math.log1p(effect) >= needed(scatter.worth + 2 * own, power, 1 - ERROR) * error
