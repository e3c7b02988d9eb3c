"""Of processes that are replicates of each other: each metric over those that have it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.schema.window_clocks import WindowClocks
from bench.stats.estimates import Interval
from reports.summary.places import Places
from reports.summary.process import NO_INTERVAL, Key, Process, numbers_of


class Column(NamedTuple):
    """One metric; all but `interval` have a value for each process.

    interval  within the process, of a single one that has it
    withins   variances of the logs of its samples, below zero where they are not known
    """

    medians: tuple[float, ...]
    interval: Interval | None
    withins: tuple[float, ...]
    sizes: tuple[int, ...]
    origins: Origins


class Origins:
    """Where the values of a column come from: one object for all columns of the same processes.

    `machines` are those of several units, one for each process; None of one unit.
    """

    def __init__(self, processes: Sequence[Process], places: Places) -> None:
        self.processes = processes
        self.places = places
        self.replicates = tuple([process.replicate for process in processes])
        self.runs = tuple([places.run(process) for process in processes])
        self.units = tuple([places.unit(process) for process in processes])
        several = len(set(self.units)) > 1
        self.machines = [unit.machine for unit in self.units] if several else None
        self.pairs = tuple([process.pair for process in processes])
        self._clocked = any(process.clocks for process in processes)

    def clocks(self, metric: str) -> tuple[WindowClocks | None, ...]:
        """Of each process; empty where none knows them, which is so of everything but times on a GPU."""
        if not self._clocked:
            return ()
        found = tuple([dict(process.clocks).get(metric) for process in self.processes])
        return found if any(found) else ()


def columns_of(group: Iterable[Process], places: Places) -> dict[Key, Column]:
    """Each metric over the processes that have it.

    Processes of one case nearly always have the same metrics, and then a column is read off at once.
    """
    alike: defaultdict[tuple[Key, ...], list[Process]] = defaultdict(list)
    for process in group:
        alike[process.keys].append(process)
    columns: dict[Key, Column] = {}
    for keys, processes in alike.items():
        origins = Origins(processes, places)
        medians, lows, highs, withins = numbers_of(processes)
        sizes = zip(*[process.sizes for process in processes], strict=True)
        for at, (key, of_each) in enumerate(zip(keys, sizes, strict=True)):
            interval = _interval(float(lows[at, 0]), float(highs[at, 0]))
            found = Column(
                tuple(medians[at].tolist()), interval, tuple(withins[at].tolist()), of_each, origins
            )
            columns[key] = _joined(columns[key], found) if key in columns else found
    return columns


def _joined(one: Column, other: Column) -> Column:
    return Column(
        one.medians + other.medians,
        None,
        one.withins + other.withins,
        one.sizes + other.sizes,
        Origins((*one.origins.processes, *other.origins.processes), one.origins.places),
    )


def _interval(low: float, high: float) -> Interval | None:
    return None if (low, high) == NO_INTERVAL else Interval(low, high, "within-process")
