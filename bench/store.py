"""A run's folder: an append-only file of records that survives kills, full disks and a second run.

A record is on the disk when `append` returns. A line that was being written when the process died is
repaired by `resume`; whatever else is wrong with a file is named by its line and left as it is.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from bench.schema import plain_text
from bench.schema.case import Case
from bench.schema.migrations import NewerSchemaError, decode_record
from bench.schema.record import Record, Status
from models.errors import UserError

RECORDS = "records.jsonl"
TORN = "torn.jsonl"
"""Where `resume` keeps the bytes of lines that were never finished."""
LOCK = ".lock"

_LINE_BEGINS = b'{"schema":'
"""Every line begins so; an unfinished one that does not is no record of ours, and stays untouched."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a line that is no record raises; the last where it is nested too deeply."""


class Store:
    """The records of one run, open for appending and locked against a second run, as a context manager.

    warning  what `resume` repaired, in a sentence; None when nothing was

    The lock belongs to this process and vanishes with it. Every method raises UserError where the file
    system refuses.
    """

    def __init__(self, directory: Path, records: int, opened: ExitStack) -> None:
        """For `create` and `resume`: the file to append to, and what is to be closed in the end."""
        self.directory = directory
        self.path = directory / RECORDS
        self.warning: str | None = None
        self._file, self._opened = records, opened
        self._end = os.fstat(records).st_size
        self._last = 0
        self._statuses: dict[Case, Status] = {}

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Begin a run in a folder that holds none; the folder is made if it is missing."""
        with _refusals(directory), ExitStack() as opened:
            _require_folder(directory)
            directory.mkdir(parents=True, exist_ok=True)
            _lock(directory, opened)
            refuse_used(directory)
            records = _open(directory / RECORDS, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, opened)
            _sync_folder(directory)
            return cls(directory, records, opened.pop_all())

    @classmethod
    def resume(cls, directory: Path) -> Self:
        """Continue a run. A line that was never finished is moved to torn.jsonl, and `warning` says so."""
        with _refusals(directory), ExitStack() as opened:
            _require_folder(directory)
            if not (directory / RECORDS).exists():
                raise UserError(f"{directory} holds no run to resume: {RECORDS} is missing")
            records = _open(directory / RECORDS, os.O_RDWR | os.O_APPEND, opened)
            _lock(directory, opened)
            warning = _repair(directory / RECORDS, records)
            store = cls(directory, records, opened)
            store.warning = warning
            for record in store.records():
                store._statuses[record.case] = record.status
                store._last = max(store._last, record.sequence)
            store._opened = opened.pop_all()
            return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def append(self, record: Record) -> Record:
        """Write one record through to the disk and return it with its sequence number.

        When this raises, the file holds what it held before. Raises msgspec.ValidationError for a record
        that could not be read back: JSON has no NaN.
        """
        numbered = msgspec.structs.replace(record, sequence=self._last + 1)
        data = plain_text.encode(numbered) + b"\n"
        decode_record(data)
        with _uninterrupted(), _refusals(self.directory):
            try:
                _write_through(self._file, data)
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
            self._end += len(data)
            self._last = numbered.sequence
            self._statuses[record.case] = record.status
        return numbered

    def records(self) -> Iterator[Record]:
        """All records in the order of their appending, read from the file one at a time."""
        return read_records(self.path)

    def refuse_others(self, is_ours: Callable[[Case], bool]) -> None:
        """Raise UserError where the folder holds a case that is no part of what goes on here."""
        for record in self.records():
            if not is_ours(record.case):
                other = f"{self.directory} holds {record.case.id}, which is no part of this search"
                raise UserError(f"{other}: choose another folder")

    def statuses(self) -> dict[Case, Status]:
        """How each case ended; the last record of a case counts."""
        return dict(self._statuses)


def read_records(
    path: Path,
    *,
    torn: Callable[[str], None] | None = None,
    decode: Callable[[bytes], Record] = decode_record,
) -> Iterator[Record]:
    """The records of a file, one at a time; the file is only read, and may be that of a run in progress.

    An unfinished last line ends the records, and is told to `torn` in a sentence; `decode` is
    `bench.schema.migrations.decode_record` or does the same. Raises UserError for a
    file that cannot be read, and for any other line that is no record, which it names.
    """
    with _refusals(path):
        for number, line in _lines(path):
            if not line.endswith(b"\n") and _is_torn(line):
                if torn is not None:
                    torn(f"line {number} of {path} was never finished and is left out")
                return
            if line.strip():
                yield _decode(line, number, path, decode)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line with its number, from 1; an editor may have put a byte order mark before the first one.

    Raises UserError for UTF-16, in which nothing could be appended.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise UserError(f"{path} is text in UTF-16, and not a record of convbench: save it as UTF-8")
            yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def _decode(
    line: bytes, number: int, path: Path, decode: Callable[[bytes], Record] = decode_record
) -> Record:
    try:
        return decode(line)
    except NewerSchemaError as error:
        raise UserError(f"line {number} of {path} was written by a newer convbench ({error})") from error
    except RecursionError as error:
        raise UserError(
            f"line {number} of {path} is not a record of convbench: it nests too deeply"
        ) from error
    except _UNREADABLE as error:
        raise UserError(f"line {number} of {path} is not a record of convbench: {error}") from error


def _is_torn(line: bytes) -> bool:
    """Whether a line without its newline is the beginning of one of ours.

    After a loss of power a file may end in zeros that were never written over.
    """
    try:
        msgspec.json.decode(line)
    except _UNREADABLE:
        written = line.rstrip(b"\0")
        return written.startswith(_LINE_BEGINS) or _LINE_BEGINS.startswith(written)
    return False


def _repair(path: Path, records: int) -> str | None:
    """End the file with a whole line, and say in a sentence what that took."""
    size = os.fstat(records).st_size
    if size == 0 or os.pread(records, 1, size - 1) == b"\n":
        return None
    number, line = 0, b""
    for number, line in _lines(path):  # noqa: B007 - the last one is meant
        pass
    if not line.strip():
        _write_through(records, b"\n")
        return None
    if not _is_torn(line):
        _decode(line, number, path)
        _write_through(records, b"\n")
        return f"line {number} of {path} lacked only its newline and was kept"
    with ExitStack() as opened:
        torn = _open(path.with_name(TORN), os.O_WRONLY | os.O_APPEND | os.O_CREAT, opened)
        _write_through(torn, line + b"\n")
    _sync_folder(path.parent)
    os.ftruncate(records, os.fstat(records).st_size - len(line))
    os.fsync(records)
    return f"line {number} of {path} was never finished: its {len(line)} bytes were moved to {TORN}"


def refuse_used(directory: Path) -> None:
    """Raise UserError when the folder holds a run already, or is none."""
    _require_folder(directory)
    if (directory / RECORDS).exists():
        raise UserError(
            f"{directory} holds a run already: continue it with --resume, or choose another folder"
        )


def write_whole(path: Path, data: bytes) -> None:
    """Put a file beside the records: whole and on the disk when this returns, or as it was. UserError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with _refusals(path), ExitStack() as opened:
        opened.callback(beside.unlink, missing_ok=True)
        _write_through(_open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, opened), data)
        beside.replace(path)
        _sync_folder(path.parent)


def _write_through(descriptor: int, data: bytes) -> None:
    """Write all of it to the disk."""
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Put a folder's new entries on the disk."""
    with ExitStack() as opened:
        os.fsync(_open(folder, os.O_RDONLY | os.O_DIRECTORY, opened))


def _require_folder(directory: Path) -> None:
    reason = plain_text.why_no_text(str(directory.resolve()))  # its paths go to the child in messages
    if reason is not None:
        raise UserError(reason)
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file, and a run needs a folder")


def _lock(directory: Path, opened: ExitStack) -> None:
    """Take the folder's lock for as long as its descriptor is open; no other program inherits it."""
    lock = _open(directory / LOCK, os.O_RDWR | os.O_CREAT, opened)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"another run is writing to {directory}: wait for it, or choose another folder"
        ) from None


def _open(path: Path, flags: int, opened: ExitStack) -> int:
    """A descriptor that is closed together with the others."""
    descriptor = os.open(path, flags, 0o666)
    opened.callback(os.close, descriptor)
    return descriptor


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back, so that a record that was written is also counted as written."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What the file system refuses, as a sentence."""
    try:
        yield
    except OSError as error:
        name = error.filename or path
        raise UserError(f"cannot use {name}: {error.strerror or error}") from error
