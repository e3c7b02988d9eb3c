"""What a session knows of its cases once their processes have been measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.host.cpu_cores import core_flops, usable_cores
from bench.pytest_plugin.failed_benchmarks import ChildMemoryError, why_no_memory
from bench.pytest_plugin.gate_options import GateOptions
from bench.pytest_plugin.replicated_cases import ReplicatedCases
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Record
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.planted_records import fact, time

CASE = Case(model="vgg11", workload="training", batch=8, threads=2)
OTHER = structs.replace(CASE, model="vgg16")


def training(replicate: int, seconds: float, *warnings: CaseWarning) -> Record:
    found = [time("forward", seconds / 4), time("step", seconds), fact("step", "peak_resident", 1000)]
    found += [fact("forward", "flops", 10, "FLOP"), fact("backward", "flops", 20, "FLOP")]
    case = structs.replace(CASE, replicate=replicate)
    return planted_records.record(case, *found, fact("model", "weights", 400), warnings=warnings)


def measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch, records: Sequence[Record], budget: float | None = None
) -> ReplicatedCases:
    """After two cases were noted, with these records of them."""

    def run_kept(*given: Any, **named: Any) -> None:
        planted_records.write(folder, records)

    monkeypatch.setattr("bench.pytest_plugin.replicated_cases.run_kept", run_kept)
    run = ReplicatedCases(GateOptions(replicates=3, budget=budget), folder)
    run.note(CASE, MeasurementProtocol())
    run.note(OTHER, MeasurementProtocol())
    run.note(CASE, MeasurementProtocol())
    run.measure(lambda event: None)
    return run


def test_a_case_is_noted_once_and_planned_as_often_as_asked(tmp_path: Path) -> None:
    run = ReplicatedCases(GateOptions(replicates=3), tmp_path)
    for case in (CASE, OTHER, CASE):
        run.note(case, MeasurementProtocol(energy_seconds=10))
    plan = run.plan()
    assert (plan.cases, plan.replicates, plan.protocol.energy_seconds) == ([CASE, OTHER], 3, 0)
    assert run.announced().startswith("2 cases, 6 processes, about ")


def test_figures_are_over_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steal = CaseWarning("steal", "other virtual machines took 3.1% of CPU time")
    records = [training(1, 1.0), training(2, 1.1, steal), training(3, 1.21)]
    run = measured(tmp_path / "run", monkeypatch, records)
    found = run.find(CASE, None)
    assert (found.processes, found.seconds) == (3, (1.0, 1.1, 1.21))
    assert found.median == pytest.approx(1.1)
    assert found.interval is not None
    low, high = found.interval
    assert low < 1.0 < 1.21 < high  # of three processes
    assert (found.flops, found.peak_bytes) == (30, 1000)
    assert "steal: other virtual machines took 3.1% of CPU time" in found.warnings
    assert run.described(CASE, "step")["labels"] == ["steal", "restless"]
    assert run.find(CASE, "forward").median == pytest.approx(1.1 / 4)
    with pytest.raises(UserError, match="backwards"):
        run.find(CASE, "backwards")


def test_each_label_has_a_sentence_and_the_device_its_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's example of a label is the first case's; the other ones say what it means."""
    steal = CaseWarning("steal", "other virtual machines took 3.1% of CPU time")
    other = structs.replace(training(1, 2.0, steal), case=structs.replace(OTHER, replicate=1))
    run = measured(tmp_path / "run", monkeypatch, [training(1, 1.0, steal), other])
    assert run.find(CASE, None).warnings == ("steal: other virtual machines took 3.1% of CPU time",)
    assert run.find(OTHER, None).warnings == ("steal: other virtual machines took CPU time",)
    described = run.described(CASE, "step")
    assert described["peak_source"] == "nominal"
    rate = core_flops() * min(CASE.threads, usable_cores())
    assert described["peak_flops_per_second"] == pytest.approx(rate)


def test_what_failed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = planted_records.record(OTHER, status="oom", reason="out of memory: 4 GiB")
    run = measured(tmp_path / "run", monkeypatch, [training(1, 1.0), failed])
    with pytest.raises(ChildMemoryError, match="oom: out of memory: 4 GiB") as raised:
        run.find(OTHER, None)
    assert why_no_memory(raised.value) == str(raised.value)  # so that the JSON lists it
    with pytest.raises(UserError, match="asked for another case"):
        run.find(structs.replace(CASE, batch=1), None)


def test_what_a_budget_took_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = measured(tmp_path / "run", monkeypatch, [training(1, 1.0), training(2, 1.1)], budget=60.0)
    assert list(run.shortened()) == [f"{CASE.id} (2 of 3 processes)", f"{OTHER.id} (left out)"]
    with pytest.raises(pytest.skip.Exception, match="budget=60 ended before"):
        run.find(OTHER, None)
