"""The sentences of a trend: how many cases changed, and the most urgent changes one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.archive.case_series import SeriesRun
from bench.schema.plurals import how_many
from reports.cells import in_two
from reports.over_time import trend_words
from reports.over_time.shown_series import ShownSeries
from reports.over_time.told_groups import Group

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


class _Counts(NamedTuple):
    """How many series have an open step that lasts, a drift, or neither but were slower for a time."""

    stepped: int
    drifting: int
    passing: int


def _counts(shown: Sequence[ShownSeries]) -> _Counts:
    confirmed = [[change for change in each.open if change.is_confirmed] for each in shown]
    kinds = [{change.what if change.is_lasting else "passing" for change in own} for own in confirmed]
    return _Counts(
        stepped=sum(not own.isdisjoint(("step", "boundary")) for own in kinds),
        drifting=sum("drift" in own for own in kinds),
        passing=sum(own == {"passing"} for own in kinds),
    )


def title(shown: Sequence[ShownSeries]) -> str:
    """`2 of 40 cases stepped`, `40 cases, no new step`"""
    if not shown:
        return "No series"
    counts, whole = _counts(shown), of_series(len(shown), shown)
    if counts.stepped:
        return f"{counts.stepped:,} of {whole} stepped"
    if counts.drifting:
        return f"{counts.drifting:,} of {whole} drifting"
    if counts.passing:
        return f"{counts.passing:,} of {whole} slower for a time"
    return f"{whole}, {'too few runs' if _too_short(shown) == len(shown) else 'no new step'}"


def _too_short(shown: Sequence[ShownSeries]) -> int:
    """How many series are too short to be judged."""
    return sum(len(each.series.points) < _fewest() for each in shown)


def _fewest() -> int:
    from bench.stats.nightly_scan import FEWEST  # numpy, which has been imported where changes were found

    return FEWEST


def headlines(shown: Sequence[ShownSeries], groups: Sequence[Group]) -> Iterator[str]:
    """At most four."""
    runs = list(shown_runs(shown).values())
    with_year = trend_words.needs_year([run.at for run in runs])
    if not groups:
        yield from _without_change(shown, runs)
        return
    last = runs[-1].at
    new = sum(trend_words.day(group.told_at) == trend_words.day(last) for group in groups)
    day = trend_words.day_in_words(last, with_year=with_year)
    news = f"{how_many(new, 'change')} {'is' if new == 1 else 'are'} new" if new else "Nothing new"
    yield f"{_count(shown, runs)} {news} on {day}."
    yield from (sentence(group, with_year=with_year) for group in groups[:MOST_TOLD])


def _without_change(shown: Sequence[ShownSeries], runs: Sequence[SeriesRun]) -> Iterator[str]:
    if not shown:
        yield "No case has a run to show."
        return
    whole, time = of_series(len(shown), shown), how_many(len(runs), unit_of_runs(runs))
    short = _too_short(shown)
    if short == len(shown):
        yield f"{time} of {whole}: a change can be found from {_fewest()} runs of a case on."
        return
    answered = any(each.trended.told for each in shown)
    yield f"No {'new ' if answered else ''}change found in {time} of {whole}."
    if short:
        yield f"{of_series(short, shown)} had too few runs to find a change: it takes {_fewest()}."


def _count(shown: Sequence[ShownSeries], runs: Sequence[SeriesRun]) -> str:
    """`2 of 40 cases stepped in 90 nights, 3 more for a time, 1 drifts.`"""
    stepped, drifting, passing = _counts(shown)
    whole, time = of_series(len(shown), shown), how_many(len(runs), unit_of_runs(runs))
    drift = _agreeing(drifting, "drifts", "drift")
    more = f", {passing:,} more for a time" if passing else ""
    if stepped:
        drifts = f", {drifting:,} {drift}" if drifting else ""
        return f"{stepped:,} of {whole} stepped in {time}{more}{drifts}."
    if drifting:
        only = f"{passing:,} stepped for a time" if passing else "none stepped"
        return f"{drifting:,} of {whole} {drift} in {time}, {only}."
    if not passing:
        return f"No confirmed change in {time} of {whole}."
    return f"{passing:,} of {whole} {_agreeing(passing, 'was', 'were')} slower for a time in {time}."


def _agreeing(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def sentence(group: Group, *, with_year: bool) -> str:
    """`VGG-16 training, batch 8 got 3.1% slower (2.4% to 3.8%) on 14 March, with driver 575 → 580
    (vgg16-3f0c92ab).`; `was 3.1% slower (2.4% to 3.8%) from 14 to 17 March` of what was taken back."""
    largest = group.largest
    change, series = largest.change, largest.shown.series
    cause = _cause(group)
    if change.what == "drift":
        return _drift(group, with_year=with_year)
    source = f" ({series.origin})" if series.origin else ""
    if largest.last is None:
        got, when = "got", trend_words.days_in_words(group.earliest, group.latest, with_year=with_year)
    else:
        got = "was" if len(group.told) == 1 else "were"
        when = trend_words.days_through(largest.at, largest.last, with_year=with_year)
    if not change.is_confirmed:
        subject = largest.shown.name if len(group.told) == 1 else of_told(group)
        return f"Later runs do not confirm a change of {subject}{source} {when} ({change.name})."
    if len(group.told) == 1:
        size = trend_words.sized(change.shift)
        return f"{largest.shown.name}{source} {got} {size} {when}{cause} ({change.name})."
    small = min((each.change for each in group.told), key=lambda each: abs(each.shift.log_ratio))
    least, most = (in_two(trend_words.size(each.shift))[0] for each in (small, change))
    sizes = most if least == most else f"{least} to {most}"
    return (
        f"{of_told(group)}{source} {got} {sizes} {trend_words.direction(change.shift)} {when}"
        f"{', at the same run' if largest.last is None else ''}{cause}; "
        f"{largest.shown.name} most ({change.name})."
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
    ends = (largest.earliest, largest.latest)
    begin, end = (trend_words.day_in_words(each, with_year=with_year) for each in ends)
    text = f"{trend_words.sized(largest.change.shift)} from {begin} to {end} ({largest.change.name})"
    subject = largest.shown.name
    if len(group.told) == 1:
        return f"{subject} drifts: {text}."
    return f"{of_told(group)} drift; {subject} most: {text}."
