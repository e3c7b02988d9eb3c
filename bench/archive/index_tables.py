"""The tables of the index: what they keep of an entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from bench.archive import superseded
from bench.archive.run_conditions import of_run
from bench.archive.run_dates import run_date
from bench.archive.run_point import point_of
from bench.schema.archive_entry import CaseFacts, Entry

VERSION = 8
"""Of the tables and of what they say of an entry; an index of another is made again."""
_TABLES = f"""
CREATE TABLE entries (
    digest TEXT PRIMARY KEY, label TEXT, started_at TEXT, added_at TEXT, source TEXT, machines TEXT,
    kinds TEXT, cases INTEGER, processes INTEGER, failed INTEGER, records INTEGER, bytes INTEGER,
    packed INTEGER, changed INTEGER, at TEXT, is_dated INTEGER, finished_at TEXT,
    first TEXT, tool TEXT
) WITHOUT ROWID;
CREATE TABLE conditions (digest TEXT, kind TEXT, texts TEXT, PRIMARY KEY (digest, kind)) WITHOUT ROWID;
CREATE TABLE cases (
    digest TEXT, name TEXT, model TEXT, kind TEXT, fingerprint TEXT, origin TEXT, log_seconds REAL,
    scatter REAL, timed INTEGER, units INTEGER, failed INTEGER,
    PRIMARY KEY (name, kind, fingerprint, origin, digest)
) WITHOUT ROWID;
CREATE INDEX of_entry ON cases (digest);
{superseded.TABLES}"""


def create(index: sqlite3.Connection) -> None:
    """Make the tables."""
    for statement in filter(str.strip, _TABLES.split(";")):
        index.execute(statement)
    index.execute(f"PRAGMA user_version = {VERSION}")


def is_whole(index: sqlite3.Connection) -> bool:
    """Whether it has all tables."""
    there = {name for (name,) in index.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {"entries", "conditions", "cases", "superseded"} <= there


def forget(index: sqlite3.Connection, digests: Iterable[str]) -> None:
    """Entries that are gone."""
    gone = [(each,) for each in digests]
    for table in ("entries", "conditions", "cases"):
        index.executemany(f"DELETE FROM {table} WHERE digest = ?", gone)
    superseded.forget(index, gone)


def insert(index: sqlite3.Connection, entry: Entry, packed: int, changed: int) -> None:
    """An entry; two processes may do so at once.

    packed   bytes that it takes in the archive
    changed  when its folder was made, in ns
    """
    facts = entry.facts
    date = run_date(facts.started_at, entry.added_at)
    kinds = sorted({case.kind for case in facts.cases})
    row = (
        entry.digest,
        entry.label,
        facts.started_at,
        entry.added_at,
        entry.source,
        "\n".join(sorted({each.node or each.host for each in facts.environments})),
        "\n".join(filter(None, kinds)),
        len({case.case for case in facts.cases}),
        sum(case.processes for case in facts.cases),
        sum(case.failed for case in facts.cases),
        facts.records,
        sum(each.size for each in entry.files),
        packed,
        changed,
        date.at,
        date.is_dated,
        facts.finished_at,
        facts.first,
        entry.origin,
    )
    index.execute(f"INSERT OR IGNORE INTO entries VALUES ({', '.join('?' * len(row))})", row)
    for kind in kinds:
        texts = msgspec.json.encode(of_run(facts, kind)).decode()
        index.execute("INSERT OR IGNORE INTO conditions VALUES (?, ?, ?)", (entry.digest, kind, texts))
    cases = (_of_case(entry.digest, each) for each in facts.cases)
    index.executemany("INSERT OR IGNORE INTO cases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", cases)


def _of_case(digest: str, case: CaseFacts) -> tuple[str | int | float | None, ...]:
    point = point_of(case.seconds, case.units)
    return (digest, case.case, case.model, case.kind, case.fingerprint, case.origin, *point, case.failed)
