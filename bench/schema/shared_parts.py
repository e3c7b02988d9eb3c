"""Decodes records whose parts are equal from line to line, each such part once.

The machine, the protocol and the network of a run fill a third of each of its lines. What is equal as text is
one object in all records that one reader returns.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import GpuReadings
from bench.schema.migrations import decode_record, is_current
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import SCHEMA, Effective, Environment, Measurement, Record, Status

T = TypeVar("T")

_NULL, _NOTHING = Raw(b"null"), Raw(b"{}")


class _RawRecord(Struct, kw_only=True):
    """`Record`, field by field, with what is shared as it is written."""

    schema: int = SCHEMA
    case: Case
    protocol: Raw
    status: Status
    reason: str | None = None
    measurements: list[Measurement] = []
    environment: Raw = _NULL
    gpu_readings: GpuReadings | None = None
    effective: Raw = _NOTHING
    fingerprint: Raw = _NULL
    absent: Raw = _NOTHING
    warnings: list[CaseWarning] = []
    facts: bool = True
    started_at: str
    sequence: int = 0
    pair: int | None = None
    seconds: float | None = None
    spent: dict[str, float] = {}
    between: dict[str, float] = {}


class SharingReader:
    """Decodes lines of records; `decode` raises as `bench.schema.migrations.decode_record` does."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_RawRecord)
        self._protocol = _Part(msgspec.json.Decoder(MeasurementProtocol))
        self._environment = _Part(msgspec.json.Decoder(Environment | None))
        self._effective = _Part(msgspec.json.Decoder(Effective))
        self._fingerprint = _Part(msgspec.json.Decoder(NetworkFingerprint | None))
        self._absent = _Part(msgspec.json.Decoder(dict[str, str]))

    def decode(self, encoded: bytes) -> Record:
        """A record of this schema or an older one, as one of this schema."""
        if not is_current(encoded):
            encoded = msgspec.json.encode(decode_record(encoded))
        raw = self._decoder.decode(encoded)
        return Record(
            schema=raw.schema,
            case=raw.case,
            protocol=self._protocol(raw.protocol),
            status=raw.status,
            reason=raw.reason,
            measurements=raw.measurements,
            environment=self._environment(raw.environment),
            gpu_readings=raw.gpu_readings,
            effective=self._effective(raw.effective),
            fingerprint=self._fingerprint(raw.fingerprint),
            absent=self._absent(raw.absent),
            warnings=raw.warnings,
            facts=raw.facts,
            started_at=raw.started_at,
            sequence=raw.sequence,
            pair=raw.pair,
            seconds=raw.seconds,
            spent=raw.spent,
            between=raw.between,
        )


class _Part(Generic[T]):
    """Decodes each text once, and returns for it the same object ever after."""

    def __init__(self, decoder: msgspec.json.Decoder[T]) -> None:
        self._decoder = decoder
        self._known: dict[bytes, T] = {}

    def __call__(self, written: Raw) -> T:
        text = bytes(written)
        if text not in self._known:
            self._known[text] = self._decoder.decode(text)
        return self._known[text]
