"""The first screen of a trend: what stepped, by how much, when, and what changed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.plurals import how_many
from reports.document import Answer, Table
from reports.over_time import trend_words
from reports.over_time.next_of_trend import next_step
from reports.over_time.series_table import FEWEST_CELLS, SPARK_CELLS, series_table
from reports.over_time.shown_series import ShownSeries
from reports.over_time.told_groups import Group
from reports.over_time.trend_headlines import MOST_TOLD, headlines, of_series, shown_runs, title, unit_of_runs
from reports.over_time.trended import Trended
from reports.tables import first_screen
from reports.tables.listing import and_more

MOST_ROWS, FEWEST_ROWS = 10, 3
_OTHER_LINES = 4
"""An empty one, a second note of the table, the names of the parts, the next command."""
_MOST_DAMAGED = 2


def answer(trended: Trended, shown: Sequence[ShownSeries], groups: Sequence[Group]) -> Answer:
    """Within one screen."""
    ours = [each for each in shown if not each.series.origin] or shown
    told = tuple(headlines(shown, groups))
    about = " · ".join(_about(trended, shown))
    alarms = trended.damaged[:_MOST_DAMAGED]
    warnings = " ".join(_warnings(trended, shown))
    beside = first_screen.lines_of([f"{title(shown)} · {about}", *alarms, *told, warnings])
    rows = first_screen.LINES - beside - first_screen.TABLE_LINES - _OTHER_LINES
    return Answer(
        about=about,
        alarms=alarms,
        headlines=told,
        table=_table(ours, len(groups) - MOST_TOLD, rows) if ours else None,
        warnings=warnings,
        next_step=next_step(trended.archive, groups),
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


def _table(shown: Sequence[ShownSeries], untold: int, room: int) -> Table:
    """As many rows as fit; a row that is too wide, also with a shorter line, takes two lines."""
    title = "Cases, those with a change first" if any(each.trended.told for each in shown) else "Cases"
    rows = max(FEWEST_ROWS, min(MOST_ROWS, room))
    for cells in (SPARK_CELLS, FEWEST_CELLS):
        table = series_table(title, shown[:rows], cells=cells)
        if not first_screen.is_wide(table):
            break
    else:
        rows = max(FEWEST_ROWS, rows // 2)
    note = " ".join(_left_out(shown, untold, len(shown) - rows))
    return structs.replace(table, rows=table.rows[:rows], notes=(note,) if note else ())


def _left_out(shown: Sequence[ShownSeries], changes: int, rows: int) -> Iterator[str]:
    """Of changes and of rows, and what nobody needs to be told again."""
    more = [how_many(changes, "more change")] if changes > 0 else []
    more += [of_series(rows, shown, "more ")] if rows > 0 else []
    if more:
        yield f"{' and '.join(more)}: --full."
    answered = sum(len(each.trended.told) - len(each.open) for each in shown)
    if answered:
        yield f"{how_many(answered, 'acknowledged change')} not repeated."


def _warnings(trended: Trended, shown: Sequence[ShownSeries]) -> Iterator[str]:
    undated = sum(not run.is_dated for run in shown_runs(shown).values())
    if undated:
        yield f"! {how_many(undated, 'run')} of a wrong clock, dated by when added."
    failing = [each for each in shown if each.series.failed_at]
    if failing:
        since = trend_words.day(min(each.series.failed_at[0] for each in failing))
        yield f"! {of_series(len(failing), failing)} failed in every run since {since}: {failing[0].name}."
    if trended.damaged:
        yield f"! {how_many(len(trended.damaged), 'damaged run')} left out."
    if trended.ended:
        last = trend_words.day(max(trended.ended))
        hidden = how_many(len(trended.ended), "series", "series")
        yield f"{hidden} had no run since {trended.since}; the last was on {last}."
