"""A run's folder: an append-only file of records that survives kills, full disks and a second run.

A record is on the disk when `append` returns. A line that was being written when the process died is
repaired by `resume`; whatever else is wrong with a file is named by its line and left as it is.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from bench.record_lines import UNREADABLE, decoded, is_torn, lines, read_records, refusals
from bench.schema import plain_text
from bench.schema.case import Case
from bench.schema.merged import MERGED
from bench.schema.migrations import decode_record
from bench.schema.record import Record, Status
from models.errors import UserError

__all__ = [
    "LOCK",
    "RECORDS",
    "TORN",
    "Store",
    "locked",
    "read_records",
    "refuse_used",
    "sync_folder",
    "write_through",
    "write_whole",
]

RECORDS = "records.jsonl"
TORN = "torn.jsonl"
"""Where `resume` keeps the bytes of lines that were never finished."""
LOCK = ".lock"


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
        with refusals(directory), ExitStack() as opened:
            _require_folder(directory)
            directory.mkdir(parents=True, exist_ok=True)
            _lock(directory, opened)
            refuse_used(directory)
            records = _open(directory / RECORDS, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, opened)
            sync_folder(directory)
            return cls(directory, records, opened.pop_all())

    @classmethod
    def resume(cls, directory: Path, told: Callable[[Record], object] = lambda record: None) -> Self:
        """Continue a run. A line that was never finished is moved to torn.jsonl, and `warning` says so.

        `told` is called with each record, in their order: whoever needs them all need not read them again.
        """
        with refusals(directory), ExitStack() as opened:
            _require_folder(directory)
            if (directory / MERGED).exists():
                raise UserError(
                    f"{directory} was made by convbench merge. Continue the runs that were merged, and merge "
                    "them again with --resume"
                )
            if not (directory / RECORDS).exists():
                raise UserError(
                    f"{directory} is not a run folder (no {RECORDS}). Give the folder that --out named"
                )
            records = _open(directory / RECORDS, os.O_RDWR | os.O_APPEND, opened)
            _lock(directory, opened)
            warning = _repair(directory / RECORDS, records)
            store = cls(directory, records, opened)
            store.warning = warning
            for record in store.records():
                store._statuses[record.case] = record.status
                store._last = max(store._last, record.sequence)
                told(record)
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
        with _uninterrupted(), refusals(self.directory):
            try:
                write_through(self._file, data)
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


def _repair(path: Path, records: int) -> str | None:
    """End the file with a whole line, and say in a sentence what that took."""
    size = os.fstat(records).st_size
    if size == 0 or os.pread(records, 1, size - 1) == b"\n":
        return None
    number, line = 0, b""
    for number, line in lines(path):  # noqa: B007 - the last one is meant
        pass
    if not line.strip():
        write_through(records, b"\n")
        return None
    if not is_torn(line):
        decoded(line, number, path, decode_record)
        write_through(records, b"\n")
        return f"line {number} of {path} lacked only its newline and was kept"
    with ExitStack() as opened:
        torn = _open(path.with_name(TORN), os.O_WRONLY | os.O_APPEND | os.O_CREAT, opened)
        write_through(torn, line + b"\n")
    sync_folder(path.parent)
    os.ftruncate(records, os.fstat(records).st_size - len(line))
    os.fsync(records)
    return f"line {number} of {path} was incomplete: moved its {len(line)} bytes to {TORN}"


def refuse_used(directory: Path) -> None:
    """Raise UserError when the folder holds a run already, or is none."""
    _require_folder(directory)
    if (directory / RECORDS).exists():
        raise UserError(
            f"{directory} already contains a run. Add --resume to continue it, or choose another --out"
        )


T = TypeVar("T")


class _Numbered(msgspec.Struct):
    schema: int


def read_json(path: Path, kind: type[T], newest: int, remedy: str = "") -> T | None:
    """A file that `write_json` wrote of a `kind` that numbers its schema; None where it is not there.

    UserError, in one sentence, for one that cannot be read, is of a newer convbench, or is damaged, with the
    `remedy` for that.
    """
    try:
        encoded = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        schema = msgspec.json.decode(encoded, type=_Numbered).schema
        if schema > newest:
            raise UserError(
                f"{path} was written by a newer convbench (schema {schema}, this version reads up to "
                f"{newest}). Update convbench"
            )
        return msgspec.json.decode(encoded, type=kind)
    except UNREADABLE as error:
        raise UserError(f"{path} is damaged: {error}{remedy}") from error


def write_json(path: Path, value: object) -> None:
    """Indented, as `write_whole` writes. UserError where that is refused."""
    write_whole(path, msgspec.json.format(plain_text.encode(value), indent=1) + b"\n")


def write_whole(path: Path, data: bytes) -> None:
    """Put a file beside the records: whole and on the disk when this returns, or as it was. UserError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with refusals(path), ExitStack() as opened:
        opened.callback(beside.unlink, missing_ok=True)
        write_through(_open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, opened), data)
        beside.replace(path)
        sync_folder(path.parent)


def write_through(descriptor: int, data: bytes) -> None:
    """Write all of it to the disk."""
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Put a folder's new entries on the disk."""
    with ExitStack() as opened:
        os.fsync(_open(folder, os.O_RDONLY | os.O_DIRECTORY, opened))


def _require_folder(directory: Path) -> None:
    reason = plain_text.why_no_text(str(directory.resolve()))  # its paths go to the child in messages
    if reason is not None:
        raise UserError(reason)
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file. Give a folder as --out")


def _lock(directory: Path, opened: ExitStack) -> None:
    """Take the folder's lock for as long as its descriptor is open; no other program inherits it."""
    lock = _open(directory / LOCK, os.O_RDWR | os.O_CREAT, opened)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"{directory} is in use by another convbench process. Wait for it, or choose another --out"
        ) from None


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a folder's runs. UserError where another process has it."""
    with refusals(directory), ExitStack() as opened:
        _lock(directory, opened)
        yield


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
