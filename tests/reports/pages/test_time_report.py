"""The answer of `time`, from planted records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.plan import single_case
from bench.runner import plan_file
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement, Record
from reports.cells import Cell, Quantity, readable
from reports.document import Document
from reports.pages.time_report import Ended, TimedCase, build
from reports.summary.pooling import summarise
from tests.planted import planted_records

CASE = Case(model="vgg11", threads=2, batch=8)


def answer(tmp_path: Path, *records: Record, until: float = 0.05, ended: Ended = "narrow enough") -> Document:
    summary = summarise([planted_records.write(tmp_path, records)])
    document = build(TimedCase(summary=summary, until=until, seconds=12.3, ended=ended, nominal=200e9))
    assert document is not None
    return document


def cells(document: Document) -> dict[str, Cell]:
    (table,) = document.tables
    return {str(what): cell for what, cell in table.rows}


def value(cell: Cell) -> float:
    return cell.value if isinstance(cell, Quantity) else float(cell)  # type: ignore[arg-type]


def inference(number: int, seconds: float, *more: Measurement) -> Record:
    return planted_records.record(
        structs.replace(CASE, replicate=number),
        planted_records.time("forward", seconds),
        planted_records.fact("forward", "flops", 15e9, "FLOP"),
        planted_records.fact("forward", "bytes_moved", 0.5e9),
        *more,
    )


def test_the_figure_and_what_follows_from_it(tmp_path: Path) -> None:
    """Geometric mean of 0.098 s and 0.1 s x 1.0204: 0.1 s; 15 GFLOP and 0.5 GB in it."""
    window = [
        Measurement(phase="window", metric=metric, unit="1", samples=[share])
        for metric, share in (("cpu_utilisation", 0.95), ("others_share", 0.02))
    ]
    found = cells(answer(tmp_path, inference(1, 0.098, *window), inference(2, 0.1 / 0.98, *window)))
    assert value(found["time (ms)"]) == pytest.approx(100)
    assert value(found["images/s"]) == pytest.approx(80)
    assert value(found["compute (GFLOP/s)"]) == pytest.approx(150)
    assert value(found["memory traffic, upper bound (GB/s)"]) == pytest.approx(5)
    assert value(found["arithmetic intensity (FLOP/byte)"]) == pytest.approx(30)
    assert value(found["CPU use (%)"]) == pytest.approx(95)
    assert value(found["CPU use of other programs (%)"]) == pytest.approx(2)
    assert str(found["limit"]).startswith("compute-bound: at 200 GFLOP/s")
    assert found["measured"] == "2 processes, 14 samples, 12 s"


def test_what_follows_from_a_time_that_is_not_resolved_is_no_number(tmp_path: Path) -> None:
    found = cells(answer(tmp_path, inference(1, 0.05), inference(2, 0.2)))
    follow = ("images/s", "compute (GFLOP/s)", "memory traffic, upper bound (GB/s)")
    assert {name: readable(found[name]) for name in follow} == dict.fromkeys(follow, "?")


def test_the_row_of_the_step_says_what_holds_it_back(tmp_path: Path) -> None:
    (row,) = answer(tmp_path, inference(1, 0.098), inference(2, 0.102)).rows
    assert (row["metric"], row["limit"]) == ("wall_time", "compute-bound")
    assert row["nominal_share"] == pytest.approx(0.75, rel=1e-3)
    assert row["more_target"] == 0.05


def test_a_spent_budget_says_how_many_processes_are_missing(tmp_path: Path) -> None:
    """As many as narrow the moderated interval of these two, at the 4 s that one took."""
    records = [structs.replace(inference(n, s), seconds=4.0) for n, s in ((1, 0.098), (2, 0.108))]
    document = answer(tmp_path, *records, ended="budget spent")
    (row,) = document.rows
    more = row["more_processes"]
    assert isinstance(more, int)
    assert more > 0
    assert document.answer is not None
    told = document.answer.headlines[1]
    assert told.endswith(f"raise --budget (needs {more} more, about {row['more_seconds']:.0f} s).")


def test_a_training_step_has_its_phases(tmp_path: Path) -> None:
    parts = {"forward": 0.3, "backward": 0.6, "optimizer": 0.1, "step": 1.0}
    case = structs.replace(CASE, workload="training", replicate=1)
    times = [planted_records.time(phase, seconds) for phase, seconds in parts.items()]  # type: ignore[arg-type]
    found = cells(answer(tmp_path, planted_records.record(case, *times)))
    assert value(found["time (ms)"]) == pytest.approx(1000)
    assert value(found["backward (ms)"]) == pytest.approx(600)
    assert "step (ms)" not in found


def test_on_a_gpu_every_clock_has_a_line_and_waiting_is_the_limit(tmp_path: Path) -> None:
    clocks = {"device_time": 0.9, "wall_time": 1.0, "host_time": 0.95}
    records = [
        planted_records.record(
            structs.replace(CASE, device="cuda", replicate=number),
            *(planted_records.time("forward", 1e-3 * ms, metric) for metric, ms in clocks.items()),
            warnings=[CaseWarning("launch-bound", "host time is 1.06 x device time")],
            environment=planted_records.GPU_MACHINE,
        )
        for number in (1, 2)
    ]
    document = answer(tmp_path, *records)
    found = cells(document)
    times = [found[name] for name in ("device time (ms)", "time (ms)", "host time (ms)")]
    assert [value(each) for each in times] == pytest.approx([0.9, 1.0, 0.95])
    assert str(found["limit"]).startswith("launch-bound: host time is 1.06 x device time")
    assert document.answer is not None
    assert document.answer.alarms == ()


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ("budget spent", "Time budget used up before the interval was within ±5%; raise --budget"),
        ("most processes", "10 processes did not bring the interval within ±5%."),
        ("interrupted", "Interrupted: this is the figure so far."),
    ],
)
def test_a_wide_interval_says_why_it_is_wide(tmp_path: Path, ended: Ended, words: str) -> None:
    found = answer(tmp_path, inference(1, 0.05), inference(2, 0.2), ended=ended).answer
    assert found is not None
    assert found.headlines[1].startswith(words)


@pytest.mark.parametrize("ended", ["budget spent", "interrupted"])
def test_a_kept_run_says_the_command_that_goes_on(tmp_path: Path, ended: Ended) -> None:
    summary = summarise([planted_records.write(tmp_path, [inference(1, 0.05), inference(2, 0.2)])])
    plan_file.write(tmp_path, single_case.plan_of("lenet5", {"device": ("cpu",)}, until="5%"))
    document = build(TimedCase(summary=summary, until=0.05, seconds=1.0, ended=ended, kept_in=tmp_path))
    assert document is not None
    assert document.answer is not None
    assert document.answer.next_step is not None
    assert document.answer.next_step.command == f"convbench run --resume --out {tmp_path}"


def test_the_answer_is_one_sentence_with_its_interval_and_its_limit(tmp_path: Path) -> None:
    """15 GFLOP in 0.1 s are 75% of 200 GFLOP/s."""
    found = answer(tmp_path, inference(1, 0.0995), inference(2, 0.1005)).answer
    assert found is not None
    (told,) = found.headlines
    assert told.startswith("VGG-11 inference, batch 8, fp32 eager: 100 ms ±")
    assert told.endswith("(2 processes, 12 s); 80 images/s, 75% of the CPU's nominal fp32 rate.")


def test_of_an_unresolved_time_nothing_follows_in_the_answer(tmp_path: Path) -> None:
    found = answer(tmp_path, inference(1, 0.05), inference(2, 0.2)).answer
    assert found is not None
    assert found.headlines[0].endswith(" (2 processes, 12 s).")
    assert "images/s" not in found.headlines[0]


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        (
            {"precision": "bf16", "image": 64},
            "--device cpu --precision bf16 --batch 8 --threads 2 --image 64",
        ),
        (
            {"channels": 1, "tuning": "freezing", "engine": "compile"},
            "--engine compile --tuning freezing --batch 8 --threads 2 --channels 1",
        ),
    ],
)
def test_the_next_command_is_of_the_case_that_was_timed(
    tmp_path: Path, changes: dict[str, Any], command: str
) -> None:
    """With every axis in which it is not the usual one."""
    case = structs.replace(CASE, **changes)
    records = [structs.replace(each, case=case) for each in (inference(1, 0.1),)]
    found = answer(tmp_path, *records).answer
    assert found is not None
    assert found.next_step is not None
    assert found.next_step.command.endswith(command)


def test_one_process_is_marked_as_one(tmp_path: Path) -> None:
    (table,) = answer(tmp_path, inference(1, 0.1)).tables
    assert any(note.startswith("† one process") for note in table.notes)


def test_without_a_time_there_is_no_answer(tmp_path: Path) -> None:
    failed = planted_records.record(CASE, status="crashed", reason="killed")
    summary = summarise([planted_records.write(tmp_path, [failed])])
    assert build(TimedCase(summary=summary, until=0.05, seconds=1.0, ended="narrow enough")) is None
