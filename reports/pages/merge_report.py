"""What `convbench merge` united, on one screen: which runs, how many records, which shards are missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from bench.fleet.merging import MergeResult
from bench.schema.merged import Source
from bench.schema.plurals import how_many
from reports.document import Answer, Document, NextStep, Table

TITLE = "Merged runs"
MOST_ROWS = 10
MOST_SHARDS = 8


def document(result: MergeResult, out: Path) -> Document:
    """One row per source; for programs too."""
    merged = result.merged
    about = f"{how_many(merged.records, 'record')} of {how_many(len(merged.sources), 'run')} in {out}"
    return Document(
        title=TITLE,
        tables=(),
        answer=Answer(
            about=about,
            alarms=tuple(f"{note}." for note in result.notes),
            headlines=tuple(_headlines(result)),
            table=_table(merged.sources),
            next_step=NextStep(command=shlex.join(["convbench", "report", str(out)])),
        ),
        rows=tuple(
            {
                "folder": source.folder,
                "records": source.records,
                "damaged": source.damaged,
                "shard": None if source.shard is None else str(source.shard),
            }
            for source in merged.sources
        ),
    )


def _headlines(result: MergeResult) -> Iterator[str]:
    yield f"{how_many(result.added, 'record')} added; each record is kept once, with its line unchanged."
    if result.doubled:
        yield f"{how_many(result.doubled, 'record')} stood in several runs."
    if result.damaged:
        runs = sum(source.damaged > 0 for source in result.merged.sources)
        yield f"{how_many(result.damaged, 'damaged line')} of {how_many(runs, 'run')} left out."
    if result.missing:
        named = ", ".join(map(str, result.missing[:MOST_SHARDS]))
        more = len(result.missing) - MOST_SHARDS
        rest = f" and {more} more" if more > 0 else ""
        yield f"Missing: {how_many(len(result.missing), 'shard')}, {named}{rest}."


def _table(sources: list[Source]) -> Table:
    more = len(sources) - MOST_ROWS
    rows = tuple(
        (source.folder, source.records, "" if source.shard is None else str(source.shard))
        for source in sources[:MOST_ROWS]
    )
    notes = (f"And {how_many(more, 'run')} more.",) if more > 0 else ()
    return Table(title="Runs", columns=("run", "records", "shard"), rows=rows, notes=notes)
