"""What an archive holds, and what became of runs that were added, verified or pruned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.archive.archive_index import Listed, Row
from bench.archive.entries import Added
from bench.archive.names import short_id
from bench.archive.pruning import Pruned
from bench.archive.verifying import Verified
from bench.schema.plurals import how_many
from reports.document import Answer, Document, NextStep, Table
from reports.pages import archive_tables
from reports.tables.archive_command import typed
from reports.tables.listing import within
from reports.tables.size_words import size_in_words

TITLE = "Archive"
MOST_ROWS = 10
MOST_NAMES = 3


def listing(archive: Path, listed: Listed, pinned: Mapping[str, str]) -> Document:
    """The newest runs, then all; a row for each."""
    newest = listed.rows[::-1]
    names = archive_tables.names_of(pinned)
    headlines = [_span(listed.rows) if listed.rows else "No run."]
    if listed.superseded:
        superseded = how_many(len(listed.superseded), "run")
        headlines.append(f"{superseded} superseded, by the same run with more records.")
    return Document(
        title=TITLE,
        answer=Answer(
            about=_about(archive, listed.rows),
            alarms=tuple(f"{each[0].upper()}{each[1:]}." for each in listed.damaged[:MOST_NAMES]),
            headlines=tuple(headlines),
            table=archive_tables.runs("Newest runs", newest[:MOST_ROWS], names, of=len(newest))
            if newest
            else None,
            next_step=_compared(archive, newest),
        ),
        tables=(
            *((archive_tables.runs("All runs", newest, names, of=len(newest)),) if newest else ()),
            *((archive_tables.superseded(listed.superseded, names),) if listed.superseded else ()),
        ),
        rows=tuple(archive_tables.row_of(row, names) for row in newest),
    )


def _about(archive: Path, rows: Sequence[Row]) -> str:
    packed, whole = sum(row.packed for row in rows), sum(row.bytes for row in rows)
    taken = f" · {size_in_words(packed)}, unpacked {size_in_words(whole)}" if rows else ""
    return f"{archive} · {how_many(len(rows), 'run')}{taken}"


def _span(rows: Sequence[Row]) -> str:
    first, last = rows[0].at[:10], rows[-1].at[:10]
    labels = sorted({row.label for row in rows if row.label})
    told = f", label{'s'[: len(labels) > 1]} {within(labels, MOST_NAMES)}" if labels else ""
    foreign = [row.tool for row in rows if row.tool]
    imported = f", {len(foreign):,} of them imported ({', '.join(sorted(set(foreign)))})" if foreign else ""
    return f"{how_many(len(rows), 'run')} of {first}{f' to {last}' if last != first else ''}{told}{imported}."


def _compared(archive: Path, newest: Sequence[Row]) -> NextStep | None:
    """The last run of ours against the one before it with the same label."""
    if not newest:
        return None
    ours = [row for row in newest if not row.tool]
    if not ours:
        return trend_step(archive)
    last = ours[0]
    before = next((row for row in ours[1:] if row.label == last.label), None)
    if before is None:
        return NextStep(
            command=typed(archive, "report", f"@{short_id(last.digest)}"), purpose="shows its report"
        )
    command = typed(archive, "compare", f"@{short_id(before.digest)}", f"@{short_id(last.digest)}")
    return NextStep(command=command, purpose="compares the last two")


def trend_step(archive: Path) -> NextStep:
    """What can be done with files of other tools."""
    return NextStep(command=typed(archive, "trend"), purpose="shows the series of all cases")


def added(archive: Path, found: Sequence[Added], listed: Listed, label: str = "") -> Document:
    """A sentence and a row for each run that was added with a label, or was there."""
    headlines = [f"{_added(each)}{_superseding(each.entry.digest, listed)}" for each in found]
    more = len(headlines) - MOST_NAMES
    told = (*headlines[:MOST_NAMES], *((f"And {how_many(more, 'run')} more.",) if more > 0 else ()))
    first = short_id(found[0].entry.digest)
    kept = [short_id(each.entry.digest) for each in found if label and each.entry.label != label]
    return Document(
        title=TITLE,
        answer=Answer(
            about=_about(archive, listed.rows),
            headlines=told,
            next_step=NextStep(
                command=typed(archive, "archive", "label", label, *kept), purpose=f"labels it {label}"
            )
            if kept
            else NextStep(
                command=typed(archive, "archive", "pin", "NAME", first),
                purpose="makes it a baseline, @NAME",
            ),
        ),
        tables=(),
        rows=tuple(
            {
                "digest": each.entry.digest,
                "label": each.entry.label,
                "source": each.entry.source,
                "records": each.entry.facts.records,
                "is_new": int(each.is_new),
            }
            for each in found
        ),
    )


def _added(each: Added) -> str:
    entry = each.entry
    label = f", label {entry.label}" if entry.label else ""
    if each.is_new:
        facts = entry.facts
        damaged = f", {how_many(facts.damaged, 'damaged line')} left out" if facts.damaged else ""
        records = f"{how_many(facts.records, 'record')}{damaged}"
        return f"{entry.source} is {short_id(entry.digest)}: {records}{label}."
    return (
        f"{short_id(entry.digest)} is there already, added {entry.added_at[:10]} from {entry.source}{label}."
    )


def _superseding(digest: str, listed: Listed) -> str:
    """A further sentence about a run of which the archive has another state, or nothing."""
    for row in listed.superseded:
        if row.digest == digest:
            return f" {short_id(row.superseded_by)} holds all of its records and supersedes it."
    earlier = [short_id(row.digest) for row in listed.superseded if row.superseded_by == digest]
    return f" It supersedes {within(earlier, MOST_NAMES)}, which it holds." if earlier else ""


def verified(archive: Path, found: Verified) -> Document:
    """What is damaged; a row for each problem."""
    rows = [
        _Problem(digest, short_id(digest), problem)
        for digest, problems in found.damaged
        for problem in problems
    ]
    rows += [
        _Problem(f"@{name}", f"@{name}", "stands for a run that is not there") for name in found.dangling
    ]
    return Document(
        title=TITLE,
        answer=Answer(
            about=f"{archive} · {how_many(found.entries, 'run')} read, {size_in_words(found.bytes)}",
            headlines=tuple(_verdict(found)),
            table=_problems(rows) if rows else None,
        ),
        tables=(),
        rows=tuple({"run": each.run, "problem": each.what} for each in rows),
    )


def _verdict(found: Verified) -> Iterator[str]:
    if found.damaged:
        yield f"{len(found.damaged)} of {how_many(found.entries, 'run')} damaged."
    else:
        yield f"{'The run is' if found.entries == 1 else f'All {found.entries:,} runs are'} as added."
    if found.dangling:
        yield f"{how_many(len(found.dangling), 'name')} without a run."
    if found.left:
        words = "unfinished folders" if found.left > 1 else "unfinished folder"
        yield f"{found.left:,} {words}: of processes that were killed, or that are still adding."


class _Problem(NamedTuple):
    """Of a run, or of a name; `shown` is what a person reads of it."""

    run: str
    shown: str
    what: str


def _problems(rows: Sequence[_Problem]) -> Table:
    left = len(rows) - MOST_ROWS
    return Table(
        title="Problems",
        columns=("run", "what is wrong"),
        rows=tuple((each.shown, each.what) for each in rows[:MOST_ROWS]),
        notes=(
            *((f"{how_many(left, 'more problem')}: --json.",) if left > 0 else ()),
            "Delete the folder of a damaged run below entries/, and add the run again.",
        ),
    )


def pruned(archive: Path, found: Pruned, *, dry_run: bool) -> Document:
    """What went, or would go."""
    freed = size_in_words(sum(row.packed for row in found.removed) + found.left_behind)
    verb = "would be removed" if dry_run else "removed"
    headlines = [f"{how_many(len(found.removed), 'run')} {verb}, {found.kept:,} kept by rule; {freed}."]
    if found.pinned:
        headlines.append(f"{how_many(found.pinned, 'run')} kept only by name.")
    if found.left_behind:
        headlines.append(f"{size_in_words(found.left_behind)} of them of processes that were killed.")
    if found.damaged:
        headlines.append(f"{how_many(len(found.damaged), 'damaged run')} left as they are.")
    oldest = archive_tables.runs("Removed runs", found.removed[:MOST_ROWS], {}, of=len(found.removed))
    return Document(
        title=TITLE,
        answer=Answer(
            about=f"{archive} · {how_many(len(found.removed) + found.kept + found.pinned, 'run')} judged",
            headlines=tuple(headlines),
            table=oldest if found.removed else None,
        ),
        tables=(archive_tables.runs("All removed runs", found.removed, {}, of=len(found.removed)),)
        if found.removed
        else (),
        rows=tuple(archive_tables.row_of(row, {}) for row in found.removed),
    )
