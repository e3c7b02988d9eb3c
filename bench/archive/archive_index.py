"""The SQLite index of an archive: what is asked of many entries, without opening each.

It holds nothing that the entries do not. Whoever opens it compares it with their folder first, so an entry
that was added by a process that was killed right after is found; one that is damaged is made anew. Where it
cannot be written, it is made in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from bench.archive import archive_folder, entries, index_tables, superseded
from models.errors import UserError

Answer = TypeVar("Answer")

INDEX = "index.sqlite"
_WAIT_SECONDS = 60.0


class Row(Struct, frozen=True):
    """An entry as it is listed.

    at             when it was measured, ISO 8601 in UTC; when it was added where the clock of its host was
                   wrong, and `is_dated` is False. `started_at` is by that clock
    machines       hosts or nodes, in order; `kinds`: GPUs and processors that cases ran on
    bytes          of its files; `packed`: that they take in the archive
    tool           the tool whose file was imported; "" of a run of ours
    superseded_by  the digest of a run that holds all of its records; "" of a row that counts
    """

    digest: str
    label: str
    at: str
    is_dated: bool
    started_at: str
    added_at: str
    source: str
    machines: tuple[str, ...]
    kinds: tuple[str, ...]
    cases: int
    processes: int
    failed: int
    records: int
    bytes: int
    packed: int
    tool: str = ""
    superseded_by: str = ""


_COLUMNS = ", ".join(Row.__struct_fields__[:-1])


class Listed(Struct, frozen=True):
    """Entries, the oldest run first.

    superseded  those whose records all are in one of `rows`: the same run, added before it was resumed
    damaged     what is wrong with those that cannot be listed
    """

    rows: tuple[Row, ...]
    superseded: tuple[Row, ...] = ()
    damaged: tuple[str, ...] = ()


def rebuild(archive: Path) -> Listed:
    """The same as `listed`, of an index that is made anew."""
    (archive / INDEX).unlink(missing_ok=True)
    return listed(archive)


def listed(archive: Path, *, label: str | None = None, model: str | None = None) -> Listed:
    """The entries with this label, and with a case of this model. Raises UserError without an archive."""
    archive_folder.require(archive)
    rows, damaged = answered(archive, lambda index: list(_rows(index, label, model)))
    return Listed(
        rows=tuple(row for row in rows if not row.superseded_by),
        superseded=tuple(row for row in rows if row.superseded_by),
        damaged=tuple(damaged),
    )


def _rows(index: sqlite3.Connection, label: str | None, model: str | None) -> Iterator[Row]:
    found = index.execute(
        f"SELECT {_COLUMNS}, {superseded.BY} FROM entries WHERE (?1 IS NULL OR label = ?1) "
        "AND (?2 IS NULL OR digest IN (SELECT digest FROM cases WHERE model = ?2)) "
        "ORDER BY at, digest",
        (label, model),
    )
    for digest, name, at, is_dated, started, added, source, machines, kinds, *rest in found:
        known = digest, name, at, bool(is_dated), started, added, source
        yield Row(*known, _split(machines), _split(kinds), *rest)


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split("\n")))


def answered(archive: Path, question: Callable[[sqlite3.Connection], Answer]) -> tuple[Answer, list[str]]:
    """What the index says, as the folder is now, and which entries cannot be read.

    It is asked again in memory where that of the disk fails: on a disk that is full, or that one may only
    read, and where somebody deletes it meanwhile.
    """
    with archive_folder.shared(archive):
        try:
            with closing(_connected(archive / INDEX)) as index:
                return _answered(archive, index, question)
        except sqlite3.Error:
            with closing(_in_memory()) as index:
                return _answered(archive, index, question)


def _answered(
    archive: Path, index: sqlite3.Connection, question: Callable[[sqlite3.Connection], Answer]
) -> tuple[Answer, list[str]]:
    damaged = _refresh(index, archive)
    return question(index), damaged


def _in_memory() -> sqlite3.Connection:
    index = sqlite3.connect(":memory:")
    index_tables.create(index)
    return index


def _connected(file: Path) -> sqlite3.Connection:
    """Of a file that is made where it is missing, and made anew where it is damaged. Raises sqlite3.Error."""
    for _ in range(2):
        index = sqlite3.connect(file, timeout=_WAIT_SECONDS)
        try:
            _prepare(index)
        except sqlite3.OperationalError:  # locked for long, or not to be written
            index.close()
            raise
        except sqlite3.DatabaseError:
            index.close()
            _remove(file)
        else:
            return index
    raise sqlite3.OperationalError(f"{file} is damaged again")


def _remove(file: Path) -> None:
    for each in (file, file.with_name(f"{file.name}-journal")):
        with suppress(OSError):
            each.unlink()


def _prepare(index: sqlite3.Connection) -> None:
    """Make the tables where there are none. Raises sqlite3.DatabaseError for a damaged index, or one of
    another version."""
    if index.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("damaged")
    (version,) = index.execute("PRAGMA user_version").fetchone()
    if version == 0:
        with index:
            index.execute("BEGIN IMMEDIATE")
            if index.execute("PRAGMA user_version").fetchone() == (0,):
                index_tables.create(index)
    elif version != index_tables.VERSION or not index_tables.is_whole(index):
        raise sqlite3.DatabaseError("of another version, or without a table")


def _refresh(index: sqlite3.Connection, archive: Path) -> list[str]:
    """Take in the entries that it lacks, and forget those that are gone or were added again; what is wrong
    with those that cannot be read."""
    there = archive_folder.changed_at(archive).items()
    known = dict(index.execute("SELECT digest, changed FROM entries")).items()
    damaged: list[str] = []
    if there == known:
        return damaged
    with index:
        index_tables.forget(index, [each for each, _ in known - there])
        new = []
        for digest, changed in sorted(there - known):
            try:
                entry = entries.read(archive, digest)
                packed = archive_folder.bytes_of(archive_folder.entry_folder(archive, digest))
            except UserError as error:
                damaged.append(str(error))
                continue
            index_tables.insert(index, entry, packed, changed)
            new.append(digest)
        superseded.relate(index, archive, new)
    return damaged
