"""convbench best as a user meets it: one real search of one candidate, and searches of planted machines."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec import structs

from bench.runner import case_server
from bench.schema.agreement import Agreement
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Record
from bench.store import RECORDS, read_records
from bench.studies.ab import interleaved
from bench.studies.best import search_run
from bench.studies.max_batch import batch_runs
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command, is_one_sentence
from tests.planted.standing_server import StandingServer

TINY = (
    *("best", "lenet5", "--device", "cpu", "--batch", "2", "--threads", "1", "--layout", "nchw"),
    *("--precision", "fp32", "--engine", "eager", "--budget", "60", "--no-ceilings"),
)


@pytest.mark.slow
def test_a_real_search_of_one_candidate(tmp_path: Path) -> None:
    """It is the plain configuration, which needs no pairs and agrees with itself."""
    command = [sys.executable, "-m", "bench", *TINY, "--out", str(tmp_path / "run"), "--format", "json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row["is_winner"]
    assert row["images_per_second"] == pytest.approx(2 / row["seconds"])
    (record,) = read_records(tmp_path / "run" / RECORDS)
    assert (record.status, record.case.layout, record.protocol.give_up_seconds) == ("ok", "nchw", None)
    report = (tmp_path / "run" / "report.md").read_text()
    assert "Only fp32 eager was measured." in report
    assert {path.name for path in (tmp_path / "run").iterdir()} == {RECORDS, "report.md", ".lock", "logs"}


class Machine:
    """Measures without processes: `seconds` of a case, None for one that crashes."""

    def __init__(self, seconds: Callable[[Case], float | None]) -> None:
        self._seconds = seconds
        self.measured: list[Case] = []

    def measure(
        self,
        case: Case,
        protocol: MeasurementProtocol,
        environment: object,
        directory: Path,
        server: object,
        **_: object,
    ) -> Record:
        self.measured.append(case)
        seconds = self._seconds(case)
        if seconds is None:
            return planted_records.record(case, status="crashed", reason="planted")
        work = planted_records.fact("forward", "flops", 1e9, "FLOP")
        record = planted_records.record(case, planted_records.time("forward", seconds), work)
        return structs.replace(record, protocol=protocol)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Case], float | None]], Machine]:
    """A function that puts a planted machine in the place of the real one."""

    def place(seconds: Callable[[Case], float | None]) -> Machine:
        placed = Machine(seconds)
        agreement = msgspec.json.encode(Agreement(images=64, agreeing=64, near_ties=0, relative_error=0.01))
        monkeypatch.setattr(case_server, "Server", lambda **_: StandingServer(None))
        for module in (search_run, interleaved):
            monkeypatch.setattr(module, "attempt", placed.measure)
        monkeypatch.setattr(interleaved, "_check", lambda trial, index: planted_records.MACHINE)
        monkeypatch.setattr(search_run, "unrunnable", lambda cases, server: {})
        monkeypatch.setattr(search_run, "ask_child", lambda *_, **__: agreement)
        return placed

    return place


Place = Callable[[Callable[[Case], float | None]], Machine]
SEARCH = ("best", "lenet5", "--device", "cpu", "--threads", "2", "--no-ceilings", "--format", "json")
BF16 = {"bf16": 0.3, "channels-last": 0.6, "compile": 0.8, "compile-max-autotune": 0.9, "freezing": 0.9}


def by_value(case: Case) -> float:
    """A step's time as a product of what the values do to it; each process is off by up to 2%."""
    factors = [BF16.get(value, 1.0) for value in (case.precision, case.layout, case.engine, case.tuning)]
    return math.prod(factors) * (2 if case.threads == 1 else 1) * (1 + 0.01 * (case.replicate % 3 - 1))


