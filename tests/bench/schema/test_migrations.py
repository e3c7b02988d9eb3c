"""Records of older schemas, and what became of what stood in text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import GIB, Convolution, Copy, MatrixProduct, Product, product_name
from bench.schema.layer_phases import BETWEEN, KERNEL, UPDATE, Layer
from bench.schema.metrics import METRICS
from bench.schema.migrations import NewerSchemaError, decode_record
from bench.schema.record import SCHEMA, Effective, Measurement, Record
from tests.planted.commands import ROOT

KEPT = sorted((ROOT / "tests" / "fixtures").glob("schema_*/records.jsonl"))


def old(schema: int = 3, workload: str = "inference", **fields: Any) -> Record:
    """A record of an older schema, as this version reads it."""
    plain = {
        "schema": schema,
        "case": {"model": "lenet5", "workload": workload},
        "protocol": {},
        "status": "ok",
        "started_at": "2026-01-01T00:00:00Z",
    }
    return decode_record(msgspec.json.encode(plain | fields))


def measured(phase: str, metric: str = "wall_time", workload: str = "inference") -> Measurement:
    series = {"phase": phase, "metric": metric, "unit": "s", "samples": [1.0]}
    (found,) = old(workload=workload, measurements=[series]).measurements
    return found


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_an_older_record_becomes_one_of_today(schema: int) -> None:
    record = old(schema)
    assert (record.schema, record.case.tuning, record.case.task, record.absent) == (SCHEMA, "", None, {})


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("launch-bound", CaseWarning("launch-bound")),
        ("not-stationary: windows differ by 3%", CaseWarning("not-stationary", "windows differ by 3%")),
        ("incomplete: memory: x: y", CaseWarning("incomplete", "memory: x: y")),
        ("the GPU was shared", CaseWarning("other", "the GPU was shared")),
    ],
)
def test_a_warning_gets_its_label(text: str, warning: CaseWarning) -> None:
    assert old(warnings=[text]).warnings == [warning]


@pytest.mark.parametrize(
    ("phase", "part", "layer"),
    [
        ("forward:conv1 (Conv2d 3->64, 11x11/4)", "forward", Layer("conv1", "Conv2d 3->64, 11x11/4")),
        (
            "backward:f.0 (Conv2d 64->192, 5x5, groups 2)",
            "backward",
            Layer("f.0", "Conv2d 64->192, 5x5, groups 2"),
        ),
        (
            "step:void (anonymous namespace)::sum<int>(int) (kernel)",
            "step",
            Layer("void (anonymous namespace)::sum<int>(int)", KERNEL),
        ),
        ("forward:between layers", "forward", BETWEEN),
        ("optimizer:update", "optimizer", UPDATE),
        ("forward", "forward", None),
        ("layers", "layers", None),
    ],
)
def test_a_phase_gets_its_layer(phase: str, part: str, layer: Layer | None) -> None:
    found = measured(phase)
    assert (found.phase, found.layer) == (part, layer)


sizes = st.integers(1, 10**6)


@given(
    st.one_of(
        st.builds(MatrixProduct, sizes, sizes, sizes),
        st.builds(Convolution, sizes, sizes, sizes, st.sampled_from(["nchw", "channels-last"])),
        st.integers(0, 8).map(lambda halvings: Copy(GIB >> halvings)),
    )
)
def test_a_ceilings_phase_gets_its_product(product: Product) -> None:
    found = measured(product_name(product), workload="ceiling")
    assert (found.phase, found.product) == ("product", product)


def test_a_disturbed_window_is_marked() -> None:
    found = measured("forward", "spoiled_wall_time")
    assert (found.metric, found.disturbed) == ("wall_time", True)
    assert not measured("forward").disturbed


def test_what_was_read_back_is_in_two() -> None:
    record = old(effective={"conv": "tf32", "threads": "2", "cpu_capability": "AVX2"})
    assert record.effective == Effective(
        precision={"conv": "tf32"}, machine={"threads": "2", "cpu_capability": "AVX2"}
    )


@pytest.mark.parametrize(
    "phase",
    ["copy:1eGiB", "copy:..GiB", "copy:1e999GiB", "copy:-1GiB", f"matmul:{'9' * 5000}x1x1", "fft:1024"],
)
def test_a_product_that_no_convbench_measured_is_refused(phase: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        measured(phase, workload="ceiling")


@pytest.mark.parametrize(
    "damage",
    [
        {"warnings": [1]},
        {"measurements": [{"phase": 1}]},
        {"measurements": 7},
        {"effective": []},
        {"case": None},
        {"schema": 0},
        {"schema": "3"},
    ],
)
def test_what_is_no_older_record_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        old(**damage)


def test_a_newer_record_is_refused_by_its_number() -> None:
    with pytest.raises(NewerSchemaError, match=rf"schema {SCHEMA + 1}; this one reads up to {SCHEMA}"):
        old(SCHEMA + 1, warnings={"of": "another shape"})


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_kept_records_hold_metrics_of_the_table_in_its_units(path: Any) -> None:
    for line in path.read_bytes().splitlines():
        for series in decode_record(line).measurements:
            assert METRICS[series.metric].unit == series.unit


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_a_migrated_record_comes_back_as_it_was_written(path: Any) -> None:
    for line in path.read_bytes().splitlines():
        record = decode_record(line)
        assert decode_record(msgspec.json.encode(record)) == record
