"""The records of runs as processes. Of a big run a second process reads the other half of the file: decoding
and sorting samples are work for one core each.

The second process is a program of its own, so that nothing of this one is copied or run again. Where it
cannot read its half, or finds anything to say of it, this process reads that half too.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from bench.host import cpu_cores
from bench.schema.case import Case
from bench.schema.record import Record
from reports.summary.caches import OneKind
from reports.summary.condensing import condensed
from reports.summary.process import Process
from reports.summary.process_wire import Condensed, blocks_of, decode, joined
from reports.summary.record_origin import RecordOrigin
from reports.summary.record_stream import Part, read_parts, without_records
from reports.summary.sharing import uncollected
from reports.summary.time_spent import TimeSpent

BIG_BYTES = 48 * 2**20
"""From this size of all files up a second process saves more than the third of a second that it takes to
start."""

MINE = 0.53
"""The share of all bytes that this process reads: the other one also has to start and to send what it read,
and only when both are done is anything pooled."""

_ENTER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from reports.summary.reading import main
main(sys.stdin.buffer.read())
"""


class Reader:
    """Reads parts of runs; `kind`, `spent` and `origin` are of what it has read so far, `damaged` says which
    lines it left out."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.kind = OneKind()
        self.spent = TimeSpent()
        self.origin = RecordOrigin()
        self.damaged: list[str] = []
        self._names = {part.run: part.name for part in parts}

    def processes(self, parts: Sequence[Part], warn: Callable[[str], None]) -> Iterator[tuple[Case, Process]]:
        """Those of some parts, in their order. Raises UserError as `read_records` does, and for times with
        warm caches beside times with a cold L2."""
        return condensed(self._checked(read_parts(parts, warn, self.damaged.append)))

    def take(self, found: Condensed) -> Iterable[tuple[Case, Process]]:
        """What another process has read, behind what this one has. Raises UserError likewise."""
        self.kind.take_found(found.caches)
        self.spent.add(found.seconds)
        self.origin.add(found.origin)
        return found.records

    def _checked(self, records: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
        for directory, record in records:
            self.kind.take(record, self._names[directory])
            self.spent.take(record)
            self.origin.take(record)
            yield directory, record


def read_processes(
    parts: Sequence[Part], reader: Reader, warn: Callable[[str], None]
) -> Iterator[tuple[Case, Process]]:
    """Every record as a process, with its case, whose replicate is 0; in the order of the records.

    Raises UserError as `Reader.processes` does.
    """
    empty = [part for part in parts if not part.alone and part.size == 0]
    for part in empty:  # said here, since a second process has nothing to say
        warn(without_records(part))
    left_out = {part.run for part in empty}
    mine, others = _halves([part for part in parts if part.run not in left_out])
    if not others:
        yield from reader.processes(mine, warn)
        return
    with _second(others) as second:
        yield from reader.processes(mine, warn)
        found = _answer(second)
    yield from reader.processes(others, warn) if found is None else reader.take(found)


def _halves(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """What this process reads, and what another one does: nothing, if it is not worth it."""
    whole = sum(part.size for part in parts)
    half = int(MINE * whole)
    if whole < BIG_BYTES or cpu_cores.usable_cores() < 2 or not sys.executable:
        return list(parts), []
    mine: list[Part] = []
    for at, part in enumerate(parts):
        if part.size > half:
            try:
                first, second = part.cut(half)
            except OSError:  # reading it says why
                break
            return [*mine, first], [second, *parts[at + 1 :]]
        half -= part.size
        mine.append(part)
    return list(parts), []


@contextlib.contextmanager
def _second(parts: Sequence[Part]) -> Iterator[subprocess.Popen[bytes] | None]:
    """The process that reads these parts; it is ended with what is done beside it. None where none starts."""
    command = [sys.executable, "-P", "-c", _ENTER]
    try:
        started = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        yield None
        return
    with started:
        try:
            _ask(started, parts)
            yield started
        finally:
            started.kill()


def _ask(second: subprocess.Popen[bytes], parts: Sequence[Part]) -> None:
    """By its input: the parts of a fleet are more than fit on a command line."""
    asked = [(part.run, part.name, str(part.path), part.alone, part.begin) for part in parts]
    assert second.stdin is not None
    with contextlib.suppress(BrokenPipeError), second.stdin as pipe:  # of one that died nothing is read
        pipe.write(msgspec.msgpack.encode(asked))


def _answer(second: subprocess.Popen[bytes] | None) -> Condensed | None:
    """None where it has none."""
    if second is None:
        return None
    assert second.stdout is not None
    encoded = second.stdout.read()
    try:
        return decode(encoded) if second.wait() == 0 else None
    except msgspec.DecodeError:
        return None


class _SaidError(Exception):
    """There is something to say of a file."""


@uncollected()
def main(asked: bytes) -> None:
    """The second process: what it has read goes to standard output, if nothing is to be said of it."""
    parts = [
        Part(run=run, name=name, path=Path(path), alone=alone, begin=begin)
        for run, name, path, alone, begin in msgspec.msgpack.decode(
            asked, type=list[tuple[int, str, str, bool, int]]
        )
    ]

    def warn(sentence: str) -> None:
        raise _SaidError(sentence)

    reader = Reader(parts)
    blocks = blocks_of(reader.processes(parts, warn))
    sys.stdout.buffer.write(joined(blocks, reader.kind.found, reader.spent.seconds, reader.origin.origin()))
