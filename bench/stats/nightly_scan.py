"""The replay: series of runs, one run after the other. numpy is imported with it.

All series are rows of arrays, so that a night costs about as much for forty as for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.stats import autocorrelation, run_spread, scan_levels
from bench.stats.change_naming import CLIP, Found, Segment, name_change
from bench.stats.ongoing_drift import OpenDrift, follow
from bench.stats.run_spread import MEMORY, Array
from bench.stats.run_weights import Weights
from bench.stats.scan_levels import BOUNDARY_LOOKS, EVERY, WINDOWS

FEWEST = 8
"""Runs of a series before any is judged."""
FEWEST_BEFORE = 3
"""Runs of a level before a window is set against it."""
SETTLED = 8
"""Runs of a level from which on it is followed; the level of fewer is their median."""


class Replay:
    """What is known of each series after the runs so far. Arrays have a row, or a place, for each series.

    logs, variances    of each run, padded by MEMORY columns before the first: natural logs of seconds, and
                       the variance over that of a usual run
    marked             whether a run begins at a marked boundary; padded likewise
    squares, counts    squared differences from the runs before, and whether each counts for the spread (1 or
                       0); padded likewise
    start, level       the first run of the current level, and about where that level is
    own, own_freedom   variance of a usual run as a series alone shows it, and its degrees of freedom
    variance, freedom  the same, drawn towards the other series
    correlation        of a run with the one before, over all series; products, totals and pairs are its sums
    suspected          the run after which a window was first far from the level; -1 where none is
    drifting           drifts that go on, by series
    found              what was told of each series
    """

    def __init__(self, logs: Sequence[Array], weights: Weights, marks: Sequence[Sequence[int]]) -> None:
        """`logs` and the places of marked boundaries of each series."""
        count, longest = len(logs), max(map(len, logs))
        shape = (count, MEMORY + longest)
        self.logs, self.variances = np.zeros(shape), np.ones(shape)
        self.marked = np.zeros(shape, bool)
        self.squares, self.counts = np.zeros(shape), np.zeros(shape)
        raw = np.full((count, longest), np.nan)
        for row, series in enumerate(logs):
            self.logs[row, MEMORY : MEMORY + len(series)] = series
            self.marked[row, [MEMORY + mark for mark in marks[row]]] = True
            raw[row, : len(series)] = series
            self.counts[row, MEMORY + 1 : MEMORY + len(series)] = 1
        self.squares[:, MEMORY:] = run_spread.differences(raw)
        self.weights = weights
        self.start = np.zeros(count, np.intp)
        self.products, self.totals, self.pairs = np.zeros((3, count))
        self.correlation = 0.0
        self.suspected = np.full(count, -1)
        self.level = np.zeros(count)
        self.own = np.full(count, np.inf)
        self.own_freedom = np.zeros(count)
        self.variance, self.freedom = np.full(count, np.inf), np.zeros(count)
        self.drifting: dict[int, OpenDrift] = {}
        self.found: list[list[Found]] = [[] for _ in logs]

    def add(self, rows: NDArray[np.intp], at: NDArray[np.intp]) -> None:
        """One more run of each of these series, which is its run `at`, counted from 0."""
        columns = at[:, None] + np.arange(1, MEMORY + 1)  # in the padded arrays: the last MEMORY runs
        self._weigh(rows, at)
        self._learn_spread(rows, at)
        shifts, marked = self._scan(rows, at, columns)
        levels = scan_levels.thresholds(self.freedom[rows])
        due = (at[:, None] + 1) % np.array(EVERY) == 0
        limits = np.where(due, levels[:, :-1], np.inf)
        looks = np.where(marked, levels[:, -1:], limits[:, :BOUNDARY_LOOKS])
        limits[:, :BOUNDARY_LOOKS] = np.minimum(limits[:, :BOUNDARY_LOOKS], looks)
        far = (np.abs(shifts) >= limits).any(1)
        for place in np.flatnonzero(far):
            is_far = bool((np.abs(shifts[place]) >= np.where(due[place], levels[place, :-1], np.inf)).any())
            self._judge(int(rows[place]), int(at[place]), is_far)
        for row in list(self.drifting):
            for place in np.flatnonzero(rows == row):
                self._follow(row, int(at[place]))

    def _weigh(self, rows: NDArray[np.intp], at: NDArray[np.intp]) -> None:
        """The run's own variance, against that of a usual run."""
        ratio = self.weights.add(rows, at, self.variance[rows])
        self.variances[rows, MEMORY + at] = ratio
        median = run_spread.MEDIAN_VARIANCE
        self.squares[rows, MEMORY + at] *= (1 + median) / (ratio + median)

    def _learn_spread(self, rows: NDArray[np.intp], at: NDArray[np.intp]) -> None:
        """From the runs but for the last few; then drawn towards the other series."""
        self.own[rows], self.own_freedom[rows] = run_spread.own_variance(
            self._last(self.squares, rows, at - run_spread.LAG),
            self._last(self.counts, rows, at - run_spread.LAG),
            self.own[rows],
        )
        self.variance, self.freedom = run_spread.pooled(self.own, self.own_freedom)

    def _scan(
        self, rows: NDArray[np.intp], at: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Shift of each window against the runs before, in standard errors, and whether it begins at a mark.

        0 where runs are too few. Every run is cut at 4 standard deviations from the level.
        """
        start, sd = self.start[rows], np.sqrt(self.variance[rows])
        age = np.minimum(at - start + 1, MEMORY)
        for place in np.flatnonzero(age < SETTLED):
            row, last = rows[place], MEMORY + at[place] + 1
            self.level[row] = np.median(self.logs[row, last - age[place] : last])
        spreads = self._last(self.variances, rows, at)
        limit = (CLIP * sd)[:, None] * np.sqrt(spreads)
        residuals = self._last(self.logs, rows, at) - self.level[rows][:, None]
        np.clip(residuals, -limit, limit, out=residuals)
        weights = np.where(columns >= MEMORY + start[:, None], 1 / spreads, 0.0)
        weight_sums = np.cumsum(weights[:, ::-1], 1)
        residual_sums = np.cumsum((weights * residuals)[:, ::-1], 1)
        last = np.array(WINDOWS) - 1
        within, without = weight_sums[:, last], weight_sums[:, -1:] - weight_sums[:, last]
        enough = (age[:, None] - WINDOWS >= FEWEST_BEFORE) & (at[:, None] + 1 >= FEWEST)
        without = np.where(enough, without, 1.0)
        shift = residual_sums[:, last] / within - (residual_sums[:, -1:] - residual_sums[:, last]) / without
        self._learn_correlation(rows, np.where(weights > 0, residuals * np.sqrt(weights), 0.0) / sd[:, None])
        longer, longest = autocorrelation.inflation(self.correlation, np.array(WINDOWS))
        error = sd[:, None] * np.sqrt(longer / within + longest / without)
        settled = age >= SETTLED
        newest = WINDOWS[0] - 1  # runs that may be the first of a step do not move the level
        earlier, their_weight = (sums[:, -1] - sums[:, newest] for sums in (residual_sums, weight_sums))
        self.level[rows] += np.where(settled, earlier / np.maximum(their_weight, 1e-9), 0.0)
        begins = np.take_along_axis(columns, MEMORY - np.array([WINDOWS[:BOUNDARY_LOOKS]]), 1)
        marked = self.marked[rows[:, None], begins]
        for row in self.drifting:
            enough[rows == row] = False
        return np.where(enough, shift / error, 0.0), marked

    def _learn_correlation(self, rows: NDArray[np.intp], residuals: Array) -> None:
        """How much runs resemble the run before, over all series; those that drift say nothing of it."""
        steady = np.array([row not in self.drifting for row in rows])
        self.products[rows], self.totals[rows], self.pairs[rows] = autocorrelation.sums(
            residuals[:, :-SETTLED] * steady[:, None]  # the last may be of a step
        )
        self.correlation = autocorrelation.pooled(self.products, self.totals, self.pairs)

    def _last(self, array: Array, rows: NDArray[np.intp], at: NDArray[np.intp]) -> Array:
        """Of each series the last runs that count, up to run `at`; a view where all are equally far."""
        if len(rows) == len(array) and (at == at[0]).all():
            return array[:, max(at[0] + 1, 0) : at[0] + MEMORY + 1]
        columns = np.maximum(at, -1)[:, None] + np.arange(1, MEMORY + 1)
        return array[rows[:, None], columns]

    def segment(self, row: int, at: int, first: int) -> Segment:
        """Runs `first` to `at` of a series, at most the last ones that count."""
        first = max(first, at + 1 - MEMORY)
        part = slice(MEMORY + first, MEMORY + at + 1)
        return Segment(
            first=first,
            logs=self.logs[row, part],
            variances=self.variances[row, part],
            marks=first + np.flatnonzero(self.marked[row, part]),
            level=float(self.level[row]),
            sd=float(np.sqrt(self.variance[row])),
            freedom=float(self.freedom[row]),
        )

    def _judge(self, row: int, at: int, is_far: bool) -> None:
        """What it is that a window found, if it can be said yet."""
        if is_far and self.suspected[row] < 0:
            self.suspected[row] = at
        waited = at - int(self.suspected[row]) if self.suspected[row] >= 0 else 0
        segment, earlier = self.segment(row, at, int(self.start[row])), None
        told = self.found[row]
        if told and told[-1].kind == "step":
            earlier = self.segment(row, at, told[-2].at if len(told) > 1 else 0)
            earlier = earlier._replace(level=float(np.median(earlier.logs)))
        found = name_change(segment, is_far, waited, earlier)
        if found is not None:
            self._tell(row, at, found)

    def _follow(self, row: int, at: int) -> None:
        """A drift that was told: whether a step or its end is to be seen."""
        drift = self.drifting[row]
        found, drift = follow(self.segment(row, at, drift.first), drift, at)
        self.drifting[row] = drift
        if found is not None:
            self._tell(row, at, found)

    def _tell(self, row: int, at: int, found: Found) -> None:
        """A new level begins there."""
        self.found[row].append(found._replace(told_at=at))
        self.start[row], self.suspected[row] = found.at, -1
        self.drifting.pop(row, None)
        if found.kind == "drift":
            self.drifting[row] = OpenDrift(found.at, found.slope)
        elif found.kind != "end":
            self.counts[row, MEMORY + found.at : MEMORY + found.at + run_spread.BEFORE] = 0
        last = MEMORY + at + 1
        self.level[row] = np.median(self.logs[row, max(MEMORY + found.at, last - MEMORY) : last])


def nights(positions: Sequence[Sequence[int]]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Series that have a run at each position, in order, and which of its runs that is."""
    lengths = [len(each) for each in positions]
    rows = np.repeat(np.arange(len(positions)), lengths)
    at = np.concatenate([np.arange(length) for length in lengths])
    when = np.concatenate([_rising(np.asarray(each, np.intp)) for each in positions])
    order = np.lexsort((at, rows, when))
    edges = np.flatnonzero(np.diff(when[order], prepend=when[order][0] - 1))
    yield from zip(np.split(rows[order], edges[1:]), np.split(at[order], edges[1:]), strict=True)


def _rising(positions: NDArray[np.intp]) -> NDArray[np.intp]:
    """Each above the one before, by at least 1: runs of a series come one after the other."""
    places = np.arange(len(positions))
    return np.maximum.accumulate(positions - places) + places
