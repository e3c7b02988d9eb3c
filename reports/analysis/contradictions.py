"""Figures of one report that cannot all be right; pure.

A network cannot compute faster than the machine's peak, layers cannot sum to another time than their step,
and one machine cannot have two peaks. Where measurements say so beyond their intervals, one of them was
disturbed, and no figure that rests on it may be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from bench.schema.layer_phases import ALL_LAYERS
from bench.stats.estimates import Ratio, centre
from reports.analysis.layer_headroom import MOST_GAP, gap_of, idles_between_kernels
from reports.analysis.layer_shares import Layers
from reports.analysis.measured_ceilings import Ceilings
from reports.analysis.utilisation import Utilisation
from reports.summary.figures import Figure
from reports.summary.subjects import Subject, by_subject

SLACK = 1.1
"""Without an interval a rate may be so many times the peak: products of one process differ by as much."""
MOST_DROP = 1.5
"""Peaks of two runs on one machine may differ by this factor: neighbours and clocks move them by less."""


class AbovePeak(Struct, frozen=True):
    """A step that computed faster than the peak that was measured for it; by how many times at least."""

    reached: Utilisation
    times: float


class LayersApart(Struct, frozen=True):
    """Layers whose sum is another time than that of their step: by this share at least, with a sign."""

    subject: Subject
    gap: float


class PeakDrop(Struct, frozen=True):
    """Two runs of one machine whose measured peaks differ: their indices, and how many times the first has
    what the second has."""

    high: int
    low: int
    times: float


def above_peak(found: Sequence[Utilisation]) -> Iterator[AbovePeak]:
    """Whole steps and their phases; of bandwidth nothing follows, since caches spare the memory."""
    for each in found:
        times = None if each.utilisation is None else _at_least(each.utilisation)
        if times is not None and times > 1:
            yield AbovePeak(each, times)


def _at_least(share: Ratio) -> float:
    """The lower end of its interval; that of a single process holds nothing of how processes differ."""
    interval = share.interval
    if interval is None or not interval.is_across:
        return share.value / SLACK
    return interval.low


def layers_apart(found: Sequence[Layers], figures: Sequence[Figure]) -> Iterator[LayersApart]:
    """Sums against the steps beside them, and, where the case was timed too, against its own time."""
    timed = by_subject(figures)
    for layers in found:
        gap = gap_of(layers).least  # of the sum that the tables print
        if abs(gap) <= MOST_GAP:
            gap = _paired_gap(layers)
        if abs(gap) <= MOST_GAP:
            gap = _gap_to_own_time(layers, timed.get(layers.subject, {}))
        if abs(gap) > MOST_GAP:
            yield LayersApart(layers.subject, gap)


def _paired_gap(layers: Layers) -> float:
    """By how much the sums differ from the steps that they alternated with, beyond the interval."""
    ratio = layers.together.get((ALL_LAYERS, "sum_over_whole"))
    gap = 0.0 if ratio is None else _nearest_to_one(*_ends(ratio)) - 1
    return 0.0 if gap < 0 and idles_between_kernels(layers) else gap


def _gap_to_own_time(layers: Layers, own: Mapping[tuple[str, str], Figure]) -> float:
    """By how much the step beside the layers differs from the case's own time, beyond both intervals."""
    beside = layers.together.get((ALL_LAYERS, "whole_time"))
    wall = (own.get((phase, "wall_time")) for phase in ("step", "forward"))
    step = next((figure for figure in wall if figure is not None), None)
    if beside is None or step is None or min(_ends(step)) <= 0:
        return 0.0
    (low, high), (own_low, own_high) = _ends(beside), _ends(step)
    return _nearest_to_one(low / own_high, high / own_low) - 1


def _nearest_to_one(low: float, high: float) -> float:
    return low if low > 1 else high if high < 1 else 1.0


def _ends(figure: Figure) -> tuple[float, float]:
    interval = figure.interval
    return (figure.median, figure.median) if interval is None else (interval.low, interval.high)


def peak_drop(ceilings: Ceilings) -> PeakDrop | None:
    """The two runs whose peaks differ most, where that is more than MOST_DROP: of one product on one
    machine, by which the most runs can be compared."""
    drops = []
    for rate in ceilings.rates:
        by_run: dict[int, list[float]] = {}
        for run, value in zip(rate.runs, rate.medians, strict=True):
            by_run.setdefault(run, []).append(value)
        values = {run: centre(several) for run, several in by_run.items()}
        high, low = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
        if values[low] > 0 and values[high] > MOST_DROP * values[low]:
            drops.append((values[high], PeakDrop(high, low, values[high] / values[low])))
    return max(drops, key=lambda each: each[0])[1] if drops else None
