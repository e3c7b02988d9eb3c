"""The estimate of a run's disk use: the size of real records, and what each axis adds."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.plan import estimate
from bench.plan.disk_estimate import disk_use, record_bytes
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.migrations import decode_record
from tests.planted.commands import ROOT

CASE = Case(model="lenet5", image=28, channels=1, classes=10)
PROTOCOL = MeasurementProtocol()
RECORDS = [
    line
    for name in ("schema_3", "schema_3_layers", "schema_4")
    for line in (ROOT / "tests" / "fixtures" / name / "records.jsonl").read_bytes().splitlines()
]


@pytest.mark.parametrize("line", RECORDS, ids=range(len(RECORDS)))
def test_records_that_there_are_have_about_this_size(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the speed of this machine: with the number of samples that they have."""
    record = decode_record(line)
    if record.status != "ok":
        return
    layered = any(each.metric == "layer_time" for each in record.measurements)
    times = [each for each in record.measurements if each.metric == "wall_time"]
    monkeypatch.setattr(
        "bench.plan.disk_estimate.samples_of", lambda *_: max(len(each.samples) for each in times)
    )
    found = record_bytes(record.case, record.protocol, layers=layered)
    assert len(line) / 4 < found < 6 * len(line)


def test_more_samples_processes_and_layers_need_more() -> None:
    training = structs.replace(CASE, workload="training")
    twice = [CASE, structs.replace(CASE, replicate=2)]
    compiled = structs.replace(CASE, engine="compile")
    assert record_bytes(CASE, PROTOCOL) < record_bytes(training, PROTOCOL)
    assert record_bytes(CASE, PROTOCOL) < record_bytes(CASE, PROTOCOL, layers=True)
    assert 0 == disk_use([], PROTOCOL).kept < disk_use([CASE], PROTOCOL).kept < disk_use(twice, PROTOCOL).kept
    assert disk_use([CASE], PROTOCOL).meanwhile == 0 < disk_use([compiled], PROTOCOL).meanwhile


def test_samples_are_those_of_the_estimate_of_time() -> None:
    few = structs.replace(PROTOCOL, max_samples=20, min_samples=20)
    assert estimate.samples_of(CASE, few) == 20
