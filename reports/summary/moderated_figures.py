"""One prior for all cases of a run, and from it the interval of every time and energy.

A prior is that of one machine, device and metric. It comes from the whole step of every case that several
processes measured, and from one product of every such ceiling, which takes longest: the phases of a process,
and its products, are no cases of their own. These take the prior at their own scatter within.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from operator import truediv
from typing import Literal

from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import Product
from bench.schema.layer_phases import ALL_LAYERS
from bench.schema.metrics import is_of
from bench.schema.phases import whole
from bench.stats.estimates import Interval, Moderated, across_processes, moments
from bench.stats.levels import grouped, levels, pooled_variance
from bench.stats.moderation import (
    Scatter,
    fit,
    is_restless,
    moderate_all,
    moderated_interval,
    with_medians,
)
from reports.summary.columns import Column
from reports.summary.figures import THROUGHPUT_METRICS, Figure, WarningCount
from reports.summary.subjects import Subject, subject_of

RESTLESS_LABEL: Literal["restless"] = "restless"
Machine = tuple[object, ...]
"""Cases of one lend to each other."""
PriorKey = tuple[Machine, str, str]
"""Machine, device, metric."""

WHOLE_OF_LAYERS = "whole_time"
"""The whole step of the pass that times layers: the prior of all times of that pass."""


def scatter_of(metric: str, column: Column) -> Scatter | None:
    """How processes of one unit scatter from their medians, variances within and numbers of samples; None
    where a variance is not known, which is below zero then.

    Of several units the processes of each scatter around its own mean: their degrees of freedom are those of
    one process more in one unit.

    The one value that a process has of an energy is a mean over seconds of steps and no single sample: how
    unsure it is at the least is not known, and so zero. For the rest as
    `bench.stats.moderation.case_scatter` has it, without an object for each of very many processes.
    """
    medians, withins = column.medians, column.withins
    if min(withins) < 0:
        return None
    if column.origins.machines is not None:
        variance, freedom = pooled_variance(grouped(medians, column.origins.units).values()) or (0.0, 0)
    else:
        variance = moments(list(map(math.log, medians)))[1] if len(medians) > 1 else 0.0
        freedom = len(medians) - 1
    return Scatter(
        processes=freedom + 1,
        variance=variance,
        within=math.fsum(withins) / len(medians),
        floor=0.0 if is_of(metric, "energy") else _floor(withins, column.sizes),
    )


def _floor(withins: Sequence[float], sizes: Sequence[int]) -> float:
    return math.pi / 2 * math.fsum(map(truediv, withins, sizes)) / len(withins)


def moderated(figures: Iterable[Figure], machine_of: Callable[[Figure], Machine]) -> list[Figure]:
    """The figures, those of times and energies with moderated or borrowed intervals.

    Figures of several runs that are given together lend to each other.
    """
    found = list(figures)
    places: dict[PriorKey, list[int]] = {}
    for at, figure in enumerate(found):
        if figure.scatter is not None:
            places.setdefault(_key(figure, machine_of(figure)), []).append(at)
    for here in places.values():
        prior = fit(list(_lenders(found[at] for at in here)))
        scatters = [scatter for at in here if (scatter := found[at].scatter)]
        for at, parts in zip(here, moderate_all(scatters, prior), strict=True):
            found[at] = _with_parts(found[at], parts)
    return found


def _with_parts(figure: Figure, parts: Moderated) -> Figure:
    """Of several units the interval stays: the scatter of processes says nothing of that of machines."""
    if figure.levels is not None:
        return structs.replace(figure, of_processes=parts)
    interval = moderated_interval(figure.medians, parts)
    return figure if interval is None else structs.replace(figure, interval=interval)


def interval_like(figure: Figure | None, medians: Sequence[float]) -> Interval | None:
    """The interval of a quantity of the same processes, of which the figure's prior and floor hold too.

    The plain one where the figure's is not moderated; None for one process. Of several units `medians` are of
    all their processes.
    """
    if figure and figure.levels is not None:
        found = levels(medians, figure.units, [unit.machine for unit in figure.units])
        return found.interval() if found else None
    interval = figure.interval if figure else None
    if interval is None or interval.parts is None or len(medians) < 2 or min(medians) <= 0:
        return across_processes(medians)
    return moderated_interval(medians, with_medians(interval.parts, medians))


def interval_of_unit(figure: Figure, medians: Sequence[float]) -> Interval | None:
    """Of the processes of one of the units that measured the figure, by what those of its kind show; None for
    one process."""
    if figure.of_processes is None or len(medians) < 2 or min(medians) <= 0:
        return across_processes(medians)
    return moderated_interval(medians, with_medians(figure.of_processes, medians))


def restless(figures: Iterable[Figure]) -> tuple[list[Figure], list[WarningCount]]:
    """The figures, with the label of those whose processes differ more than the run leads to expect, and the
    warning of their cases."""
    found = list(figures)
    worst: dict[tuple[Subject, Product | None], Figure] = {}
    for figure in found:
        if (
            figure.metric in THROUGHPUT_METRICS
            and (is_whole(figure) or figure.product)
            and _is_restless(figure)
        ):
            worst.setdefault((subject_of(figure), figure.product), figure)
    if not worst:
        return found, []
    labelled = [
        structs.replace(figure, tags=(*figure.tags, RESTLESS_LABEL))
        if (subject_of(figure), figure.product) in worst
        else figure
        for figure in found
    ]
    first = next(iter(worst.values()))
    processes: dict[Case, int] = {}
    for figure in worst.values():
        processes[figure.case] = max(processes.get(figure.case, 0), len(figure.medians))
    warned = WarningCount(
        label=RESTLESS_LABEL,
        example=CaseWarning(RESTLESS_LABEL, _in_words(first)),
        cases=tuple(processes),
        processes=sum(processes.values()),
    )
    return labelled, [warned]


def _is_restless(figure: Figure) -> bool:
    parts = figure.interval.parts if figure.interval else None
    return parts is not None and is_restless(parts)


def _in_words(figure: Figure) -> str:
    assert figure.interval is not None
    assert figure.interval.parts is not None
    parts = figure.interval.parts
    return (
        f"processes differ more than those of the run's other cases: {figure.metric} has a standard "
        f"deviation of {parts.own_sd:.1%} between processes, {parts.prior_sd:.1%} was expected"
    )


def _key(figure: Figure, machine: Machine) -> PriorKey:
    metric = WHOLE_OF_LAYERS if is_of(figure.metric, "layer") else figure.metric
    return machine, figure.case.device, metric


def _lenders(figures: Iterable[Figure]) -> Iterable[Scatter]:
    ceilings: dict[object, Figure] = {}
    for figure in figures:
        if figure.product is not None:
            longest = ceilings.setdefault(subject_of(figure), figure)
            if figure.median > longest.median:
                ceilings[subject_of(figure)] = figure
        elif is_whole(figure) and figure.scatter is not None:
            yield figure.scatter
    yield from (figure.scatter for figure in ceilings.values() if figure.scatter is not None)


def is_whole(figure: Figure) -> bool:
    """Whether it is the whole step of its case, or of the pass that times layers."""
    if figure.layer is not None:
        return False
    step = ALL_LAYERS if is_of(figure.metric, "layer") else whole(figure.case)
    return figure.phase == step and (figure.metric == WHOLE_OF_LAYERS or not is_of(figure.metric, "layer"))
