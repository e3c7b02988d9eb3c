"""What the records of a packed run say: its digest, and what is asked of it without unpacking it."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from bench.archive import imported_facts
from bench.archive.counted_processes import CountedProcesses, are_sides, counted_files
from bench.archive.packed_files import DamagedError, unpacked
from bench.record_lines import NoRecordError, decoded, is_torn
from bench.schema import plain_text
from bench.schema.archive_entry import KeptFile, RecordFacts
from bench.schema.record import Environment, Record
from bench.schema.shared_parts import SharingReader
from bench.store import RECORDS

MOST_LINE_BYTES = 32 << 20
"""A record of all layers of a network takes less than a megabyte."""


def canonical(line: bytes) -> bytes:
    """A record as every writer of JSON would have it: keys sorted, no blanks. Raises msgspec.DecodeError."""
    return msgspec.json.encode(msgspec.json.decode(line), order="sorted") + b"\n"


def facts_of(contents: Path, files: Sequence[KeptFile], source: Path) -> RecordFacts:
    """Of a packed run; `source` is the folder that errors name.

    All files are read and checked. A line that is no record is left out and counted where other files have
    records too, as reports do. Raises DamagedError for what is not as `files` says, UserError for such a line
    of a single file, and for one of a newer convbench, and OSError.
    """
    if imported_facts.is_import(files):
        return imported_facts.facts_of(contents, files, source)
    seen = _Seen(counted_files(files), CountedProcesses(with_times=not are_sides(files)))
    several = sum(PurePosixPath(file.path).name == RECORDS for file in files) > 1
    for file, lines in record_lines(contents, files):
        digest = hashlib.sha256()
        for number, line in lines:
            try:
                record, whole = decoded(line, number, source / file.path, seen.decode), canonical(line)
                seen.take(record, file.path, whole)
                digest.update(whole)
            except NoRecordError:
                if not several:
                    raise
                seen.damaged += 1
                digest.update(line)
        seen.digests.append((file.path, digest.hexdigest()))
    return seen.facts()


def record_lines(
    contents: Path, files: Sequence[KeptFile]
) -> Iterator[tuple[KeptFile, Iterator[tuple[int, bytes]]]]:
    """Of each file of records the lines with their numbers, without empty ones and an unfinished last one.

    Every file is read to its end and checked. Raises DamagedError and OSError.
    """
    for file, blocks in unpacked(contents, files):
        if PurePosixPath(file.path).name == RECORDS:
            yield file, _complete(_lines(blocks, file.path))
        for _ in blocks:
            pass


def _complete(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for number, line in lines:
        if not line.endswith(b"\n") and is_torn(line):
            return
        if line.strip():
            yield number, line


def _lines(blocks: Iterator[bytes], path: str) -> Iterator[tuple[int, bytes]]:
    """Each with its number, from 1; all blocks are taken."""
    number, begun = 0, b""
    for block in blocks:
        *whole, begun = (begun + block).split(b"\n")
        for line in whole:
            number += 1
            yield number, (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line) + b"\n"
        if len(begun) > MOST_LINE_BYTES:
            raise DamagedError(f"has a line in {path} that is longer than any record")
    if begun:
        yield number + 1, begun


class _Seen:
    """What is gathered from records, one at a time.

    digests  of each file of canonical records, by its path
    damaged  lines that are no records
    """

    def __init__(self, counted: Collection[str], processes: CountedProcesses) -> None:
        """Of no records yet; those of the `counted` files say what was measured of cases."""
        self.decode = SharingReader().decode
        self.digests: list[tuple[str, str]] = []
        self.damaged = 0
        self._counted, self._processes = counted, processes
        self._records, self._first = 0, ""
        self._began, self._ended = "", ""
        self._commands: dict[str, None] = {}
        self._environments: dict[bytes, Environment] = {}
        self._known: set[int] = set()

    def take(self, record: Record, file: str, line: bytes) -> None:
        """A record of a file, and its canonical line."""
        self._first = self._first or hashlib.sha256(line).hexdigest()
        self._records += 1
        self._began = min(self._began or record.started_at, record.started_at)
        self._ended = max(self._ended, record.finished_at or record.started_at)
        if record.command:
            self._commands[record.command] = None
        if record.environment is not None:
            self._keep(record.environment)
        if file in self._counted:
            self._processes.take(record, file)

    def _keep(self, environment: Environment) -> None:
        """A reader gives equal ones as one object, which is encoded once."""
        if id(environment) not in self._known:
            self._known.add(id(environment))
            self._environments.setdefault(plain_text.encode(environment), environment)

    def facts(self) -> RecordFacts:
        """Of all that was taken. DamagedError where there was none."""
        if not self._records:
            raise DamagedError("has no complete record. Continue the run with --resume, then add it")
        return RecordFacts(
            digest=_united(self.digests),
            first=self._first,
            records=self._records,
            started_at=self._began,
            finished_at=self._ended,
            commands=tuple(self._commands),
            environments=tuple(self._environments.values()),
            cases=tuple(self._processes.cases()),
            damaged=self.damaged,
            read_back=self._processes.read_back(),
        )


def _united(digests: Sequence[tuple[str, str]]) -> str:
    """Of a run folder its records' own, so that it is the same wherever the folder lies; of several one of
    theirs and of where they lie."""
    if [path for path, _ in digests] == [RECORDS]:
        return digests[0][1]
    return hashlib.sha256("".join(f"{digest} {path}\n" for path, digest in digests).encode()).hexdigest()
