"""A command's seconds: each belongs to a process or stands between two of them."""

from __future__ import annotations

import time

import pytest
from msgspec import structs

from bench.runner.command_seconds import CommandSeconds
from bench.schema.case import Case
from tests.planted import planted_records

RECORD = planted_records.record(Case(model="lenet5"))


@pytest.mark.alone
def test_a_record_has_what_the_command_spent_before_it() -> None:
    began = time.monotonic()
    seconds = CommandSeconds()
    with seconds.on("starting"):
        time.sleep(0.05)
    time.sleep(0.02)  # the process
    spent = {"measuring": 0.015, "starting": 0.005}
    first = seconds.told(structs.replace(RECORD, seconds=0.02, spent=spent))
    assert first.between["starting"] >= 0.05
    assert first.between.get("rest", 0) < 0.02
    second = seconds.told(structs.replace(RECORD, seconds=0.0, spent={}))
    assert sum(second.between.values()) < 0.02
    whole = seconds.spent()
    assert whole["measuring"] == 0.015
    assert whole["starting"] >= 0.055
    assert sum(whole.values()) == pytest.approx(time.monotonic() - began, abs=0.02)


def test_a_process_that_says_nothing_of_its_seconds_still_has_them() -> None:
    seconds = CommandSeconds()
    time.sleep(0.03)
    seconds.told(structs.replace(RECORD, seconds=0.03, spent={}))
    assert seconds.spent()["rest"] >= 0.03


def test_a_skipped_case_took_nothing() -> None:
    record = CommandSeconds().told(structs.replace(RECORD, status="skipped", seconds=None))
    assert set(record.between) <= {"rest"}
