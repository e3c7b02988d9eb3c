"""Which run of an archive holds all records of another: it was added unfinished, resumed, and added again.

It follows from the records of both, so that it does not matter who added which first. A run merged from
others supersedes them, too: their processes count once.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from bench.archive import archive_folder, entries
from bench.archive.archive_folder import CONTENTS
from bench.archive.counted_processes import are_sides
from bench.archive.packed_files import DamagedError
from bench.archive.record_facts import canonical, record_lines
from bench.record_lines import UNREADABLE
from bench.schema import plain_text
from bench.schema.archive_entry import Entry
from bench.store import RECORDS
from models.errors import UserError

TABLES = """
CREATE TABLE superseded (
    digest TEXT, larger TEXT, PRIMARY KEY (digest, larger)
) WITHOUT ROWID;
CREATE INDEX larger_ones ON superseded (larger);
CREATE INDEX in_time ON entries (started_at);
"""
BY = """IFNULL((
    SELECT other.digest FROM superseded JOIN entries AS other ON other.digest = superseded.larger
    WHERE superseded.digest = entries.digest AND (?1 IS NULL OR other.label = ?1)
    ORDER BY other.records DESC, other.digest DESC LIMIT 1
), '')"""
"""Of a row of `entries` the run that supersedes it and that none supersedes, among all runs or those with the
label of parameter 1; '' of a row that counts."""
COUNTS = """digest NOT IN (
    SELECT superseded.digest FROM superseded JOIN entries AS other ON other.digest = superseded.larger
    WHERE ?1 IS NULL OR other.label = ?1
)"""
"""Of rows with a digest: those that none supersedes, likewise."""
_DIGEST_BYTES = 16


def forget(index: sqlite3.Connection, gone: Sequence[tuple[str]]) -> None:
    """Entries that are gone, each its digest."""
    for column in ("digest", "larger"):
        index.executemany(f"DELETE FROM superseded WHERE {column} = ?", gone)


def relate(index: sqlite3.Connection, archive: Path, new: Collection[str]) -> None:
    """Find which entries the new ones supersede, and which supersede them. Only those are read whose times
    and machines allow for it."""
    index.execute("CREATE TEMP TABLE fresh (digest TEXT PRIMARY KEY)")
    index.executemany("INSERT INTO fresh VALUES (?)", ((each,) for each in new))
    possible: dict[str, list[str]] = {}
    for larger, smaller in index.execute(_POSSIBLE):
        possible.setdefault(larger, []).append(smaller)
    for larger, smaller_ones in possible.items():
        found = ((each, larger) for each in _held(archive, larger, smaller_ones))
        index.executemany("INSERT OR IGNORE INTO superseded VALUES (?, ?)", found)
    index.execute("DROP TABLE fresh")


_POSSIBLE = """
SELECT larger.digest, smaller.digest FROM entries AS larger JOIN entries AS smaller
ON smaller.started_at BETWEEN larger.started_at AND larger.finished_at
WHERE smaller.finished_at <= larger.finished_at AND smaller.records <= larger.records
AND smaller.digest <> larger.digest AND smaller.tool = '' AND larger.tool = ''
AND (instr(smaller.machines, char(10)) > 0 OR instr(larger.machines, smaller.machines) > 0)
AND (larger.digest IN fresh OR smaller.digest IN fresh)
"""
"""`machines` has a line for each: the only one of the smaller run is one of the larger run."""


def _held(archive: Path, larger: str, smaller: Sequence[str]) -> Iterator[str]:
    """Of the smaller entries those whose records the larger one has all. Of two with the same
    records the one with more lines is larger, then the one whose digest is. Damaged ones are left out."""
    whole = _read(archive, larger)
    if whole is None or are_sides(whole.files):  # a side that was added for itself is a run
        return
    possible = [each for one in smaller if (each := _read(archive, one)) and _may_hold(whole, each)]
    records = _records(archive, whole) if possible else frozenset()
    for each in possible:
        own = _records(archive, each)
        if own and (own < records or (own == records and _size(each) < _size(whole))):
            yield each.digest


def _read(archive: Path, digest: str) -> Entry | None:
    """None of one that was damaged since it was listed."""
    try:
        return entries.read(archive, digest)
    except UserError:
        return None


def _size(entry: Entry) -> tuple[int, str]:
    return entry.facts.records, entry.digest


def _may_hold(larger: Entry, smaller: Entry) -> bool:
    """By what both say of their records, which need not be read where this is False."""
    mine, its = larger.facts, smaller.facts
    if not any(PurePosixPath(file.path).name == RECORDS for file in smaller.files):
        return False
    environments = {plain_text.encode(each) for each in mine.environments}
    return set(its.commands) <= set(mine.commands) and all(
        plain_text.encode(each) in environments for each in its.environments
    )


def _records(archive: Path, entry: Entry) -> frozenset[bytes]:
    """A digest of each record; none of a damaged run."""
    contents = archive_folder.entry_folder(archive, entry.digest) / CONTENTS
    try:
        return frozenset(
            hashlib.sha256(_canonical(line)).digest()[:_DIGEST_BYTES]
            for _, lines in record_lines(contents, entry.files)
            for _, line in lines
        )
    except (DamagedError, OSError):
        return frozenset()


def _canonical(line: bytes) -> bytes:
    """Whoever wrote it; of what is no record its bytes."""
    try:
        return canonical(line)
    except UNREADABLE:
        return line.strip()
