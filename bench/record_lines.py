"""The lines of a file of records, one at a time; what is wrong with one is named by its place."""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.schema.migrations import NewerSchemaError, decode_record
from bench.schema.record import Record
from models.errors import UserError

T = TypeVar("T")


class NoRecordError(UserError):
    """A line is no record."""


_LINE_BEGINS = b'{"schema":'
"""Every line begins so; an unfinished one that does not is no record of ours, and stays untouched."""

_BLOCK_BYTES = 1 << 20

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `msgspec.json.decode` raises for bytes that are not as their type says; the last where they are nested
too deeply."""


def read_records(
    path: Path,
    *,
    torn: Callable[[str], None] | None = None,
    damaged: Callable[[str], None] | None = None,
    decode: Callable[[bytes], Record] = decode_record,
    begin: int = 0,
    end: int | None = None,
) -> Iterator[Record]:
    """The records of a file, as `each_decoded` reads them."""
    return each_decoded(path, decode, torn=torn, damaged=damaged, begin=begin, end=end)


def each_decoded(
    path: Path,
    decode: Callable[[bytes], T],
    *,
    torn: Callable[[str], None] | None = None,
    damaged: Callable[[str], None] | None = None,
    begin: int = 0,
    end: int | None = None,
) -> Iterator[T]:
    """The records of a file, one at a time; the file is only read, and may be that of a run in progress.

    An unfinished last line ends the records, and is told to `torn` in a sentence; `decode` raises as
    `bench.schema.migrations.decode_record` does. Lines before the byte `begin`, where one begins,
    and from the byte `end` on are left out. Any other line that is no record is told to `damaged` and left
    out. Raises UserError for a file that cannot be read, for records of a newer convbench, and, without
    `damaged`, NoRecordError, which names the line.
    """
    with refusals(path):
        for number, line in lines(path, begin, end):
            if not line.endswith(b"\n") and is_torn(line):
                if torn is not None:
                    before = lines_before(path, begin)
                    torn(f"line {before + number} of {path} was never finished and is left out")
                return
            if not line.strip():
                continue
            try:
                record = decoded(line, number, path, decode, begin)
            except NoRecordError as error:
                if damaged is None:
                    raise
                damaged(str(error))
                continue
            yield record


def without_lines(damaged: Sequence[str]) -> str:
    """What is said of lines that are no records, of each of which there is a sentence: the first of them."""
    more = f", and so {'is' if len(damaged) == 2 else 'are'} {len(damaged) - 1:,} more" if damaged[1:] else ""
    return f"{damaged[0].rstrip('.')}; it was left out{more}."


def lines_before(path: Path, begin: int) -> int:
    """How many lines end before a byte of a file, which is not opened for the first."""
    if not begin:
        return 0
    with path.open("rb") as file:
        sizes = [_BLOCK_BYTES] * (begin // _BLOCK_BYTES) + [begin % _BLOCK_BYTES]
        return sum(file.read(size).count(b"\n") for size in sizes)


def lines(path: Path, begin: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Each line from `begin` until `end` with its number, from 1; an editor may have put a byte order mark
    before the file's first one.

    Raises UserError for UTF-16, in which nothing could be appended.
    """
    with path.open("rb", buffering=_BLOCK_BYTES) as file:
        left = math.inf if end is None else end - begin
        file.seek(begin)
        for number, line in enumerate(file, start=1):
            if left <= 0:
                return
            left -= len(line)
            if begin or number > 1:
                yield number, line
                continue
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise UserError(f"{path} is UTF-16 text, not convbench records. Save it as UTF-8")
            yield number, line.removeprefix(codecs.BOM_UTF8)


def decoded(line: bytes, number: int, path: Path, decode: Callable[[bytes], T], begin: int = 0) -> T:
    """`number` is counted from the byte `begin` on. Raises NoRecordError, and UserError for a newer one."""
    try:
        return decode(line)
    except NewerSchemaError as error:
        why = f"was written by a newer convbench ({error}). Update convbench"
        raise UserError(f"line {lines_before(path, begin) + number} of {path} {why}") from error
    except UNREADABLE as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        where = f"line {lines_before(path, begin) + number} of {path}"
        raise NoRecordError(f"{where} is not a convbench record: {why}") from error


def is_torn(line: bytes) -> bool:
    """Whether a line without its newline is the beginning of one of ours.

    After a loss of power a file may end in zeros that were never written over.
    """
    try:
        msgspec.json.decode(line)
    except UNREADABLE:
        written = line.rstrip(b"\0")
        return written.startswith(_LINE_BEGINS) or _LINE_BEGINS.startswith(written)
    return False


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """What the file system refuses, as a sentence."""
    try:
        yield
    except OSError as error:
        name = error.filename or path
        raise UserError(f"cannot use {name}: {error.strerror or error}") from error
