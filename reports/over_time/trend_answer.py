"""The first screen of a trend: what stepped, by how much, when, and what changed there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from bench.schema.plurals import how_many
from reports.document import Answer, NextStep, Table
from reports.over_time import trend_words
from reports.over_time.series_table import series_table
from reports.over_time.shown_series import ShownSeries
from reports.over_time.told_groups import Group
from reports.over_time.trend_headlines import MOST_TOLD, headlines, shown_runs, title, unit_of_runs
from reports.over_time.trended import Trended
from reports.tables.archive_command import typed
from reports.tables.listing import and_more

LINES, WIDTH = 24, 100
"""Of the first screen."""
MOST_ROWS, FEWEST_ROWS = 10, 3
_BESIDE = 9
"""Lines beside paragraphs and rows: two empty ones, the table's title, columns, rule and notes, the names of
the parts, the next command."""
_MOST_DAMAGED = 2


def answer(trended: Trended, shown: Sequence[ShownSeries], groups: Sequence[Group]) -> Answer:
    """Within one screen."""
    ours = [each for each in shown if not each.series.origin] or shown
    told = tuple(headlines(shown, groups))
    about = " · ".join(_about(trended, shown))
    alarms = trended.damaged[:_MOST_DAMAGED]
    warnings = " ".join(_warnings(trended, shown, len(groups) - MOST_TOLD))
    paragraphs = (f"{title(shown)} · {about}", *alarms, *told, warnings)
    beside = sum(len(textwrap.wrap(text, WIDTH)) for text in paragraphs) + _BESIDE
    rows = max(FEWEST_ROWS, min(MOST_ROWS, LINES - beside))
    return Answer(
        about=about,
        alarms=alarms,
        headlines=told,
        table=_table(ours, rows) if ours else None,
        warnings=warnings,
        next_step=_next_step(trended, groups),
    )


def _about(trended: Trended, shown: Sequence[ShownSeries]) -> Iterator[str]:
    """The archive, its runs and days, and the kinds of machine."""
    yield str(trended.archive)
    runs = list(shown_runs(shown).values())
    label = f" of label {trended.label}" if trended.label else ""
    if runs:
        first, last = trend_words.day(runs[0].at), trend_words.day(runs[-1].at)
        days = f", {first}" if first == last else f", {first} to {last}"
        yield f"{how_many(len(runs), unit_of_runs(runs))}{label}{days}"
        yield and_more(list(dict.fromkeys(each.series.kind for each in shown)), 2)


def _table(shown: Sequence[ShownSeries], rows: int) -> Table:
    told = sum(bool(each.trended.told) for each in shown)
    left = len(shown) - rows
    title = "Cases, those with a change first" if told else "Cases"
    table = series_table(title, shown[:rows])
    if left <= 0:
        return table
    from msgspec import structs

    return structs.replace(table, notes=(f"{how_many(left, 'more case')}: --section series.",))


def _warnings(trended: Trended, shown: Sequence[ShownSeries], untold: int) -> Iterator[str]:
    if untold > 0:
        yield f"{how_many(untold, 'more change')}: --full."
    answered = sum(len(each.trended.told) - len(each.open) for each in shown)
    if answered:
        yield f"{how_many(answered, 'acknowledged change')} not repeated."
    undated = sum(not run.is_dated for run in shown_runs(shown).values())
    if undated:
        yield f"! {how_many(undated, 'run')} of a wrong clock, dated by when added."
    if trended.damaged:
        yield f"! {how_many(len(trended.damaged), 'damaged run')} left out."
    hidden = len(trended.series) - len(shown)
    if hidden:
        yield f"{how_many(hidden, 'series', 'series')} without a run since {trended.since}."


def _next_step(trended: Trended, groups: Sequence[Group]) -> NextStep | None:
    """The two runs around the largest change, side by side."""
    if not groups:
        return None
    largest = groups[0].largest
    runs, at = largest.shown.series.runs, largest.change.at
    if largest.change.what == "drift" or largest.shown.series.origin or at == 0:
        command = typed(trended.archive, "trend", "ack", largest.change.name, "--why", "...")
        return NextStep(command=command, purpose="records why, so that it is not told again")
    before, after = (f"@{trend_words.short(run.digest)}" for run in (runs[at - 1], runs[at]))
    command = typed(trended.archive, "compare", before, after)
    return NextStep(command=command, purpose="compares the runs around the largest change")
