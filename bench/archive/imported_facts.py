"""What a packed file of another tool says. It never counts as one of our runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import structs

from bench.archive import importers
from bench.archive.foreign_file import MOST_BYTES, ForeignFile
from bench.archive.packed_files import DamagedError, unpacked
from bench.archive.run_dates import in_utc
from bench.record_lines import UNREADABLE
from bench.schema.archive_entry import CaseFacts, KeptFile, RecordFacts
from bench.schema.import_note import IMPORT_SCHEMA, ImportNote

NOTE, FILE = "import.json", "results"
"""The two files of such an entry: what was said of the file, and its bytes."""
UNKNOWN = "unknown"
"""The machine, where neither the file nor the user names one."""


def is_import(files: Sequence[KeptFile]) -> bool:
    """Whether these are the files of an import."""
    return [each.path for each in files] == [NOTE, FILE]


def facts_of(contents: Path, files: Sequence[KeptFile], source: Path) -> RecordFacts:
    """Of a packed import; `source` is the file that errors name. Its digest is the SHA-256 of the file.

    Raises DamagedError for what is not as `files` says, UserError for what is no file of its tool, OSError.
    """
    if sum(each.size for each in files) > 2 * MOST_BYTES:
        raise DamagedError("is larger than any import")
    note, content = (b"".join(blocks) for _, blocks in unpacked(contents, files))
    said = _decoded(note)
    found = importers.importer_of(content, source, said.tool).read(content, source)
    at = utc(said.at or found.at)
    if at is None:
        raise DamagedError("has no date")
    environment = found.environment
    if environment is not None and said.machine:
        environment = structs.replace(environment, cpu=said.machine)
    return RecordFacts(
        digest=files[1].sha256,
        first="",
        records=len(found.benchmarks),
        started_at=at,
        finished_at=at,
        commands=(),
        environments=(environment,) if environment else (),
        cases=tuple(_cases(found, said)),
    )


def _decoded(note: bytes) -> ImportNote:
    try:
        said = msgspec.json.decode(note, type=ImportNote)
    except UNREADABLE as error:
        raise DamagedError(f"has a damaged {NOTE}: {error}") from error
    if said.schema > IMPORT_SCHEMA:
        raise DamagedError(f"has a {NOTE} of a newer convbench")
    return said


def _cases(found: ForeignFile, said: ImportNote) -> Iterator[CaseFacts]:
    """One process each, since the tool is one, with one value."""
    for each in found.benchmarks:
        yield CaseFacts(
            case=f"{each.name} [{said.variant}]" if said.variant else each.name,
            model=each.model,
            kind=said.machine or found.machine or UNKNOWN,
            fingerprint="",
            processes=0 if each.failed else 1,
            failed=1 if each.failed else 0,
            seconds=() if each.seconds is None else (each.seconds,),
            origin=said.tool,
        )


def utc(text: str) -> str | None:
    """A time of ISO 8601 as one in UTC, to the second; one without a zone is in UTC. None of what is none."""
    found = in_utc(text)
    return None if found is None else found.isoformat(timespec="seconds")
