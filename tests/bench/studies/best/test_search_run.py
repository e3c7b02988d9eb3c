"""A search keeps to its budget: by a planted clock, whatever its processes and servers take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import msgspec
import pytest
from msgspec import structs

from bench.forkserver.outcome import Outcome
from bench.runner import attempt, case_server
from bench.schema import job
from bench.schema.agreement import AGREE, Agreement
from bench.schema.case import Case
from bench.store import RECORDS, read_records
from bench.studies.ab import interleaved
from bench.studies.best import search_run
from tests.planted import planted_records
from tests.planted.commands import Command

SERVER_SECONDS = 6.0
SEARCH = ("best", "lenet5", "--device", "cpu", "--threads", "2")


class PlantedMachine:
    """A clock, and servers whose children take `seconds` of it; one that takes longer than it may is stopped.

    children  of each child its question, its limit, and the seconds that were left of the budget
    """

    def __init__(self, budget: float, seconds: Callable[[str, Case | None], float]) -> None:
        self.now = 0.0
        self.children: list[tuple[str, float, float]] = []
        self._budget, self._seconds = budget, seconds

    def server(self, **_: object) -> Self:
        return self

    def begin(self) -> None:
        """Its import takes no core from another's: entering counts it."""

    def __enter__(self) -> Self:
        self.now += SERVER_SECONDS
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def knows(self, field: str) -> bool:
        return True

    def run(self, question: str, argument: bytes, *, time_limit_seconds: float, **_: object) -> Outcome:
        self.children.append((question, time_limit_seconds, self._budget - self.now))
        asked = None if question == AGREE else msgspec.json.decode(argument, type=job.Job)
        needed = self._seconds(question, asked.case if asked else None)
        self.now += min(needed, time_limit_seconds)
        if needed > time_limit_seconds:
            return Outcome(kind="timeout", reason="planted", seconds=time_limit_seconds)
        return Outcome(kind="result", result=_answer(asked), seconds=needed)


def _answer(asked: job.Job | None) -> bytes:
    if asked is None:
        return msgspec.json.encode(Agreement(images=64, agreeing=64, near_ties=0, relative_error=0.01))
    if asked.case.workload == "ceiling":
        record = planted_records.record(asked.case)
    else:
        record = planted_records.record(asked.case, planted_records.time("forward", _step(asked.case)))
    record = structs.replace(record, protocol=asked.protocol)
    return msgspec.json.encode(job.JobResult(record=record, first_step_at=None))


def _step(case: Case) -> float:
    return 0.001 * (0.5 if case.precision == "bf16" else 1) * (1 + 0.01 * (case.replicate % 3))


Search = Callable[..., PlantedMachine]


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command_line: Command) -> Search:
    """Search on a planted machine with this budget, in `tmp_path`/run."""

    def run(budget: float, seconds: Callable[[str, Case | None], float], *options: str) -> PlantedMachine:
        machine = PlantedMachine(budget, seconds)
        for module in (search_run, interleaved, attempt):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: machine.now))
        monkeypatch.setattr(case_server, "Server", machine.server)
        monkeypatch.setattr(interleaved, "_check", lambda trial, index: planted_records.MACHINE)
        monkeypatch.setattr(search_run, "unrunnable", lambda cases, server: {})
        axes = ("--precision", "fp32,bf16", "--engine", "eager", *options)
        answer = command_line(*SEARCH, *axes, "--budget", budget, "--out", tmp_path / "run")
        assert answer.code in (0, 3), answer.err
        return machine

    return run


def _three_seconds(question: str, case: Case | None) -> float:
    return 3.0


@pytest.mark.parametrize("budget", [20, 40, 100, 600])
@pytest.mark.parametrize("seconds", [0.5, 3, 30, 1e6])
def test_no_process_gets_more_than_what_is_left_and_a_tenth(
    search: Search, budget: float, seconds: float
) -> None:
    """The first candidate takes little, so that there is an answer; the others take as long as is planted."""
    first: list[Case | None] = []

    def needed(question: str, case: Case | None) -> float:
        first.append(case)
        return 0.5 if len(first) == 1 else seconds

    machine = search(budget, needed)
    assert len(machine.children) > 1
    for question, limit, left in machine.children:
        assert limit <= max(1.0, 1.1 * left) + 1e-9, question
    assert machine.now <= 1.1 * budget + SERVER_SECONDS


def test_ceilings_are_measured_inside_the_budget(search: Search, tmp_path: Path) -> None:
    machine = search(600, _three_seconds)
    records = list(read_records(tmp_path / "run" / RECORDS))
    assert [record.status for record in records if record.case.workload == "ceiling"] == ["ok"]
    assert machine.now <= 600


def test_ceilings_for_which_no_time_is_left_are_left_out_with_a_sentence(
    search: Search, tmp_path: Path
) -> None:
    """And found by the same command with --resume, which has its budget anew."""
    search(20, _three_seconds)
    report = tmp_path / "run" / "report.md"
    assert "% of peak: not measured, since the budget had less than the" in report.read_text()
    records = list(read_records(tmp_path / "run" / RECORDS))
    assert not [record for record in records if record.case.workload == "ceiling"]
    search(600, _three_seconds, "--resume")
    assert "since the budget had less" not in report.read_text()


def test_only_what_is_searched_is_imported(monkeypatch: pytest.MonkeyPatch, search: Search) -> None:
    """Inductor takes seconds to import, of a budget that may have few."""
    asked: list[tuple[str, ...]] = []
    planted = PlantedMachine.server

    def server(self: PlantedMachine, preload: tuple[str, ...] = (), **_: object) -> PlantedMachine:
        asked.append(preload)
        return planted(self)

    monkeypatch.setattr(PlantedMachine, "server", server)
    search(200, _three_seconds)
    assert asked
    assert not [kinds for kinds in asked if "compiled" in kinds]
