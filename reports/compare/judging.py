"""Two sides' figures of one metric -> the verdict, by pair, by machine, by process or by run; of times in
cycles too.

By process, times and energies have moderated variances. By pair and by run each has its own: how runs differ
is not how processes differ, and no prior of it is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench.stats import verdicts
from bench.stats.clock_cause import InCycles, cycles_of, in_cycles
from bench.stats.deciding import Deciding, Side, deciding, deciding_pairs, unpaired_after
from bench.stats.estimates import Interval, Moderated, across_processes, centre, moments
from bench.stats.verdicts import Verdict
from reports.compare.comparison_rows import ReplicationUnit
from reports.compare.unit_changes import AcrossUnits, across_units
from reports.summary.figures import Figure
from reports.summary.moderated_figures import interval_like

Parts = tuple[Moderated, Moderated]
"""Of BASE and of NEW."""


class Judgement(Struct, frozen=True, kw_only=True):
    """The verdict, and the sides' values that it is about.

    base_interval, new_interval    of each side's value alone; None for one process without an interval
    paired     whether it is that of pairs' log ratios
    own_sd     standard deviations of the logs of each side's values; None for pairs, and where there is none
    moderated  the variances that the verdict is by; None where each side has its own
    deciding   what would decide it; None where it is decided, and where nothing is known of the scatter
    several    the machines, where a side is of several units
    """

    verdict: Verdict
    base: float
    new: float
    base_interval: Interval | None = None
    new_interval: Interval | None = None
    paired: bool = False
    own_sd: tuple[float, float] | None = None
    moderated: Parts | None = None
    deciding: Deciding | None = None
    several: AcrossUnits | None = None


def judge(figure: Figure, other: Figure, unit: ReplicationUnit, margin: float) -> Judgement:
    """BASE's figure against that of NEW, a cost in one unit."""
    pairs = _pairs(figure, other) if unit == "pair" else []
    if pairs:
        return _paired(pairs, margin)
    several = across_units(figure, other, margin)
    if several is not None:
        return _across(several)
    base, new = _values(figure, unit), _values(other, unit)
    moderated = _moderated(figure, other) if unit != "run" else None
    verdict = verdicts.unpaired(base, new, margin, moderated)
    sides = Judgement(
        verdict=verdict,
        base=centre(base),
        new=centre(new),
        base_interval=across_processes(base) if unit == "run" else figure.interval,
        new_interval=across_processes(new) if unit == "run" else other.interval,
    )
    if verdict.error is None:
        return sides
    own_sd = _own_sd(base), _own_sd(new)
    return structs.replace(
        sides,
        own_sd=own_sd,
        moderated=moderated,
        deciding=_deciding(verdict, own_sd, moderated, margin),
    )


def _paired(pairs: Sequence[tuple[float, float]], margin: float) -> Judgement:
    base, new = [one for one, _ in pairs], [two for _, two in pairs]
    verdict = verdicts.paired([math.log(two / one) for one, two in pairs], margin)
    return Judgement(
        verdict=verdict,
        base=centre(base),
        new=centre(new),
        base_interval=across_processes(base),
        new_interval=across_processes(new),
        paired=True,
        deciding=deciding_pairs(verdict, margin),
    )


def _across(found: AcrossUnits) -> Judgement:
    return Judgement(
        verdict=found.verdict,
        base=found.base,
        new=found.new,
        base_interval=found.base_interval,
        new_interval=found.new_interval,
        paired=bool(found.changes),
        several=found,
    )


def _moderated(figure: Figure, other: Figure) -> Parts | None:
    """None unless both sides have them: sizes and counts, and all of them by the user's wish, do not."""
    base, new = (side.interval.parts if side.interval else None for side in (figure, other))
    return None if base is None or new is None else (base, new)


def _own_sd(values: Sequence[float]) -> float:
    return math.sqrt(moments(list(map(math.log, values)))[1])


def _deciding(
    verdict: Verdict, own_sd: tuple[float, float], moderated: Parts | None, margin: float
) -> Deciding | None:
    if verdict.is_clear or not verdict.ratio:
        return None
    sizes = verdict.n_base, verdict.n_new
    variances = [each.variance for each in moderated] if moderated else [sd**2 for sd in own_sd]
    base, new = (Side(variance, n, n - 1) for variance, n in zip(variances, sizes, strict=True))
    worth = min(each.prior_freedom for each in moderated) if moderated else 0.0
    after = unpaired_after(base, new, worth)
    return deciding(after, math.log(verdict.ratio), margin, verdict.level)


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
        _with_values(side, [*map(cycles_of, side.medians, clocks)])
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


def _with_values(figure: Figure, values: Sequence[float]) -> Figure:
    """The figure with other values of its processes."""
    return structs.replace(figure, medians=tuple(values), interval=interval_like(figure, values))


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
