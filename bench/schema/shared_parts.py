"""Decodes records whose parts are equal from line to line, each such part once.

The machine, the protocol and the network of a run fill a third of each of its lines. What is equal as text is
one object in all records that one reader returns.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct, structs

from bench.schema.migrations import decode_record, is_current
from bench.schema.record import Record

T = TypeVar("T")

_SHARED = ("protocol", "environment", "effective", "fingerprint", "absent")
_FIELDS = structs.fields(Record)
_NAMES = Record.__struct_fields__


def _as_written() -> type[Struct]:
    """`Record` with what is shared as it is written."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for each in _FIELDS:
        kind = Raw if each.name in _SHARED else each.type
        if each.required:
            fields.append((each.name, kind))
            continue
        default = each.default
        if each.default_factory is not msgspec.NODEFAULT:
            default = each.default_factory()
        fields.append((each.name, kind, Raw(msgspec.json.encode(default)) if kind is Raw else default))
    return msgspec.defstruct("_RawRecord", fields, kw_only=True)


_RawRecord = _as_written()


class SharingReader:
    """Decodes lines of records; `decode` raises as `bench.schema.migrations.decode_record` does."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_RawRecord)
        self._parts = [
            (at, _Part(msgspec.json.Decoder(each.type)))
            for at, each in enumerate(_FIELDS)
            if each.name in _SHARED
        ]

    def decode(self, encoded: bytes) -> Record:
        """A record of this schema or an older one, as one of this schema."""
        if not is_current(encoded):
            encoded = msgspec.json.encode(decode_record(encoded))
        values = list(structs.astuple(self._decoder.decode(encoded)))
        for at, part in self._parts:
            values[at] = part(values[at])
        return Record(**dict(zip(_NAMES, values, strict=True)))


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
