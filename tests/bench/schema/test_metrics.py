"""No figure is missing without a word: of every metric that a record lacks somebody says why."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.schema.case import Case, MeasurementProtocol
from bench.schema.metrics import METRICS, speakers
from tests.planted import planted_records
from tests.planted.asked_figures import why_lacking, why_not_asked

LENET = Case(model="lenet5", batch=4, image=28, channels=1, classes=10, threads=1)


def test_one_metric_speaks_for_its_family() -> None:
    assert list(speakers("ledger_rounding")) == ["ledger_rounding", "ledger_workspace", "ledger_peak"]
    assert list(speakers("sampled_power")) == ["sampled_power", "peak_power", "energy"]
    assert list(speakers("wall_time")) == ["wall_time"]
    record = structs.replace(planted_records.record(LENET), absent={"energy": "no RAPL here"})
    assert why_lacking(record, "peak_power") == "no RAPL here"


def test_what_every_timed_case_has_needs_a_reason_of_its_own() -> None:
    """These are null only where a pass failed: nothing may explain them away."""
    record = planted_records.record(structs.replace(LENET, workload="training"))
    always = ("wall_time", "parameters", "flops", "bytes_moved", "weights", "gradients", "optimizer_state")
    assert [metric for metric in always if why_lacking(record, metric) is not None] == []
    assert why_lacking(record, "peak_resident") is None
    assert why_lacking(record, "energy") is None
    assert why_lacking(record, "ledger_peak") is None


@pytest.mark.parametrize(
    ("metric", "fields", "word"),
    [
        ("gradients", {}, "training"),
        ("casts", {}, "amp"),
        ("compile_cold", {}, "compiles"),
        ("device_time", {}, "clock"),
        ("layer_time", {}, "--layers"),
        ("trace_steps", {}, "--trace"),
        ("peak_allocated", {}, "allocator"),
        ("peak_resident", {"device": "cuda"}, "processor"),
        ("sm_clock", {}, "NVML"),
        ("test_accuracy", {}, "convbench train"),
        ("time_to_target", {}, "convbench train"),
    ],
)
def test_what_such_a_case_does_not_have(metric: str, fields: dict[str, str], word: str) -> None:
    reason = why_not_asked(planted_records.record(structs.replace(LENET, **fields)), metric)
    assert reason is not None
    assert word in reason


def test_a_case_that_failed_says_why_all_is_missing() -> None:
    record = planted_records.record(LENET, status="oom", reason="killed by the kernel")
    assert {why_lacking(record, metric) for metric in METRICS} == {"killed by the kernel"}


def test_where_nothing_is_timed_there_is_no_time() -> None:
    protocol = structs.replace(MeasurementProtocol(), max_samples=0)
    record = structs.replace(planted_records.record(LENET), protocol=protocol)
    assert why_lacking(record, "wall_time") == "nothing was timed: memory alone was asked for"
    assert why_lacking(record, "weights") is None
