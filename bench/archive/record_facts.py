"""What the records of a packed run say: its digest, and what is asked of it without unpacking it."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from bench import devices
from bench.archive.packed_files import DamagedError, unpacked
from bench.record_lines import decoded, is_torn
from bench.schema import plain_text
from bench.schema.archive_entry import CaseFacts, KeptFile, RecordFacts
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import FAILED, Environment, Record
from bench.schema.shared_parts import SharingReader
from bench.stats.whole_times import whole_seconds
from bench.store import RECORDS

MOST_LINE_BYTES = 32 << 20
"""A record of all layers of a network takes less than a megabyte."""


def canonical(line: bytes) -> bytes:
    """A record as every writer of JSON would have it: keys sorted, no blanks. Raises msgspec.DecodeError."""
    return msgspec.json.encode(msgspec.json.decode(line), order="sorted") + b"\n"


def facts_of(contents: Path, files: Sequence[KeptFile], source: Path) -> RecordFacts:
    """Of a packed run; `source` is the folder that errors name.

    All files are read and checked. Raises DamagedError for what is not as `files` says, UserError for a line
    that is no record, and OSError.
    """
    seen = _Seen()
    for file, blocks in unpacked(contents, files):
        if PurePosixPath(file.path).name != RECORDS:
            for _ in blocks:
                pass
            continue
        digest = hashlib.sha256()
        for number, line in _lines(blocks, file.path):
            if not line.endswith(b"\n") and is_torn(line):
                break
            if line.strip():
                seen.take(decoded(line, number, source / file.path, seen.decode))
                digest.update(canonical(line))
        seen.digests.append((file.path, digest.hexdigest()))
    return seen.facts()


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
    """

    def __init__(self) -> None:
        """Of no records yet."""
        self.decode = SharingReader().decode
        self.digests: list[tuple[str, str]] = []
        self._records = 0
        self._began, self._ended = "", ""
        self._commands: dict[str, None] = {}
        self._environments: dict[bytes, Environment] = {}
        self._known: set[int] = set()
        self._cases: dict[tuple[str, str, str, str], _OfCase] = {}

    def take(self, record: Record) -> None:
        self._records += 1
        self._began = min(self._began or record.started_at, record.started_at)
        self._ended = max(self._ended, record.finished_at or record.started_at)
        if record.command:
            self._commands[record.command] = None
        on_gpu = devices.traits(record.case.device).uses_gpu
        kind = ""
        if record.environment is not None:
            self._keep(record.environment)
            gpu = record.environment.gpu
            kind = gpu.name if on_gpu and gpu else record.environment.cpu
        key = (record.case.id, record.case.model, kind, _fingerprint(record.fingerprint))
        of_case = self._cases.setdefault(key, _OfCase())
        of_case.processes += record.status == "ok"
        of_case.failed += record.status in FAILED
        seconds = whole_seconds(record, on_gpu=on_gpu)
        if seconds is not None:
            of_case.seconds.append(seconds)

    def _keep(self, environment: Environment) -> None:
        """A reader gives equal ones as one object, which is encoded once."""
        if id(environment) not in self._known:
            self._known.add(id(environment))
            self._environments.setdefault(plain_text.encode(environment), environment)

    def facts(self) -> RecordFacts:
        """Of all that was taken. DamagedError where there was none."""
        if not self._records:
            raise DamagedError("has no complete record")
        return RecordFacts(
            digest=_united(self.digests),
            records=self._records,
            started_at=self._began,
            finished_at=self._ended,
            commands=tuple(self._commands),
            environments=tuple(self._environments.values()),
            cases=tuple(
                CaseFacts(
                    case=case,
                    model=model,
                    kind=kind,
                    fingerprint=fingerprint,
                    processes=found.processes,
                    failed=found.failed,
                    seconds=tuple(found.seconds),
                )
                for (case, model, kind, fingerprint), found in self._cases.items()
            ),
        )


class _OfCase:
    """What is counted of a case."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.processes, self.failed = 0, 0
        self.seconds: list[float] = []


def _fingerprint(network: NetworkFingerprint | None) -> str:
    return f"{network.structure}-{network.weights}" if network else ""


def _united(digests: Sequence[tuple[str, str]]) -> str:
    """Of a run folder its records' own, so that it is the same wherever the folder lies; of several one of
    theirs and of where they lie."""
    if [path for path, _ in digests] == [RECORDS]:
        return digests[0][1]
    return hashlib.sha256("".join(f"{digest} {path}\n" for path, digest in digests).encode()).hexdigest()
