"""What a record's seconds went to, by what its child says and its parent sees."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from bench.forkserver.outcome import Outcome
from bench.runner.attempt import attempt
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Record
from tests.planted import planted_records

SECONDS = 0.05
"""That the fake child takes beside what it says of itself."""


class _Server:
    """A child that takes its time and hands back a record, or ends without one."""

    def __init__(self, spent: dict[str, float], kind: str = "result") -> None:
        self._spent, self._kind = spent, kind

    def run(self, question: str, argument: bytes, **_: object) -> Outcome:
        asked = msgspec.json.decode(argument, type=job.Job)
        time.sleep(SECONDS + sum(self._spent.values()))
        record = msgspec.structs.replace(planted_records.record(asked.case), spent=self._spent)
        found = job.encode(job.JobResult(record=record, first_step_at=None))
        if question == job.COMPILE_COLD:
            cold = msgspec.json.encode(job.ColdCompile(seconds=1, casts=0))
            return Outcome(kind="result", result=cold, seconds=1)
        if self._kind == "result":
            return Outcome(kind="result", result=found, seconds=1)
        kept = job.encode(job.Kept(record=record, to_come={"ledger": ()})) if self._spent else None
        return Outcome(kind="crashed", reason="planted", kept=kept, seconds=1)


def _record(tmp_path: Path, server: _Server, engine: str = "eager") -> Record:
    case = Case(model="lenet5", engine=engine)
    protocol, machine = MeasurementProtocol(), planted_records.MACHINE
    return attempt(case, protocol, machine, tmp_path, server)  # type: ignore[arg-type]


def test_what_the_child_does_not_account_for_was_its_start_and_end(tmp_path: Path) -> None:
    record = _record(tmp_path, _Server({"building": 0.01, "measuring": 0.03}))
    assert record.spent["building"] == 0.01
    assert record.spent["measuring"] == 0.03
    assert record.spent["starting"] >= SECONDS
    assert record.seconds == pytest.approx(sum(record.spent.values()))


def test_the_process_with_the_empty_cache_compiles(tmp_path: Path) -> None:
    record = _record(tmp_path, _Server({"measuring": 0.02, "compiling": 0.01}), engine="compile")
    assert record.spent["compiling"] >= SECONDS + 0.02 + 0.01 + 0.01
    assert record.seconds == pytest.approx(sum(record.spent.values()))


def test_a_process_that_ends_in_a_pass_keeps_what_it_had_spent(tmp_path: Path) -> None:
    record = _record(tmp_path, _Server({"measuring": 0.02}, kind="crashed"))
    assert record.spent["measuring"] == 0.02
    assert record.spent["failing"] >= SECONDS
    assert record.seconds == pytest.approx(sum(record.spent.values()))


def test_a_process_that_says_nothing_failed_all_the_time(tmp_path: Path) -> None:
    record = _record(tmp_path, _Server({}, kind="crashed"))
    assert record.status == "crashed"
    assert set(record.spent) <= {"failing", "rest"}
    assert record.seconds == pytest.approx(sum(record.spent.values()))


def test_an_older_installation_says_nothing_of_its_seconds(tmp_path: Path) -> None:
    record = _record(tmp_path, _Server({}))
    assert record.status == "ok"
    assert record.spent == {}
    assert record.seconds is not None
