"""The sentences of a trend: how many cases changed, and the largest changes one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.archive.case_series import SeriesRun
from bench.schema.plurals import how_many
from bench.stats.run_series import Shift
from reports.cells import in_two
from reports.over_time import trend_words
from reports.over_time.shown_series import ShownSeries
from reports.over_time.told_groups import Group
from reports.over_time.trended import ToldChange

MOST_TOLD = 3
"""Changes that have a sentence; with the first one these are four."""
_NIGHTLY = ("nightly", "night")


def shown_runs(shown: Sequence[ShownSeries]) -> dict[str, SeriesRun]:
    """Each run that is shown, by its digest, in the order of time."""
    found = {run.digest: run for each in shown for run in each.runs}
    return dict(sorted(found.items(), key=lambda item: (item[1].at, item[0])))


def unit_of_runs(runs: Sequence[SeriesRun]) -> str:
    """`night` where all runs are labeled so, and each has a date of its own; else `run`."""
    is_nightly = bool(runs) and all(run.label in _NIGHTLY for run in runs)
    return "night" if is_nightly and len({run.at[:10] for run in runs}) == len(runs) else "run"


def of_series(count: int, shown: Sequence[ShownSeries], more: str = "") -> str:
    """`40 cases`, `3 more cases`; `80 series` where a case is on several kinds of machine."""
    cases = {(each.series.origin, each.series.case) for each in shown}
    if len(cases) == len(shown):
        return how_many(count, f"{more}case")
    return how_many(count, f"{more}series", f"{more}series")


def title(shown: Sequence[ShownSeries]) -> str:
    """`2 of 40 cases stepped`, `40 cases, no new step`"""
    if not shown:
        return "No series"
    stepped, drifting = _with(shown, "step", "boundary"), _with(shown, "drift")
    whole = of_series(len(shown), shown)
    if stepped:
        return f"{stepped:,} of {whole} stepped"
    return f"{drifting:,} of {whole} drifting" if drifting else f"{whole}, no new step"


def _too_short(shown: Sequence[ShownSeries]) -> Iterator[str]:
    """Of series that are too short to be judged."""
    from bench.stats.nightly_scan import FEWEST  # numpy, which has been imported where changes were found

    short = sum(len(each.series.points) < FEWEST for each in shown)
    if short == len(shown):
        yield f"Too few runs to find a change: it takes {FEWEST} of a case."
    elif short:
        yield f"{of_series(short, shown)} had too few runs to find a change: it takes {FEWEST}."


def _with(shown: Sequence[ShownSeries], *what: str) -> int:
    return sum(any(change.what in what for change in each.open) for each in shown)


def headlines(shown: Sequence[ShownSeries], groups: Sequence[Group]) -> Iterator[str]:
    """At most four."""
    runs = list(shown_runs(shown).values())
    yield _count(shown, runs)
    with_year = trend_words.needs_year([run.at for run in runs])
    yield from (sentence(group, with_year=with_year) for group in groups[:MOST_TOLD])
    if not groups and shown:
        yield from _too_short(shown)


def _count(shown: Sequence[ShownSeries], runs: Sequence[SeriesRun]) -> str:
    """`2 of 40 cases stepped in 90 nights, 1 drifts.`"""
    if not shown:
        return "No case has a run to show."
    stepped, drifting = _with(shown, "step", "boundary"), _with(shown, "drift")
    whole, time = of_series(len(shown), shown), how_many(len(runs), unit_of_runs(runs))
    drifts = f"{drifting:,} {'drifts' if drifting == 1 else 'drift'}"
    if stepped:
        return f"{stepped:,} of {whole} stepped in {time}{f', {drifts}' if drifting else ''}."
    if drifting:
        return f"{drifts.replace(' ', f' of {whole} ', 1)} in {time}, none stepped."
    answered = sum(len(each.trended.told) for each in shown)
    new = "No new change" if answered else "No change"
    return f"{new} in {time} of {whole}."


def sentence(group: Group, *, with_year: bool) -> str:
    """`VGG-16 training, batch 8 got 3.1% slower (2.4% to 3.8%) on 14 March, with driver 575 → 580.`"""
    largest = group.largest
    change, series = largest.change, largest.shown.series
    cause = _cause(group)
    if change.what == "drift":
        return _drift(group, with_year=with_year)
    when = trend_words.days_in_words(group.earliest, group.latest, with_year=with_year)
    source = f" ({series.origin})" if series.origin else ""
    if len(group.told) == 1:
        return f"{largest.shown.name}{source} {trend_words.got(change.shift)} {when}{cause}."
    small = min((each.change for each in group.told), key=lambda each: abs(each.shift.log_ratio))
    least, most = (in_two(trend_words.size(each.shift))[0] for each in (small, change))
    sizes = most if least == most else f"{least} to {most}"
    return (
        f"{of_told(group)}{source} got {sizes} {trend_words.direction(change.shift)} {when}, "
        f"at the same run{cause}; {largest.shown.name} most."
    )


def of_told(group: Group) -> str:
    """`12 cases`"""
    return of_series(len(group.told), [each.shown for each in group.told])


def _cause(group: Group) -> str:
    """`, with driver 575 → 580`; says so where nothing that is recorded differs."""
    words = trend_words.differences_in_words(group.differences)
    return f", with {words}" if words else ", conditions unchanged"


def _drift(group: Group, *, with_year: bool) -> str:
    """`VGG-16 training, batch 8 drifts: 2.3% slower (1.8% to 2.8%) from 1 March to 30 April.`"""
    largest = group.largest
    first, last = drift_days(largest.shown, largest.change)
    begin, end = (trend_words.day_in_words(each, with_year=with_year) for each in (first, last))
    size = " ".join(_sized(largest.change.shift))
    subject = largest.shown.name
    if len(group.told) == 1:
        return f"{subject} drifts: {size} from {begin} to {end}."
    return f"{of_told(group)} drift; {subject} most: {size} from {begin} to {end}."


def _sized(shift: Shift) -> tuple[str, str]:
    number, interval = in_two(trend_words.size(shift))
    return f"{number} {trend_words.direction(shift)}", interval


def drift_days(shown: ShownSeries, change: ToldChange) -> tuple[str, str]:
    """When its first and its last run were measured."""
    ends = {drift.first: drift.last for drift in shown.changes.drifts}
    runs = shown.series.runs
    return runs[change.at].at, runs[ends.get(change.at, change.at)].at
