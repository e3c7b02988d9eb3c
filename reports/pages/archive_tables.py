"""The tables of an archive's runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.archive.archive_index import Row
from bench.archive.names import short_id
from bench.schema.plurals import how_many
from reports.cells import Scalar
from reports.document import Table
from reports.tables.listing import and_more
from reports.tables.size_words import size_in_words

_UNDATED = "added"
_UNDATED_NOTE = f"({_UNDATED}): the clock of its host was wrong, so the run counts as of when it was added."
_COLUMNS = ("run", "began", "label", "name", "machine", "cases", "processes", "failed", "size")
_OPTIONAL = ("size", "failed", "machine", "cases")


def runs(title: str, rows: Sequence[Row], names: Mapping[str, Sequence[str]], *, of: int) -> Table:
    """A row for each, of so many."""
    left = of - len(rows)
    has_foreign = any(row.tool for row in rows)
    return Table(
        title=title,
        columns=(*_COLUMNS, *(("tool",) if has_foreign else ())),
        rows=tuple(
            (
                short_id(row.digest),
                _began(row),
                row.label,
                ", ".join(names.get(row.digest, ())),
                and_more(row.kinds or row.machines, 1),
                row.cases,
                row.processes,
                row.failed,
                size_in_words(row.packed),
                *((row.tool,) if has_foreign else ()),
            )
            for row in rows
        ),
        notes=(
            *((f"{how_many(left, 'more run')}: --full.",) if left else ()),
            *((_UNDATED_NOTE,) if any(not row.is_dated for row in rows) else ()),
        ),
        optional=_OPTIONAL,
    )


def _began(row: Row) -> str:
    at = row.at[:16].replace("T", " ")
    return at if row.is_dated else f"{at} ({_UNDATED})"


def row_of(row: Row, names: Mapping[str, Sequence[str]]) -> dict[str, Scalar]:
    """For programs."""
    return {
        "digest": row.digest,
        "label": row.label,
        "names": " ".join(names.get(row.digest, ())),
        "at": row.at,
        "is_dated": row.is_dated,
        "started_at": row.started_at,
        "added_at": row.added_at,
        "source": row.source,
        "machines": ", ".join(row.machines),
        "kinds": ", ".join(row.kinds),
        "cases": row.cases,
        "processes": row.processes,
        "failed": row.failed,
        "records": row.records,
        "bytes": row.bytes,
        "packed_bytes": row.packed,
        "origin": row.tool,
    }


def superseded(rows: Sequence[Row], names: Mapping[str, Sequence[str]]) -> Table:
    """Those that lists do not count."""
    return Table(
        title="Superseded runs",
        columns=("run", "began", "label", "name", "records", "superseded by"),
        rows=tuple(
            (
                short_id(row.digest),
                _began(row),
                row.label,
                ", ".join(names.get(row.digest, ())),
                row.records,
                short_id(row.superseded_by),
            )
            for row in reversed(rows)
        ),
        notes=("The other run holds all of its records. Lists count only that one; prune removes this one.",),
        optional=("name", "began", "label"),
    )


def names_of(pinned: Mapping[str, str]) -> dict[str, list[str]]:
    """Digest -> its names."""
    found: dict[str, list[str]] = {}
    for name, digest in pinned.items():
        found.setdefault(digest, []).append(name)
    return found
