"""Records whose equal parts are decoded once are the records that they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from bench.schema.migrations import decode_record
from bench.schema.record import Record
from bench.schema.shared_parts import SharingReader
from bench.store import RECORDS
from tests.planted import planted_records
from tests.planted.commands import ROOT

FIXTURES = sorted((ROOT / "tests" / "fixtures").glob("schema_*"))


@pytest.mark.parametrize("folder", FIXTURES, ids=lambda folder: str(folder.name))
def test_a_record_of_any_schema_is_what_it_was(folder: Path) -> None:
    decode = SharingReader().decode
    lines = (folder / RECORDS).read_bytes().splitlines()
    assert lines
    for line in lines:
        assert decode(line) == decode_record(line)


@pytest.mark.parametrize("name", [each.name for each in structs.fields(Record)[1:] if not each.required])
def test_a_record_without_a_field_has_its_default(name: str) -> None:
    plain = msgspec.to_builtins(planted_records.example()[0])
    plain.pop(name)
    line = msgspec.json.encode(plain)
    assert SharingReader().decode(line) == decode_record(line)


def test_equal_parts_are_one_object() -> None:
    decode = SharingReader().decode
    one, other, *_ = (decode(msgspec.json.encode(record)) for record in planted_records.example())
    assert one.environment is other.environment
    assert one.protocol is other.protocol
    assert one.effective is other.effective
    assert one.absent is other.absent


def without(name: str) -> Callable[[bytes], bytes]:
    """Takes a field away."""
    return lambda line: line.replace(b'"%s":' % name.encode(), b'"other":', 1)


@pytest.mark.parametrize("name", ["case", "protocol", "status", "started_at", "os", "model", "samples"])
def test_what_is_no_record_is_none_here_either(name: str) -> None:
    broken = without(name)(msgspec.json.encode(planted_records.example()[0]))
    for decode in (decode_record, SharingReader().decode):
        with pytest.raises(msgspec.DecodeError):
            decode(broken)
