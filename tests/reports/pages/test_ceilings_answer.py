"""The first screen of measured peaks: what it claims, and what it does not."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.schema.record import Record
from reports.analysis.measured_ceilings import ceilings_of
from reports.document import Answer
from reports.pages import ceilings_answer
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_ceilings import ceilings
from tests.planted.shown_cells import rows_of


def answered(folder: Path, *records: Record, alarms: tuple[str, ...] = ()) -> Answer:
    summary = summarise([planted_records.write(folder, records)])
    return ceilings_answer.answer("a machine", alarms, summary, ceilings_of(summary))[1]


BOTH = (ceilings(), ceilings(precision="bf16", flops_per_second=900e9))


def test_the_headline_has_the_peak_of_each_dtype_and_of_copies(tmp_path: Path) -> None:
    told = answered(tmp_path, *BOTH)
    assert told.headlines == (
        "cpu, 2 threads: fp32 0.100 TFLOP/s †, bf16 0.900 TFLOP/s †, copy 10.0 GB/s †.",
    )
    assert told.table is not None
    peaks = {row["what"]: row["peak"] for row in rows_of(told.table)}
    assert peaks == {"fp32 (TFLOP/s)": "0.1000 †", "bf16 (TFLOP/s)": "0.9000 †", "copy (GB/s)": "10.00 †"}
    assert told.chart is not None
    assert [row.label for row in told.chart.rows] == ["fp32", "bf16"]
    assert told.warnings == ""
    assert told.next_step is not None
    assert told.next_step.command == "convbench run"


def test_one_dtype_has_no_chart(tmp_path: Path) -> None:
    assert answered(tmp_path, ceilings()).chart is None


def test_a_peak_of_unknown_precision_is_not_trusted(tmp_path: Path) -> None:
    """Of three samples there is no interval, and a wide one is printed in words and has no bar."""
    few, wide = (
        structs.replace(
            record,
            measurements=[
                structs.replace(m, samples=samples) if m.metric == "wall_time" else m
                for m in record.measurements
            ],
        )
        for record, samples in zip(
            BOTH, ([0.01, 0.01, 0.01], [0.004, 0.006, 0.008, 0.01, 0.02, 0.03, 0.05]), strict=True
        )
    )
    unsure = answered(tmp_path / "few", few)
    assert unsure.warnings == "Not certain: fp32, copy; an interval is missing or too wide."
    assert unsure.next_step is not None
    assert unsure.next_step.command == "convbench ceilings --replicates 3"
    told = answered(tmp_path / "wide", wide)
    assert "bf16 not resolved" in told.headlines[0]
    assert told.chart is None


def test_an_alarm_asks_to_measure_again(tmp_path: Path) -> None:
    told = answered(tmp_path, *BOTH, alarms=("busy",))
    assert told.alarms == ("busy",)
    assert told.next_step is not None
    assert told.next_step.command == "convbench ceilings --replicates 3"
