"""Processes arrive as they were sent, and what they shared is one object again."""

from __future__ import annotations

import msgspec
import pytest

from bench.store import RECORDS, read_records
from reports.summary import process_wire
from reports.summary.condensing import condensed
from reports.summary.process_wire import Condensed, decode, encode
from tests.planted import planted_records
from tests.reports.summary.test_condensing import FIXTURES


@pytest.mark.parametrize("at_once", [1, 7, 5_000])
def test_processes_of_every_kind_arrive_in_their_order(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(process_wire, "BLOCK", at_once)
    sent = [
        found
        for run, folder in enumerate(FIXTURES)
        for found in condensed((run, record) for record in read_records(folder / RECORDS))
    ]
    arrived = decode(encode(Condensed(records=sent, caches=("warm", "here"), seconds={"rest": 0.1})))
    assert list(arrived.records) == sent
    assert (arrived.caches, arrived.seconds) == (("warm", "here"), {"rest": 0.1})


def test_what_is_equal_is_one_object() -> None:
    found = condensed((0, planted_records.example()[0]) for _ in range(2))
    (case, one), (_, other) = decode(encode(Condensed(list(found), None, {}))).records
    assert one.environment is other.environment
    assert one.keys is other.keys
    assert case.replicate == 0


@pytest.mark.parametrize("broken", [b"", b"hello\n", encode(Condensed([], None, {}))[:-1]])
def test_what_is_no_message_is_refused(broken: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(broken)
