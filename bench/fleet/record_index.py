"""Where each record of several runs stands, and which process it is of: all that a union needs."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import devices
from bench.record_lines import NoRecordError, decoded, is_torn, lines, refusals
from bench.schema.case import TIMED, Caches
from bench.schema.record import Record
from bench.schema.shared_parts import SharingReader
from bench.schema.units import unit_of
from bench.store import RECORDS
from models.errors import UserError

_DIGEST_BYTES = 16


class Line(Struct, frozen=True, gc=False):
    """A line of a run's records.

    digest   of its text, without the end of the line
    process  digest of the unit, the case and its replicate; that of the line itself where the record does not
             say which GPU it was: nothing else tells such records of two GPUs apart
    """

    path: Path
    begin: int
    size: int
    digest: bytes
    process: bytes
    started_at: str

    def read(self) -> bytes:
        """Its text. Raises UserError where the file has changed."""
        with refusals(self.path), self.path.open("rb") as file:
            file.seek(self.begin)
            text = file.read(self.size)
        if _digest(text) != self.digest:
            raise UserError(f"{self.path} changed while it was read. Merge again")
        return text

    def record(self) -> Record:
        """What it says."""
        return SharingReader().decode(self.read())


class Indexer:
    """Reads runs one after the other; times with warm caches beside times with a cold L2 are refused, as no
    report could read them together."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._decode = SharingReader().decode
        self._caches: tuple[Caches, Path] | None = None

    def lines(self, folder: Path, damaged: Callable[[str], None] | None = None) -> Iterator[Line]:
        """Those of one run, in their order; an unfinished last one is left out and told. What is no record is
        told to `damaged`. Raises UserError as `bench.record_lines.read_records` does."""
        path = folder / RECORDS
        with refusals(path):
            begin = _byte_order_mark(path)
            for number, line in lines(path):
                if not line.endswith(b"\n") and is_torn(line):
                    self._warn(f"line {number} of {path} was never finished and is left out")
                    return
                text = line.rstrip(b"\r\n")
                if text.strip() and (record := self._record(line, number, path, damaged)) is not None:
                    self._refuse_other_caches(record, folder)
                    yield _line(path, begin, text, record)
                begin += len(line)

    def _record(
        self, line: bytes, number: int, path: Path, damaged: Callable[[str], None] | None
    ) -> Record | None:
        try:
            return decoded(line, number, path, self._decode)
        except NoRecordError as error:
            if damaged is None:
                raise
            damaged(str(error))
            return None

    def _refuse_other_caches(self, record: Record, folder: Path) -> None:
        if record.case.workload not in TIMED or record.status != "ok" or not record.protocol.max_samples:
            return
        caches = record.protocol.caches
        if self._caches is None:
            self._caches = caches, folder
        elif self._caches[0] != caches:
            raise UserError(
                f"{self._caches[1]} has times with {_CACHES[self._caches[0]]} and {folder} times with "
                f"{_CACHES[caches]}, which are never pooled. Merge them into two folders"
            )


_CACHES = {"warm": "warm caches", "cold L2": "a cold L2 (--flush-l2)"}


def _line(path: Path, begin: int, text: bytes, record: Record) -> Line:
    digest = _digest(text)
    process = _process(record) or digest
    return Line(path, begin, len(text), digest, process, record.started_at)


def _process(record: Record) -> bytes | None:
    environment = record.environment
    uses_gpu = devices.traits(record.case.device).uses_gpu
    if environment is None or (uses_gpu and environment.gpu is None):
        return None
    unit = unit_of(environment, uses_gpu=uses_gpu)
    return _digest(msgspec.json.encode((unit, record.case, record.pair)))


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _byte_order_mark(path: Path) -> int:
    """Bytes ahead of the first line, which an editor may have put there."""
    with path.open("rb") as file:
        return len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
