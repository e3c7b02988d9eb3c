"""Bit for bit in the report of a fleet: who computes other bits is named, and a health check fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.step_digest import StepDigest
from reports.fleet import fleet_document
from reports.fleet.fleet_document import FleetReport
from tests.planted.planted_records import GPU, MACHINE, record, time, write

RIGHT = StepDigest(loss="a", gradients="b", weights="c")
WRONG = StepDigest(loss="z", gradients="x", weights="y")
LENET = Case(model="lenet5", device="cuda", image=28, channels=1, classes=10)


def report(tmp_path: Path, digests: Mapping[str, StepDigest | None], driver: str = "550.1") -> FleetReport:
    """Of a run on each GPU, two to a node, two processes each; the driver is the last GPU's."""
    folders = []
    for number, (name, digest) in enumerate(digests.items()):
        is_last = number == len(digests) - 1
        gpu = structs.replace(GPU, uuid=f"GPU-{name * 8}-1234", driver=driver if is_last else GPU.driver)
        machine = structs.replace(MACHINE, host=f"n{number // 2}", gpu=gpu)
        first = record(LENET, time("forward", 0.001, "device_time"), environment=machine)
        second = structs.replace(first, case=structs.replace(LENET, replicate=2))
        folders.append(write(tmp_path / name, [structs.replace(first, step_digest=digest), second]))
    return fleet_document.build(folders)


def alarms(found: FleetReport) -> tuple[str, ...]:
    assert found.document.answer is not None
    return found.document.answer.alarms


def test_a_gpu_with_other_bits_is_an_alarm_a_row_and_exit_code_1(tmp_path: Path) -> None:
    found = report(tmp_path, {"a": RIGHT, "b": RIGHT, "c": WRONG, "d": RIGHT})
    assert alarms(found)[0] == (
        "GPU-cccccccc on n1 computes another loss than 3 others of its kind in LeNet-5 training, batch 1 "
        "(fp32). Likely silent data corruption: take it out of service and test it."
    )
    assert [row["bits"] for row in found.document.rows] == ["same", "same", "other", "same"]
    assert found.code == 1


@pytest.mark.parametrize(
    ("digests", "driver", "bits"),
    [
        ({"a": RIGHT, "b": RIGHT, "c": RIGHT}, "550.1", ["same"] * 3),
        ({"a": RIGHT, "b": RIGHT, "c": WRONG}, "560.2", ["same", "same", None]),
        ({"a": RIGHT, "b": WRONG}, "550.1", [None, None]),
        ({"a": None, "b": None}, "550.1", [None, None]),
    ],
    ids=["alike", "another driver", "two", "not asked"],
)
def test_nobody_is_blamed_without_a_majority_of_its_kind(
    tmp_path: Path, digests: Mapping[str, StepDigest | None], driver: str, bits: list[str | None]
) -> None:
    found = report(tmp_path, digests, driver)
    assert not any("its kind" in alarm for alarm in alarms(found))
    assert sorted(map(str, (row["bits"] for row in found.document.rows))) == sorted(map(str, bits))
    assert found.code == 0
