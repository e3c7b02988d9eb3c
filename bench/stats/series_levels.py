"""Levels, shifts and outliers of a series, once it is known where it changed. numpy is imported with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.stats.change_naming import CLIP, FEWEST_AFTER, LOCATION, Found, step_gains
from bench.stats.run_series import Boundary, Changes, Drift, Level, Shift, Step
from bench.stats.student_t import t_factor

Array = NDArray[np.float64]

LEVEL = 0.95
NEAREST = 8
"""Runs of a drift that stand for its level at a step."""


class Series(NamedTuple):
    """All runs of a series, with the spread that they show.

    logs       natural logs of seconds
    variances  of each run over that of a usual run, whose standard deviation is `sd`
    freedom    degrees of freedom of `sd`
    inflation  variance of a mean over that of as many independent runs
    """

    logs: Array
    variances: Array
    sd: float
    freedom: float
    inflation: float


class Part(NamedTuple):
    """Runs `first` to `last`, between two changes; `slope` of logs a run where they drift."""

    first: int
    last: int
    slope: float = 0.0
    drift: Found | None = None


class Mean(NamedTuple):
    """Of runs, outliers cut: the level at run `place`, and its `variance` in variances of a usual run."""

    value: float
    variance: float
    place: float


def changes(series: Series, found: Sequence[Found], marks: Sequence[int]) -> Changes:
    """All of one series. Without a spread there is nothing to say."""
    if series.freedom <= 0 or not math.isfinite(series.sd):
        return Changes(boundaries=tuple(Boundary(at=mark, told_at=None, shift=None) for mark in marks))
    parts = split(found, len(series.logs))
    told = {each.at: each.told_at for each in found if each.kind == "boundary"}
    return Changes(
        steps=tuple(_step(series, parts, each) for each in found if each.kind == "step"),
        boundaries=tuple(
            Boundary(at=mark, told_at=told.get(mark), shift=_shift_at_mark(series, parts, mark, marks))
            for mark in marks
        ),
        drifts=tuple(_drift(series, part) for part in parts if part.drift is not None),
        outliers=_outliers(series, parts),
        levels=tuple(_level(series, part) for part in parts if part.drift is None),
        spread=series.sd,
    )


def _step(series: Series, parts: Sequence[Part], told: Found) -> Step:
    earliest, latest = _places(series, parts, told)
    return Step(
        at=told.at,
        earliest=earliest,
        latest=latest,
        told_at=told.told_at,
        shift=_shift(series, *_sides(parts, told.at, [])),
    )


def _places(series: Series, parts: Sequence[Part], told: Found) -> tuple[int, int]:
    """The first and the last run of the 95% set of where a step is, by all runs of the levels around it.

    Runs after it was told make it narrower. Beside a drift it stays as it was told.
    """
    left = next(part for part in parts if part.last == told.at - 1)
    right = next(part for part in parts if part.first == told.at)
    if left.drift or right.drift:
        return told.earliest, told.latest
    levels = sorted(mean(series, part).value for part in (left, right))
    runs = slice(left.first, right.last + 1)
    variances, limit = series.variances[runs], CLIP * series.sd * np.sqrt(series.variances[runs])
    logs = np.clip(series.logs[runs], levels[0] - limit, levels[1] + limit)
    gains = step_gains((logs - levels[0]) / series.sd, 1 / variances)
    within = left.first + np.flatnonzero(gains >= gains.max() - LOCATION * series.inflation)
    return min(int(within[0]), told.at), min(max(int(within[-1]), told.at), told.told_at)


def split(found: Sequence[Found], runs: int) -> list[Part]:
    """The runs between one change and the next."""
    parts, first, drift = [], 0, None
    for each in found:
        if each.at > first:
            parts.append(_part(first, each.at - 1, drift))
            first = each.at
        drift = each if each.kind == "drift" else None
    parts.append(_part(first, runs - 1, drift))
    return parts


def _part(first: int, last: int, drift: Found | None) -> Part:
    return Part(first, last, drift.slope if drift else 0.0, drift)


def mean(series: Series, part: Part) -> Mean:
    """Of the runs of a part, each cut at 4 standard deviations from their median."""
    runs = slice(part.first, part.last + 1)
    places = np.arange(part.first, part.last + 1)
    logs = series.logs[runs] - part.slope * (places - part.last)
    middle, limit = float(np.median(logs)), CLIP * series.sd * np.sqrt(series.variances[runs])
    weights = 1 / series.variances[runs]
    total = float(weights.sum())
    value = middle + float((weights * np.clip(logs - middle, -limit, limit)).sum()) / total
    return Mean(value, 1 / total, part.last)


def _shift_at_mark(series: Series, parts: Sequence[Part], mark: int, marks: Sequence[int]) -> Shift | None:
    """None with few runs on a side."""
    before, after = _sides(parts, mark, marks)
    if min(before.last - before.first, after.last - after.first) + 1 < FEWEST_AFTER:
        return None
    return _shift(series, before, after)


def _sides(parts: Sequence[Part], at: int, marks: Sequence[int]) -> tuple[Part, Part]:
    """The runs before run `at`, which is not the first, and those from it on, up to the neighboring changes
    and marks; beside a drift only the nearest."""
    left = next(part for part in parts if part.first <= at - 1 <= part.last)
    right = next(part for part in parts if part.first <= at <= part.last)
    first = max([left.first, *(mark for mark in marks if left.first < mark < at)])
    last = min([right.last, *(mark - 1 for mark in marks if at < mark <= right.last)])
    before, after = Part(first, at - 1, left.slope), Part(at, last, right.slope)
    return _nearest(before, after) if left.slope or right.slope else (before, after)


def _shift(series: Series, before: Part, after: Part) -> Shift:
    """Of the level at the first run after, against that of the runs before if they went on to it."""
    ones, others = mean(series, before), mean(series, after)
    start_of_after = others.value - after.slope * (after.last - after.first)
    end_of_before = ones.value + before.slope
    return _around(series, start_of_after - end_of_before, ones.variance + others.variance)


def _nearest(before: Part, after: Part) -> tuple[Part, Part]:
    """The runs next to the change: a drift may go on after it."""
    return (
        before._replace(first=max(before.first, before.last - NEAREST + 1)),
        after._replace(last=min(after.last, after.first + NEAREST - 1)),
    )


def _around(series: Series, value: float, variance: float) -> Shift:
    """With the t interval of a difference whose variance is given in variances of a run."""
    half = t_factor(series.freedom, LEVEL) * series.sd * math.sqrt(variance * series.inflation)
    return Shift(log_ratio=value, low=value - half, high=value + half)


def _drift(series: Series, part: Part) -> Drift:
    """With the slope over all of its runs."""
    assert part.drift is not None
    places = np.arange(part.first, part.last + 1)
    weights = 1 / series.variances[places]
    centred = places - (weights * places).sum() / weights.sum()
    squares = float((weights * centred**2).sum())
    slope = float((weights * centred * series.logs[places]).sum()) / squares
    return Drift(
        first=part.first,
        last=part.last,
        told_at=part.drift.told_at,
        per_run=_around(series, slope, 1 / squares),
    )


def _level(series: Series, part: Part) -> Level:
    middle = mean(series, part)
    shift = _around(series, middle.value, middle.variance)
    return Level(first=part.first, last=part.last, log_seconds=middle.value, low=shift.low, high=shift.high)


def _outliers(series: Series, parts: Sequence[Part]) -> tuple[int, ...]:
    """Runs further than 4 standard deviations from their level; the last two may yet be a step's first."""
    limit = CLIP * series.sd * np.sqrt(series.variances)
    found: list[int] = []
    for part in parts:
        places = np.arange(part.first, part.last + 1)
        logs = series.logs[places] - part.slope * (places - part.last)
        far = np.abs(logs - np.median(logs)) > limit[places]
        found += places[far].tolist()
    return tuple(place for place in found if place < len(series.logs) - FEWEST_AFTER + 1)
