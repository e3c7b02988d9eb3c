"""Intervals from few processes, which borrow from the run's other cases how much processes scatter.

Two processes know nothing of their own scatter: t with one degree of freedom is 12.7. But a run has other
cases, and they bound how much this one can scatter. So the variance of a case is drawn towards what the
scatter within its processes and the other cases lead to expect (empirical Bayes, as limma does for genes).
That expectation is worth few degrees of freedom, as cases do differ. docs/statistics.md has the formulas
and what was simulated. Pure; numpy and scipy are imported late, for their price.

All variances are of natural logs, so they have no unit: 0.02 squared is a standard deviation of 2%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from bench.stats.estimates import (
    LEVEL,
    Interval,
    IntervalMethod,
    Moderated,
    Shift,
    bounded_exp,
    centre,
    median,
    moments,
    welch_shift,
)
from bench.stats.fewest import fewest
from bench.stats.published_prior import PUBLISHED
from bench.stats.student_t import t_factor

if TYPE_CHECKING:
    from bench.stats.prior_fit import Line

FEWEST_LENDERS = 4
"""Cases of several processes that a run needs for a case of one process to borrow an interval from them."""
RESTLESS = 4.0
"""From how many times the variance expected on (twice the standard deviation) a case is restless."""
MOST_MORE = 50
"""Further processes that are worth naming: beyond it the estimate says no more than "more than 50"."""


class ProcessScatter(Struct, frozen=True, gc=False):
    """What one process shows of a quantity.

    log_median  natural log of the median of its samples, in the unit of the samples
    within      variance of the logs of its samples
    floor       the least variance that the log of such a median can have: (pi / 2) within / samples
    """

    log_median: float
    within: float
    floor: float


class Scatter(Struct, frozen=True, gc=False):
    """What the processes of a case show of a quantity.

    processes   how many there are; at least one
    variance    unbiased, of the logs of their medians; 0 for one process
    within      mean over the processes of the variance within one
    floor       mean over the processes of the least variance of a median
    """

    processes: int
    variance: float
    within: float
    floor: float


class Prior(Struct, frozen=True):
    """What the cases of a run lead to expect of the scatter between the processes of one.

    The log of the variance expected is `level + slope * (log within - centre)`. It is worth `freedom` degrees
    of freedom, less what the variances of level and slope and their covariance cost. `cases` are in the fit.
    """

    level: float
    slope: float
    freedom: float
    level_variance: float
    covariance: float
    slope_variance: float
    cases: int

    def expected(self, within: float) -> tuple[float, float]:
        """The variance of the log of a process median where samples within a process have the variance
        `within`, and the degrees of freedom that this expectation is worth."""
        import numpy as np

        from bench.stats import prior_fit

        (variance,), (freedom,) = prior_fit.expected(self.line(), np.array([within]))
        return float(variance), float(freedom)

    def line(self) -> Line:
        """As arrays."""
        import numpy as np

        from bench.stats import prior_fit

        return prior_fit.Line(*(np.asarray(value, float) for value in structs.astuple(self)[:-1]))


def process_scatter(samples: Sequence[float]) -> ProcessScatter | None:
    """Of the samples of one process, in any order; at least one.

    One sample says nothing of the scatter within: that at which the published prior holds (2%) is assumed.
    None where a sample is zero or less, which has no log.
    """
    if min(samples) <= 0:
        return None
    n = len(samples)
    within = moments(list(map(math.log, samples)))[1] if n > 1 else math.exp(PUBLISHED.centre)
    return ProcessScatter(math.log(median(samples)), within, math.pi / 2 * within / n)


def case_scatter(processes: Sequence[ProcessScatter]) -> Scatter:
    """Of the processes of one case; at least one."""
    n = len(processes)
    return Scatter(
        processes=n,
        variance=moments([process.log_median for process in processes])[1] if n > 1 else 0.0,
        within=math.fsum(process.within for process in processes) / n,
        floor=math.fsum(process.floor for process in processes) / n,
    )


def fit(scatters: Sequence[Scatter]) -> Prior:
    """The prior of cases that were measured together: of one run, device and metric, the whole step of each.

    Cases of one process are left out. Without any other it is the published prior.
    """
    import numpy as np

    from bench.stats import prior_fit

    used = [scatter for scatter in scatters if scatter.processes > 1]
    line = prior_fit.fit(
        np.array([scatter.variance for scatter in used], float),
        np.array([scatter.processes - 1 for scatter in used], float),
        np.array([scatter.within for scatter in used], float),
    )
    level, slope, freedom, level_variance, covariance, slope_variance = map(float, line)
    return Prior(level, slope, freedom, level_variance, covariance, slope_variance, len(used))


def moderate(scatter: Scatter, prior: Prior) -> Moderated:
    """The variance of a case, or of a phase of it, drawn towards what the prior expects.

    Processes that do not differ at all are a value like any other: the prior and the floor keep the variance
    above zero. A case of one process has what the prior expects.
    """
    return moderate_all([scatter], prior)[0]


def moderate_all(scatters: Sequence[Scatter], prior: Prior) -> list[Moderated]:
    """The same of many, for hardly more than the price of one."""
    import numpy as np

    from bench.stats import prior_fit

    rows = [(each.variance, each.processes - 1.0, each.floor, each.within) for each in scatters]
    variances, own, floors, within = np.array(rows, float).reshape(-1, 4).T
    expected, worth = prior_fit.expected(prior.line(), within)
    pooled = prior_fit.moderated(variances, own, floors, expected, worth)
    columns = zip(scatters, pooled.tolist(), worth.tolist(), expected.tolist(), strict=True)
    return [
        Moderated(
            variance=variance,
            freedom=freedom + scatter.processes - 1,
            prior_freedom=freedom,
            prior_sd=math.sqrt(prior_variance),
            own_sd=math.sqrt(scatter.variance) if scatter.processes > 1 else None,
            floor_sd=math.sqrt(scatter.floor),
            cases=prior.cases,
        )
        for scatter, variance, freedom, prior_variance in columns
    ]


def moderated_interval(
    medians: Sequence[float], moderated: Moderated, level: float = LEVEL
) -> Interval | None:
    """t interval on the logs of process medians, around their geometric mean, with the moderated variance.

    For one process it is borrowed: what is known of the scatter is the other cases'. None where these are too
    few for that, and where a value is zero or less.
    """
    n = len(medians)
    if min(medians) <= 0 or (n == 1 and moderated.cases < FEWEST_LENDERS):
        return None
    factor = bounded_exp(_half_width(moderated.variance, moderated.freedom, n, level))
    value = centre(medians)
    method: IntervalMethod = "moderated" if n > 1 else "borrowed"
    return Interval(value / factor, value * factor, "across-processes", level, method, moderated)


@lru_cache(maxsize=65536)  # a report asks it three times of each of its cases
def more_processes(moderated: Moderated, n: int, target: float, level: float = LEVEL) -> int | None:
    """About how many processes beside these `n` would narrow the interval to +-`target` (0.03 is 3%).

    0 where it is as narrow already, None where 50 would not do. They are taken to scatter as expected now; in
    simulation that many were enough for two cases of three.
    """
    enough = math.log1p(target)

    def is_enough(more: int) -> bool:
        return _half_width(moderated.variance, moderated.freedom + more, n + more, level) <= enough

    if is_enough(0):
        return 0
    return fewest(is_enough, 0, MOST_MORE) if is_enough(MOST_MORE) else None


def half_width(moderated: Moderated, n: int, more: int = 0, level: float = LEVEL) -> float:
    """Relative, of the interval of these `n` processes, or with so many more if they scatter alike."""
    return bounded_exp(_half_width(moderated.variance, moderated.freedom + more, n + more, level)) - 1


def is_restless(moderated: Moderated) -> bool:
    """Whether a case's processes differ at least twice as much as the prior leads to expect."""
    return moderated.own_sd is not None and moderated.own_sd**2 >= RESTLESS * moderated.prior_sd**2


