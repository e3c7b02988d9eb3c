"""Two sides' figures of one metric -> the verdict, by pair, by process or by run; of times in cycles too."""

from __future__ import annotations

import math

from msgspec import Struct, structs

from bench.stats import verdicts
from bench.stats.clock_cause import InCycles, cycles_of, in_cycles
from bench.stats.estimates import centre
from bench.stats.verdicts import Verdict
from reports.compare.comparison_rows import ReplicationUnit
from reports.summary.figures import Figure


class Judgement(Struct, frozen=True):
    """The verdict, and the sides' values that it is about; `paired` where it is that of pairs' log ratios."""

    verdict: Verdict
    base: float
    new: float
    paired: bool


def judge(figure: Figure, other: Figure, unit: ReplicationUnit, margin: float) -> Judgement:
    """BASE's figure against that of NEW, a cost in one unit."""
    pairs = _pairs(figure, other) if unit == "pair" else []
    if pairs:
        base, new = [one for one, _ in pairs], [two for _, two in pairs]
        verdict = verdicts.paired([math.log(two / one) for one, two in pairs], margin)
    else:
        base, new = _values(figure, unit), _values(other, unit)
        verdict = verdicts.unpaired(base, new, margin)
    return Judgement(verdict, centre(base), centre(new), bool(pairs))


def judge_in_cycles(
    figure: Figure,
    other: Figure,
    time: Verdict,
    unit: ReplicationUnit,
    margin: float,
    compute_bound: bool | None,
) -> InCycles:
    """What is known in cycles of the verdict on these times; nothing unless every process has its clocks."""
    base = [clocks for clocks in figure.clocks if clocks is not None]
    new = [clocks for clocks in other.clocks if clocks is not None]
    if len(base) < len(figure.medians) or len(new) < len(other.medians):
        return InCycles()
    cycles_base, cycles_new = (
        structs.replace(side, medians=tuple(map(cycles_of, side.medians, clocks)))
        for side, clocks in ((figure, base), (other, new))
    )
    return in_cycles(
        time,
        judge(cycles_base, cycles_new, unit, margin).verdict,
        base,
        new,
        compute_bound=compute_bound,
        power_capped="power-cap" in (*figure.tags, *other.tags),
    )


def _pairs(figure: Figure, other: Figure) -> list[tuple[float, float]]:
    """The values of the pairs that both sides finished; none unless every process belongs to a pair.

    None either where a value has no logarithm.
    """
    of_base, of_new = _by_pair(figure), _by_pair(other)
    if min(*figure.medians, *other.medians) <= 0:
        return []
    return [(of_base[pair], of_new[pair]) for pair in sorted(of_base.keys() & of_new.keys())]


def _by_pair(figure: Figure) -> dict[int, float]:
    """Pair -> median; empty where a process has no pair or two have the same."""
    found = {
        pair: value for pair, value in zip(figure.pairs, figure.medians, strict=True) if pair is not None
    }
    return found if len(found) == len(figure.medians) else {}


def _values(figure: Figure, unit: ReplicationUnit) -> list[float]:
    """A value for each process, or for each run that of its processes."""
    if unit != "run":
        return list(figure.medians)
    of_run: dict[int, list[float]] = {}
    for run, median in zip(figure.runs, figure.medians, strict=True):
        of_run.setdefault(run, []).append(median)
    return [centre(medians) for medians in of_run.values()]
