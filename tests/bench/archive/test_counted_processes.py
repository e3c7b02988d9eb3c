"""Each process of a packed run counts once."""

from __future__ import annotations

from msgspec import structs

from bench.archive.counted_processes import CountedProcesses
from bench.schema.archive_entry import CaseFacts
from bench.schema.case import Case
from bench.schema.record import Record
from tests.planted import planted_records
from tests.planted.planted_records import MACHINE

(DONE,) = planted_records.replicates(Case(model="vgg11", device="cpu"), [0.25])
ENDED_WELL = structs.replace(DONE, environment=MACHINE)
FAILED = structs.replace(ENDED_WELL, status="oom", measurements=[])


def counted(*records: tuple[str, Record]) -> CaseFacts:
    processes = CountedProcesses()
    for file, record in records:
        processes.take(record, file)
    (case,) = processes.cases()
    return case


def test_an_attempt_that_fails_does_not_replace_one_that_ended_well() -> None:
    case = counted(("nodes/n1/1/records.jsonl", ENDED_WELL), ("nodes/n1/2/records.jsonl", FAILED))
    assert (case.processes, case.failed, case.seconds) == (1, 0, (0.25,))


def test_the_last_record_of_an_attempt_counts() -> None:
    case = counted(("records.jsonl", ENDED_WELL), ("records.jsonl", FAILED))
    assert (case.processes, case.failed, case.seconds) == (0, 1, ())


def test_an_attempt_that_ends_well_replaces_one_that_failed() -> None:
    case = counted(("nodes/n1/1/records.jsonl", FAILED), ("nodes/n1/2/records.jsonl", ENDED_WELL))
    assert (case.processes, case.failed, case.seconds) == (1, 0, (0.25,))
