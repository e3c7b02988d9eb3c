"""One figure over another, by what is known of how the processes of each scatter."""

from __future__ import annotations

from msgspec import structs

from bench.stats.estimates import (
    LEVEL,
    Interval,
    Moderated,
    Ratio,
    ratio_across_processes,
    ratio_within_process,
)
from bench.stats.moderation import moderated_shift
from reports.summary.figures import Figure


def ratio(numerator: Figure, denominator: Figure, level: float = LEVEL) -> Ratio:
    """Across processes where there are two or more of each, with moderated variances where both have them.

    `level` is the confidence of such an interval; any other has that of the figures' own.
    """
    if min(len(numerator.medians), len(denominator.medians)) > 1:
        parts = parts_of(numerator, denominator)
        if parts is not None:
            shift = moderated_shift(numerator.medians, denominator.medians, *parts)
            low, high = shift.around(level)
            return Ratio(shift.ratio, Interval(low, high, "across-processes", level, "moderated"))
        if min(*numerator.medians, *denominator.medians) > 0:
            return ratio_across_processes(numerator.medians, denominator.medians, level)
    return combined(numerator.median, numerator.interval, denominator.median, denominator.interval)


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
    return Ratio(found.value, structs.replace(found.interval, kind="across-processes", method=method))
