"""The fastest measured configuration of each task, and its speed-up over plain fp32; pure.

A task is what a user wants done: a network, a workload, a batch and an input on one machine. Precision,
engine, layout, tuning and threads are how it is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from bench.schema.case import Case
from bench.stats.estimates import LEVEL, Ratio
from reports.analysis.figure_ratios import ratio
from reports.analysis.utilisation import Utilisation
from reports.cells import Quantity
from reports.summary.figures import Figure

_Key = tuple[Case, tuple[str, ...], str]


class BestMeasured(Struct, frozen=True, kw_only=True):
    """What was found of one task, by the wall time of its whole step.

    shown     the fastest configuration, where it is known to be faster than the baseline; else the baseline,
              or the fastest resolved one where the baseline is missing or not resolved; of figures that are
              all unresolved the first
    baseline  fp32, eager, nchw, no tuning, at the threads of the fastest; None where it was not measured
    speed_up  of `shown` over the baseline; None unless its interval excludes 1
    others    the further configurations that were measured
    """

    shown: Utilisation
    baseline: Utilisation | None
    speed_up: Ratio | None
    others: tuple[Utilisation, ...]

    @property
    def case(self) -> Case:
        """Of the configuration that is shown."""
        return self.shown.subject.case

    @property
    def is_resolved(self) -> bool:
        """Whether its time may be written as a number."""
        return is_resolved(self.shown.time)


def best_measured(found: Sequence[Utilisation]) -> tuple[BestMeasured, ...]:
    """One for each task, in the order of the figures."""
    tasks: dict[_Key, list[Utilisation]] = {}
    for each in found:
        if each.is_whole:
            tasks.setdefault(_task(each), []).append(each)
    return tuple(_best(candidates) for candidates in tasks.values())


def is_plain(case: Case) -> bool:
    """Whether it is what others are compared with."""
    return (case.precision, case.engine, case.layout, case.tuning) == ("fp32", "eager", "nchw", "")


def is_resolved(figure: Figure) -> bool:
    """Whether the interval of a time leaves it a number, by the one rule for it."""
    interval = figure.interval
    if interval is None or figure.median <= 0:
        return True
    return Quantity(value=figure.median, low=interval.low, high=interval.high).is_resolved


def _task(found: Utilisation) -> _Key:
    plain = structs.replace(
        found.subject.case, precision="fp32", engine="eager", layout="nchw", tuning="", threads=0
    )
    return plain, found.subject.machine, found.subject.network


def _best(candidates: Sequence[Utilisation]) -> BestMeasured:
    resolved = [each for each in candidates if is_resolved(each.time)]
    fastest = min(resolved, key=lambda each: each.time.median, default=candidates[0])
    baseline = _baseline(candidates, fastest)
    speed_up = None
    shown = fastest
    if baseline is not None and baseline is not fastest:
        speed_up = _confirmed(baseline.time, fastest.time, len(candidates) - 1)
        if speed_up is None and is_resolved(baseline.time):
            shown = baseline
    return BestMeasured(
        shown=shown,
        baseline=baseline,
        speed_up=speed_up,
        others=tuple(each for each in candidates if each is not shown),
    )


def _baseline(candidates: Sequence[Utilisation], fastest: Utilisation) -> Utilisation | None:
    plain = [each for each in candidates if is_plain(each.subject.case)]
    threads = fastest.subject.case.threads
    alike = [each for each in plain if each.subject.case.threads == threads]
    return next(iter(alike or (plain if len(plain) == 1 else [])), None)


def _confirmed(base: Figure, new: Figure, compared: int) -> Ratio | None:
    """The speed-up, at a level that holds for the best of so many comparisons together; None where its
    interval includes 1, or says nothing of other processes."""
    if min(base.median, new.median, *base.medians, *new.medians) <= 0:
        return None
    found = ratio(base, new, level=1 - (1 - LEVEL) / compared)
    interval = found.interval
    if interval is None or not interval.is_across or interval.method == "borrowed":
        return None
    return found if interval.low > 1 else None
