"""Told changes of several series that happened at the same run are one thing to tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.archive.run_differences import Difference
from bench.stats.run_series import Changes
from reports.over_time.shown_series import ShownSeries, urgency
from reports.over_time.trended import ToldChange


class Told(NamedTuple):
    """A change of one series; `earliest` and `latest` are when the first run after it may have been; of a
    drift when its first and last run were."""

    shown: ShownSeries
    change: ToldChange
    earliest: str
    latest: str

    @property
    def at(self) -> str:
        return self.shown.series.runs[self.change.at].at

    @property
    def told(self) -> str:
        """When the latest of it was told."""
        return self.shown.series.runs[self.change.last_told_at].at

    @property
    def last(self) -> str | None:
        """When the last run before its end was measured; None of one that lasts."""
        reverted = self.change.reverted
        return None if reverted is None else self.shown.series.runs[reverted.at - 1].at


class Group(NamedTuple):
    """Changes of one kind and direction, at runs that may be the same, that last or ended on one day; the
    largest first."""

    told: tuple[Told, ...]
    earliest: str
    latest: str

    @property
    def largest(self) -> Told:
        return self.told[0]

    @property
    def told_at(self) -> str:
        """When the latest of it was told."""
        return max(each.told for each in self.told)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs at all of them."""
        others = [set(each.change.differences) for each in self.told[1:]]
        return tuple(each for each in self.largest.change.differences if all(each in own for own in others))


def groups(shown: Sequence[ShownSeries]) -> tuple[Group, ...]:
    """Of the changes that nobody answered for: the most urgent first."""
    alike: dict[tuple[object, ...], list[Told]] = {}
    for told in _open(shown):
        series, change = told.shown.series, told.change
        fate = (change.is_slower, change.is_confirmed, (told.last or "")[:10])
        key = (change.what, *fate, series.kind, series.origin)
        alike.setdefault(key, []).append(told)
    found = [group for told in alike.values() for group in _at_one_run(told)]
    return tuple(sorted(found, key=_order))


def _order(group: Group) -> tuple[tuple[int, int, float], str]:
    return urgency(group.largest.change, group.told_at), group.largest.shown.name


def _open(shown: Sequence[ShownSeries]) -> Iterator[Told]:
    """What took another change back is told with that one, where it is open too."""
    for each in shown:
        runs = each.series.runs
        at = {change.at for change in each.open}
        for change in (change for change in each.open if change.reverts not in at):
            first, last = span(each.changes, change)
            yield Told(each, change, runs[first].at, runs[last].at)


def span(changes: Changes, change: ToldChange) -> tuple[int, int]:
    """The runs one of which is the first after a step; the first and last run of a drift."""
    if change.what == "step":
        ends = {step.at: (step.earliest, step.latest) for step in changes.steps}
    else:
        ends = {drift.first: (drift.first, drift.last) for drift in changes.drifts}
    is_boundary = change.what == "boundary"
    return (change.at, change.at) if is_boundary else ends.get(change.at, (change.at, change.at))


def _at_one_run(told: Sequence[Told]) -> Iterator[Group]:
    """One after the other, as long as there is a time at which all of a group may have happened."""
    waiting: list[Told] = []
    earliest = latest = ""
    for each in sorted(told, key=lambda each: (each.earliest, each.latest)):
        if waiting and each.earliest > latest:
            yield _group(waiting, earliest, latest)
            waiting = []
        latest = min(latest, each.latest) if waiting else each.latest
        earliest = each.earliest  # the latest so far: they are sorted
        waiting.append(each)
    if waiting:
        yield _group(waiting, earliest, latest)


def _group(told: Sequence[Told], earliest: str, latest: str) -> Group:
    by_size = sorted(told, key=lambda each: -abs(each.change.shift.log_ratio))
    return Group(tuple(by_size), earliest, latest)
