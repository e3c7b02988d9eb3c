"""Record files -> records, one at a time: a report from 100,000 of them must not hold their samples.

Reading never changes a file. A torn last line (the run was killed while writing it) is left out with a
warning; any other damage is named by file and line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from bench.case import Case
from bench.errors import UserError
from bench.record import SCHEMA, Environment, Measurement, Status
from bench.store import RECORDS

Warn = Callable[[str], None]


class RecordLine(Struct, frozen=True, kw_only=True, gc=False):
    """What a report needs of `bench.record.Record`; the environment is JSON for `decode_environment`."""

    schema: Annotated[int, Meta(ge=1, le=SCHEMA)]
    case: Case
    status: Status
    reason: str | None = None
    measurements: list[Measurement] = []
    environment: Raw = Raw(b"null")
    effective: dict[str, str] = {}
    warnings: list[str] = []


class _Header(Struct):
    """Enough to tell a newer record from a foreign line."""

    schema: int
    case: Raw


_decode = msgspec.json.Decoder(RecordLine).decode
_decode_header = msgspec.json.Decoder(_Header).decode


@lru_cache(maxsize=1024)
def decode_environment(encoded: bytes) -> Environment | None:
    """A record's environment; most records repeat one, which is decoded once."""
    return msgspec.json.decode(encoded, type=Environment | None)


def read_records(directories: Sequence[Path], warn: Warn) -> Iterator[tuple[int, RecordLine]]:
    """Every record of every run, as (index of its directory, record), in the order they were written.

    A directory that is named twice is read once. Raises UserError for what is missing, unreadable,
    empty, foreign, newer or corrupt.
    """
    for index, directory in enumerate({path.resolve(): path for path in directories}.values()):
        try:
            for record in _read_file(_records_file(directory), warn):
                yield index, record
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise UserError(f"the records in {str(directory)!r} cannot be read: {reason}") from error


def _records_file(directory: Path) -> Path:
    if not directory.exists():
        raise UserError(f"there is no directory {str(directory)!r}")
    if not directory.is_dir():
        raise UserError(f"{str(directory)!r} is a file; give the directory that holds {RECORDS}")
    file = directory / RECORDS
    if not file.exists():
        raise UserError(f"{str(directory)!r} holds no {RECORDS}: no run was written there")
    return file


def _read_file(file: Path, warn: Warn) -> Iterator[RecordLine]:
    found = False
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            record = _parse(line, f"{file} line {number}", warn)
            if record is not None:
                found = True
                yield record
    if not found:
        raise UserError(f"{file} holds no complete record")


def _parse(line: bytes, place: str, warn: Warn) -> RecordLine | None:
    """The line's record; None, with a warning, for a last line that was not written to its end."""
    try:
        record = _decode(line)
        decode_environment(bytes(record.environment))
        return record
    except msgspec.ValidationError as error:
        raise UserError(f"{place} {_why_invalid(line, str(error))}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if line.endswith(b"\n"):
            raise UserError(f"{place} is corrupt: {error}") from error
        warn(f"{place} is torn, as when a run is killed while it writes, and was left out")
        return None


def _why_invalid(line: bytes, error: str) -> str:
    try:
        header = _decode_header(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"is not a convbench record: {error}"
    if header.schema > SCHEMA:
        return f"was written by a newer convbench: schema {header.schema}, this one reads up to {SCHEMA}"
    return f"is not a valid record of schema {header.schema}: {error}"
