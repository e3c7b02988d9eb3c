"""One figure over another, by what is known of how the processes of each scatter."""

from __future__ import annotations

from msgspec import structs

from bench.stats.estimates import (
    LEVEL,
    Interval,
    Moderated,
    Ratio,
    mean_shift,
    ratio_across_processes,
    ratio_within_process,
)
from bench.stats.moderation import moderated_shift
from reports.summary.figures import Figure
from reports.summary.units_in_common import units_in_common, units_of


def ratio(numerator: Figure, denominator: Figure, level: float = LEVEL) -> Ratio:
    """Across processes where there are two or more of each, with moderated variances where both have them; of
    several units across these.

    `level` is the confidence of such an interval; any other has that of the figures' own.
    """
    if numerator.levels is not None or denominator.levels is not None:
        return _across_units(numerator, denominator, level)
    above, below = numerator.medians, denominator.medians
    if min(len(above), len(below)) > 1:
        parts = parts_of(numerator, denominator)
        if parts is not None:
            shift = moderated_shift(above, below, *parts)
            low, high = shift.around(level)
            return Ratio(shift.ratio, Interval(low, high, "across-processes", level, "moderated"))
        if min(*above, *below) > 0:
            return ratio_across_processes(above, below, level)
    return combined(numerator.median, numerator.interval, denominator.median, denominator.interval)


def _across_units(numerator: Figure, denominator: Figure, level: float) -> Ratio:
    """By pairs where both were measured on the same units: what a machine does to both is then in neither.

    Where the units differ there is no interval: it would be of two sets of machines that nobody drew.
    """
    pairs = units_in_common(denominator, numerator)
    if pairs is None or units_of(numerator).keys() != units_of(denominator).keys():
        return Ratio(numerator.median / denominator.median, None)
    shift = mean_shift(pairs.log_ratios)
    low, high = shift.around(level)
    return Ratio(shift.ratio, Interval(low, high, pairs.kind, level, "t"))


def parts_of(one: Figure, other: Figure) -> tuple[Moderated, Moderated] | None:
    """The moderated variances of two figures of several processes; None unless both have one."""
    found = [
        figure.interval.parts
        for figure in (one, other)
        if figure.interval and figure.interval.method == "moderated" and figure.interval.parts
    ]
    return (found[0], found[1]) if len(found) == 2 else None


def combined(numerator: float, above: Interval | None, denominator: float, below: Interval | None) -> Ratio:
    """The half widths of two intervals added in quadrature; it is what the less sure of the two is: within a
    process, borrowed, or moderated."""
    found = ratio_within_process(numerator, above, denominator, below)
    if found.interval is None or above is None or below is None:
        return found
    if "within-process" in (above.kind, below.kind):
        return found
    methods = (above.method, below.method)
    method = next((each for each in ("borrowed", "moderated") if each in methods), "t")
    kind = above.kind if above.kind == below.kind else "across-processes"
    return Ratio(found.value, structs.replace(found.interval, kind=kind, method=method))
