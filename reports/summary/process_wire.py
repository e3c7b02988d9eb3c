"""Processes as bytes, from the process that read their records to the one that pools them.

What many processes share is written once, and is one object again where it arrives.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from bench.schema.case import Caches, Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Status
from bench.schema.step_digest import StepDigest
from bench.schema.window_clocks import WindowClocks
from reports.document import Origin
from reports.summary.figures import ReadBack
from reports.summary.process import Key, Process

T = TypeVar("T", bound=Hashable)


class Condensed(Struct, array_like=True, gc=False):
    """What some records say.

    records  each as a process, with its case, whose replicate is 0
    caches   what timed steps found, and in which folder; None where none was timed
    seconds  what their time went to
    origin   by which commands they were made, and when
    """

    records: Iterable[tuple[Case, Process]]
    caches: tuple[Caches, str] | None
    seconds: dict[str, float]
    origin: Origin = Origin()


class _Row(Struct, array_like=True, gc=False):
    """A `Process` and its case: what is shared by its place in `_Sent`, arrays as bytes."""

    case: int
    run: int
    replicate: int
    pair: int | None
    status: Status
    reason: str
    effective: int
    environment: int
    warnings: int
    absent: int
    keys: int
    numbers: bytes
    sizes: int
    curves: list[tuple[str, str, bytes]]
    spreads: list[tuple[str, bytes]]
    clocks: int
    network: int
    seconds: float | None
    digest: StepDigest | None


class _Message(Struct, array_like=True):
    blocks: list[bytes]
    caches: tuple[Caches, str] | None
    seconds: dict[str, float]
    origin: Origin


class _Sent(Struct, array_like=True, gc=False):
    cases: list[Case]
    effectives: list[ReadBack]
    environments: list[bytes]
    warnings: list[tuple[CaseWarning, ...]]
    absents: list[tuple[tuple[str, str], ...]]
    keys: list[tuple[Key, ...]]
    sizes: list[tuple[int, ...]]
    clocks: list[tuple[tuple[str, WindowClocks], ...]]
    networks: list[NetworkFingerprint | None]
    rows: list[_Row]


class _Table(Generic[T]):
    """Each value once, in the order in which they came."""

    def __init__(self) -> None:
        self._places: dict[T, int] = {}

    def __call__(self, value: T) -> int:
        return self._places.setdefault(value, len(self._places))

    def values(self) -> list[T]:
        return list(self._places)


BLOCK = 5_000
"""Records that are encoded together: their processes are then forgotten."""


def encode(found: Condensed) -> bytes:
    """All of it, in the order of the records."""
    return joined(blocks_of(found.records), found.caches, found.seconds, found.origin)


def blocks_of(records: Iterable[tuple[Case, Process]]) -> list[bytes]:
    """Records, encoded as they come."""
    left, blocks = iter(records), []
    while block := list(itertools.islice(left, BLOCK)):
        blocks.append(_encoded(block))
    return blocks


def joined(
    blocks: list[bytes], caches: tuple[Caches, str] | None, seconds: dict[str, float], origin: Origin
) -> bytes:
    """What `encode` makes of records in blocks, and of the rest of `Condensed`."""
    return msgspec.msgpack.encode(_Message(blocks, caches, seconds, origin))


# long: a line for each field of a process
def _encoded(records: Sequence[tuple[Case, Process]]) -> bytes:
    cases, effectives, environments = _Table[Case](), _Table[ReadBack](), _Table[bytes]()
    warnings, absents = _Table[tuple[CaseWarning, ...]](), _Table[tuple[tuple[str, str], ...]]()
    keys, sizes = _Table[tuple[Key, ...]](), _Table[tuple[int, ...]]()
    clocks = _Table[tuple[tuple[str, WindowClocks], ...]]()
    networks = _Table[NetworkFingerprint | None]()
    rows = [
        _Row(
            case=cases(case),
            run=process.run,
            replicate=process.replicate,
            pair=process.pair,
            status=process.status,
            reason=process.reason,
            effective=effectives(process.effective),
            environment=environments(process.environment),
            warnings=warnings(process.warnings),
            absent=absents(process.absent),
            keys=keys(process.keys),
            numbers=process.numbers,
            sizes=sizes(process.sizes),
            curves=[(metric, unit, curve.tobytes()) for metric, unit, curve in process.curves],
            spreads=[(metric, spread.tobytes()) for metric, spread in process.spreads],
            clocks=clocks(process.clocks),
            network=networks(process.network),
            seconds=process.seconds,
            digest=process.digest,
        )
        for case, process in records
    ]
    sent = _Sent(
        cases=cases.values(),
        effectives=effectives.values(),
        environments=environments.values(),
        warnings=warnings.values(),
        absents=absents.values(),
        keys=keys.values(),
        sizes=sizes.values(),
        clocks=clocks.values(),
        networks=networks.values(),
        rows=rows,
    )
    return msgspec.msgpack.encode(sent)


def decode(encoded: bytes) -> Condensed:
    """What `encode` was given; its records can be gone through once. Raises msgspec.DecodeError."""
    message = msgspec.msgpack.decode(encoded, type=_Message)
    records = itertools.chain.from_iterable(map(_records, message.blocks))
    return Condensed(records=records, caches=message.caches, seconds=message.seconds, origin=message.origin)


def _records(block: bytes) -> Iterator[tuple[Case, Process]]:
    sent = msgspec.msgpack.decode(block, type=_Sent)
    for row in sent.rows:
        yield (
            sent.cases[row.case],
            Process(
                run=row.run,
                replicate=row.replicate,
                pair=row.pair,
                status=row.status,
                reason=row.reason,
                effective=sent.effectives[row.effective],
                environment=sent.environments[row.environment],
                warnings=sent.warnings[row.warnings],
                absent=sent.absents[row.absent],
                keys=sent.keys[row.keys],
                numbers=row.numbers,
                sizes=sent.sizes[row.sizes],
                curves=tuple([(metric, unit, array("d", curve)) for metric, unit, curve in row.curves]),
                spreads=tuple([(metric, array("d", spread)) for metric, spread in row.spreads]),
                clocks=sent.clocks[row.clocks],
                network=sent.networks[row.network],
                seconds=row.seconds,
                digest=row.digest,
            ),
        )
