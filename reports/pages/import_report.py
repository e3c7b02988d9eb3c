"""What became of files of other tools that were imported into an archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.archive.importing import Imported
from bench.archive.names import short_id
from bench.schema.plurals import how_many
from reports.document import Answer, Document
from reports.pages.archive_report import MOST_NAMES, TITLE, trend_step


def document(archive: Path, found: Sequence[Imported]) -> Document:
    """A sentence for each of the first files, and a row for each."""
    headlines = [_told(each) for each in found]
    more = len(headlines) - MOST_NAMES
    return Document(
        title=TITLE,
        answer=Answer(
            about=f"{archive} · {how_many(len(found), 'file')} of other tools",
            headlines=(
                *headlines[:MOST_NAMES],
                *((f"And {how_many(more, 'more file')}.",) if more > 0 else ()),
            ),
            next_step=trend_step(archive),
        ),
        tables=(),
        rows=tuple(
            {
                "digest": each.added.entry.digest,
                "label": each.added.entry.label,
                "source": each.added.entry.source,
                "origin": each.added.entry.origin,
                "started_at": each.added.entry.facts.started_at,
                "kinds": each.kind,
                "benchmarks": each.added.entry.facts.records,
                "failed": sum(case.failed for case in each.added.entry.facts.cases),
                "is_new": int(each.added.is_new),
            }
            for each in found
        ),
    )


def _told(each: Imported) -> str:
    entry = each.added.entry
    label = f", label {entry.label}" if entry.label else ""
    at = entry.facts.started_at[:16].replace("T", " ")
    if not each.added.is_new:
        known = f"as of {at} on {each.kind}{label}, from {entry.source}"
        return f"{short_id(entry.digest)} is there already, {known}. Nothing was changed."
    failed = sum(case.failed for case in entry.facts.cases)
    without = f", {failed:,} of them failed" if failed else ""
    counted = f"{how_many(entry.facts.records, 'benchmark')} of {entry.origin}{without}"
    dated = " (when the file was last written; --at gives another date)" if each.is_modification_time else ""
    return f"{entry.source} is {short_id(entry.digest)}: {counted}, on {each.kind}, {at}{dated}{label}."