def test_the_planted_winner_is_confirmed_by_pairs_with_the_plain_one(
    tmp_path: Path, machine: Place, command_line: Command
) -> None:
    machine(by_value)
    answer = command_line(*SEARCH, "--out", tmp_path / "run", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    winner = answer.rows()[0]
    assert winner["is_winner"]
    assert [winner[axis] for axis in ("precision", "layout", "engine", "tuning", "threads")] == [
        *("bf16", "channels-last", "compile", "freezing", 2),
    ]
    report = (tmp_path / "run" / "report.md").read_text()
    speed = 1 / (0.3 * 0.6 * 0.8 * 0.9)
    assert f"{speed:.1f}x as fast as fp32 eager ({speed:.1f}x to {speed:.1f}x, 8 pairs)" in report
    assert "--tuning freezing" in report


def test_a_finished_search_is_resumed_without_measuring_anything(
    tmp_path: Path, machine: Place, command_line: Command
) -> None:
    machine(by_value)
    first = command_line(*SEARCH, "--out", tmp_path / "run")
    again = machine(by_value)
    second = command_line(*SEARCH, "--out", tmp_path / "run", "--resume")
    assert (second.code, second.out) == (0, first.out)
    assert again.measured == []
    refused = command_line(*SEARCH, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "already contains a run" in refused.err


def test_a_rival_that_is_faster_in_every_pair_becomes_the_answer(
    tmp_path: Path, machine: Place, command_line: Command
) -> None:
    """In the search the first layout was lucky; in pairs the other is 4% faster."""
    placed = machine(
        lambda case: 1.0 if case.layout == "nchw" else 1.01 if len(placed.measured) <= 2 else 0.96
    )
    axes = ("--precision", "bf16", "--engine", "eager", "--threads", "2")
    answer = command_line(*SEARCH, *axes, "--out", tmp_path / "run")
    assert answer.code == 0
    assert [row["layout"] for row in answer.rows() if row["is_winner"]] == ["channels-last"]
    report = (tmp_path / "run" / "report.md").read_text()
    assert "bf16, nchw, eager, 2 threads led in the search; in 8 pairs it is slower." in report


def test_the_largest_batch_is_found_for_the_winner_and_tried_with_its_parts(
    tmp_path: Path, machine: Place, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Larger batches give more images a second; the plain one is then measured at the winner's batch."""
    machine(lambda case: by_value(case) * (case.batch / 8) ** 0.9)
    asked: list[Case] = []

    def largest(
        request: batch_runs.BatchRequest, directory: Path, on_progress: object
    ) -> list[SimpleNamespace]:
        asked.extend(request.cases)
        return [SimpleNamespace(verified=40)]

    monkeypatch.setattr(batch_runs, "find_largest", largest)
    answer = command_line(*SEARCH, "--max-batch", "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    assert [(case.precision, case.engine, case.batch) for case in asked] == [("bf16", "compile", 8)]
    assert {row["batch"] for row in answer.rows()} == {8, 10, 20, 40}
    assert answer.rows()[0]["batch"] == 40
    assert "LeNet-5 inference, batch 40: " in (tmp_path / "run" / "report.md").read_text()
    assert {record.case.batch for record in read_records(tmp_path / "run" / "pairs-1" / "a" / RECORDS)} == {
        40
    }


def test_what_fails_is_in_the_table_and_where_all_fails_the_exit_code_says_so(
    tmp_path: Path, machine: Place, command_line: Command
) -> None:
    machine(lambda case: None if case.precision == "bf16" else by_value(case))
    answer = command_line(*SEARCH, "--out", tmp_path / "some")
    assert answer.code == 0
    failed = [row for row in answer.rows() if row["failure"]]
    assert {(row["precision"], row["failure"]) for row in failed} == {("bf16", "crashed: planted")}
    machine(lambda case: None)
    answer = command_line(*SEARCH, "--out", tmp_path / "none")
    assert answer.code == 1
    assert all(row["failure"] for row in answer.rows())


def test_a_spent_budget_reports_what_was_measured(
    tmp_path: Path, machine: Place, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the clock is a second later: the search stops in time for pairs, and they stop too."""
    machine(by_value)
    seconds = count()
    monkeypatch.setattr(search_run, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    answer = command_line(*SEARCH, "--budget", "20", "--out", tmp_path / "run")
    assert answer.code == 3
    assert "time budget used up before the search was complete. Continue with: convbench best" in answer.err
    assert 1 < len(answer.rows()) < 10
    report = (tmp_path / "run" / "report.md").read_text()
    assert "The budget ended the search before everything was tried" in report


def test_no_pair_begins_that_the_budget_has_no_time_for(
    tmp_path: Path, machine: Place, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server takes 5 s by the clock of the search: a pair needs 10 s, and its checks 10 more."""
    placed = machine(by_value)
    seconds = count(step=5)
    monkeypatch.setattr(search_run, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    options = ("--precision", "fp32", "--engine", "eager", "--budget", "60", "--out", tmp_path / "run")
    assert command_line(*SEARCH, *options).code == 3
    assert len(placed.measured) < 5
    assert not list((tmp_path / "run").glob("pairs-*"))
    assert "not compared (the budget was used up)" in (tmp_path / "run" / "report.md").read_text()


def test_a_dry_run_shows_what_would_be_tried_and_writes_nothing(
    tmp_path: Path, command_line: Command
) -> None:
    options = ("--device", "cpu", "--dry-run", "--out", tmp_path / "run")
    answer = command_line("best", "lenet5", "--precision", "fp32,bf16", *options)
    assert (answer.code, answer.err) == (0, "")
    assert "LeNet-5 inference, batch 8: tries up to" in answer.out
    assert "Values to choose from" in answer.out
    rows = command_line("best", "lenet5", "--precision", "fp32,bf16", *options, "--format", "json").rows()
    assert {(row["precision"], row["layout"], row["engine"]) for row in rows} == {
        (precision, layout, "eager") for precision in ("fp32", "bf16") for layout in ("nchw", "channels-last")
    }
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("vgg-61",), "Did you mean"),
        (("lenet5", "--precision", "bf61"), "Did you mean 'bf16'"),
        (("lenet5", "--workload", "inference,training"), "best needs a single workload, got 2"),
        (("lenet5", "--engine", "eager", "--tuning", "freezing"), "freezing is for engines that compile"),
        (("lenet5", "--precision", "tf32", "--device", "cpu"), "tf32 needs an NVIDIA GPU"),
        (("lenet5", "--image", "8"), "no configuration can run on this machine"),
        (("lenet5", "--budget", "0"), "--budget must be a number of seconds above 0"),
        (("lenet5", "--format", "htm"), "unknown format"),
        (("lenet5", "--from", "/no/such/run"), "there is no directory"),
    ],
)
def test_bad_input_is_a_sentence_and_2(
    tmp_path: Path, command_line: Command, arguments: tuple[str, ...], problem: str
) -> None:
    answer = command_line("best", *arguments, "--out", tmp_path / "out")
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert problem in answer.err
    assert not (tmp_path / "out").exists()


def test_a_search_does_not_go_on_in_another_ones_folder(
    tmp_path: Path, machine: Place, command_line: Command
) -> None:
    machine(by_value)
    assert command_line(*SEARCH, "--out", tmp_path / "run").code == 0
    again = machine(by_value)
    refused = command_line(*SEARCH, "--image", 64, "--out", tmp_path / "run", "--resume")
    assert refused.code == 2
    assert "which is no part of this search: choose another folder" in refused.err
    assert again.measured == []
