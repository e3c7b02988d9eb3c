"""`convbench trend`: what changed over the runs of an archive, as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.schema.plurals import how_many
from reports.document import Document
from reports.over_time.shown_series import ShownSeries, shown_of
from reports.over_time.told_groups import groups
from reports.over_time.trend_answer import answer
from reports.over_time.trend_charts import charts
from reports.over_time.trend_headlines import title
from reports.over_time.trend_parts import tables
from reports.over_time.trend_rows import lists, rows
from reports.over_time.trended import Trended


def document(trended: Trended, part: str | None = None, *, with_rows: bool = True) -> Document:
    """The first screen, tables by question, a chart for each series, and a flat row for each of its runs.
    The part with this name is there even if it has no row. Without rows it is for people alone."""
    shown = shown_of(trended)
    told = groups(shown)
    return Document(
        title=title(shown),
        answer=answer(trended, shown, told),
        text=tuple(_method(trended, shown)),
        tables=tuple(tables(trended, shown, part)),
        rows=tuple(rows(shown)) if with_rows else (),
        charts=charts(shown),
        lists=lists(shown),
    )


def _method(trended: Trended, shown: Sequence[ShownSeries]) -> Iterator[str]:
    yield (
        "A series is one case on one kind of GPU or CPU with one network; a run is one point of it: the "
        "geometric mean of its processes' medians. A run's interval is that of its processes; a change's is "
        "that of the runs on both sides. All intervals are 95%."
    )
    spreads = sorted(each.changes.spread for each in shown if each.changes.spread is not None)
    if spreads:
        middle = 100 * spreads[len(spreads) // 2]
        yield f"Runs of one series scatter by {middle:.1f}% (standard deviation, the middle series)."
    if trended.left_out:
        more = how_many(trended.left_out, "further series", "further series")
        yield f"{more} not asked for; the spread between runs is that of all."