def with_medians(moderated: Moderated, medians: Sequence[float]) -> Moderated:
    """Of another quantity of the same processes, of which prior and floor hold too; two medians or more, all
    above zero."""
    from bench.stats import prior_fit

    own, variance = len(medians) - 1, moments(list(map(math.log, medians)))[1]
    pooled = prior_fit.moderated(
        variance, own, moderated.floor_sd**2, moderated.prior_sd**2, moderated.prior_freedom
    )
    return structs.replace(
        moderated,
        variance=float(pooled),
        freedom=moderated.prior_freedom + own,
        own_sd=math.sqrt(variance),
    )


def moderated_shift(
    numerators: Sequence[float],
    denominators: Sequence[float],
    of_numerators: Moderated,
    of_denominators: Moderated,
) -> Shift:
    """Logs of the numerators less logs of the denominators, as Welch has it, with moderated variances.

    Two processes or more on each side, values above zero. Both sides borrow the same prior, so what it is
    worth counts once.
    """
    n, m = len(numerators), len(denominators)
    above, below = (moments(list(map(math.log, medians)))[0] for medians in (numerators, denominators))
    return welch_shift(
        above - below,
        (of_numerators.variance / n, of_denominators.variance / m),
        (n - 1, m - 1),
        shared=min(of_numerators.prior_freedom, of_denominators.prior_freedom),
    )


def _half_width(variance: float, freedom: float, n: int, level: float) -> float:
    """Of the interval of the log of the geometric mean of `n` process medians."""
    return t_factor(freedom, level) * math.sqrt(variance / n)
