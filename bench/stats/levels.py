"""Figures of several machines: sample < process < unit (a GPU or a processor) < node. Pure.

The next machine of this kind is what a reader asks about, so machines are what the interval counts: processes
of one GPU share the GPU, and GPUs of one node share its driver, its cooling and its power. The figure is the
mean over nodes of the mean over their units of the mean over their processes, all of logs, and its interval
is Student's t over the nodes' means, or, where there is one node, over its units'. This holds whatever the
variances at each level are, because a node's mean has all that is below it in it; with unequal numbers of
units and processes the means differ in variance, and the interval is approximate, as Welch's is.

The scatter of nodes is not drawn towards that of other cases: a slow node is slow in all of them, so that
twelve cases on two nodes know hardly more of how nodes differ than one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Generic, Literal, TypeVar

from msgspec import Struct, structs

from bench.stats.estimates import LEVEL, Interval, across_processes, centre, moments

K = TypeVar("K", bound=Hashable)
OuterLevel = Literal["across-machines", "across-gpus"]


class Levels(Struct, frozen=True, gc=False):
    """One quantity over several units.

    kind        what the values of `outer` are: nodes' means, or, where there is one node, its units'
    outer       geometric means, in the unit of the values; at least two
    units       how many there are
    outer_sd    standard deviation of the logs of `outer`; None where a value has no log
    unit_sd     of units' means within a node, pooled over nodes; None where each node has one unit
    process_sd  of processes within a unit, pooled over units; None where each unit has one process
    """

    kind: OuterLevel
    outer: tuple[float, ...]
    units: int
    outer_sd: float | None
    unit_sd: float | None
    process_sd: float | None

    @property
    def value(self) -> float:
        """The figure: the geometric mean of the outer values."""
        return centre(self.outer)

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Student's t on the logs of the outer values; None where one has no log."""
        found = across_processes(self.outer, level)
        return structs.replace(found, kind=self.kind) if found else None


def levels(values: Sequence[float], units: Sequence[Hashable], nodes: Sequence[Hashable]) -> Levels | None:
    """Of the values of processes, with the unit of each and the node of that; None of a single unit."""
    of_unit = grouped(values, units)
    if len(of_unit) < 2:
        return None
    node_of = dict(zip(units, nodes, strict=True))
    means = {unit: centre(own) for unit, own in of_unit.items()}
    of_node = grouped(list(means.values()), [node_of[unit] for unit in means])
    several = len(of_node) > 1
    outer = tuple(map(centre, of_node.values())) if several else tuple(means.values())
    return Levels(
        kind="across-machines" if several else "across-gpus",
        outer=outer,
        units=len(of_unit),
        outer_sd=pooled_sd([outer]),
        unit_sd=pooled_sd(of_node.values()) if several else None,
        process_sd=pooled_sd(of_unit.values()),
    )


def grouped(values: Sequence[float], keys: Sequence[K]) -> dict[K, list[float]]:
    """The values of each key, keys in the order in which they come first."""
    found: dict[K, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key, []).append(value)
    return found


def pooled_sd(groups: Iterable[Sequence[float]]) -> float | None:
    """Standard deviation of logs within groups; None without a group of two, or where a value has no log."""
    found = pooled_variance(groups)
    return math.sqrt(found[0]) if found else None


def pooled_variance(groups: Iterable[Sequence[float]]) -> tuple[float, int] | None:
    """The variance of logs within groups, weighted by degrees of freedom, and how many these are."""
    squares, freedom = 0.0, 0
    for values in groups:
        if min(values) <= 0:
            return None
        if len(values) > 1:
            squares += (len(values) - 1) * moments(list(map(math.log, values)))[1]
            freedom += len(values) - 1
    return (squares / freedom, freedom) if freedom else None


class PairedUnits(Struct, Generic[K], frozen=True, gc=False):
    """Units that were measured before and after.

    kind        what is counted: nodes, or, where there is one node, its units
    log_ratios  of each of these: log(after / before), the mean over its units
    of_unit     of each unit, in the order of `units`
    """

    kind: OuterLevel
    log_ratios: tuple[float, ...]
    units: tuple[K, ...]
    of_unit: tuple[float, ...]


def paired_units(
    before: Mapping[K, Sequence[float]], after: Mapping[K, Sequence[float]], node_of: Mapping[K, Hashable]
) -> PairedUnits[K] | None:
    """Pairs the units that both sides have; None with fewer than two, or where a value has no log.

    What changes between the sides, a driver or a firmware, belongs to a node, and so a node is one pair.
    """
    shared = [unit for unit in before if unit in after]
    if len(shared) < 2 or any(min(*before[unit], *after[unit]) <= 0 for unit in shared):
        return None
    ratios = [math.log(centre(after[unit]) / centre(before[unit])) for unit in shared]
    of_node = grouped(ratios, [node_of[unit] for unit in shared])
    several = len(of_node) > 1
    return PairedUnits(
        kind="across-machines" if several else "across-gpus",
        log_ratios=tuple(math.fsum(own) / len(own) for own in of_node.values()) if several else tuple(ratios),
        units=tuple(shared),
        of_unit=tuple(ratios),
    )
