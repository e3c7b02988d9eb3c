"""convbench claims and history: exit codes, what is run and what is not, and what is left in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.runner import execute as runner
from bench.runner.execute import RunResult
from bench.schema.case import Case
from bench.schema.record import Record, Status
from bench.store import RECORDS, Store
from reports.claims.claim import Claim, Judgement, statement
from reports.claims.learning import DROPOUT
from reports.claims.trained_pairs import cases_of
from reports.history import then_and_now as published
from tests.planted import planted_records
from tests.planted.commands import Answer, Command
from tests.planted.planted_claims import ON_CPU, trained


def by_id(answer: Answer) -> dict[str, dict[str, Any]]:
    """The rows of `--format json` by id of the claim."""
    return {row["id"]: row for row in answer.rows()}


class Runner:
    """Stands for `run.execute`: writes what is planted for each case, and remembers them."""

    def __init__(self, plant: Callable[[Case], Record], left: int = 0) -> None:
        self._plant, self._left = plant, left
        self.cases: list[Case] = []
        self.options: dict[str, Any] = {}

    def __call__(self, cases: Sequence[Case], protocol: object, folder: Path, **options: Any) -> RunResult:
        self.cases, self.options = list(cases), options
        records = [self._plant(case) for case in cases]
        with Store.create(folder) as store:
            for record in records:
                store.append(record)
        statuses: dict[Status, int] = {record.status: 1 for record in records}
        return RunResult(statuses=statuses, remaining=self._left, warning=None)


def learned(case: Case) -> Record:
    """The gap of 1 point with dropout and of 5 without, in every seed about so."""
    about = 0.001 * case.replicate
    test, gap = 0.9 + about, 0.05 if "dropout=0" in case.model else 0.01
    [record] = trained(case, [test], final=[test + gap + about / 3])
    return structs.replace(record, case=case)


def test_arithmetic_is_judged_at_once_and_the_rest_says_what_is_missing(command_line: Command) -> None:
    answer = command_line("claims", "--format", "json")
    rows = by_id(answer)
    assert (answer.code, answer.err) == (0, "")
    assert len(rows) == 24
    first = rows["params-alexnet"]
    assert list(first)[:8] == ["id", "verdict", "figure", "low", "high", "unit", "reason", "source"]
    assert (first["verdict"], first["figure"]) == ("true", 60_965_224)
    assert rows["dropout"]["verdict"] == "not tested"
    assert "convbench claims dropout --run" in rows["dropout"]["reason"]


def test_claims_are_chosen_by_id_and_print_as_markdown(command_line: Command) -> None:
    answer = command_line("claims", "shapes-vgg", "top5-vgg", "--format", "md")
    assert answer.code == 0
    assert "| shapes-vgg " in answer.out
    assert "25,088" in answer.out
    assert "| params-vgg " not in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["claims", "drop-out"], "Did you mean 'dropout'"),
        (["claims", "--run"], "--run needs --out FOLDER (for its records)"),
        (["claims", "--from", "/missing"], "there is no directory '/missing'"),
        (["claims", "--device", "tpu"], "unknown device 'tpu'"),
        (["claims", "--seeds", "0"], "--seeds must be a whole number from 1"),
        (["claims", "--threads", "no"], "threads must be a whole number from 1"),
        (["claims", "--format", "pdf"], "unknown format 'pdf'"),
        (["claims", "--budget", "-1"], "--budget must be a number of seconds above 0"),
        (["history", "--from", "/missing"], "there is no directory '/missing'"),
        (["history", "--run"], "--run needs --out FOLDER (for its records)"),
        (["history", "--replicates", "0"], "--replicates must be a whole number from 1"),
    ],
)
def test_bad_input_is_one_sentence(command_line: Command, arguments: list[str], words: str) -> None:
    answer = command_line(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert answer.err.startswith("convbench: ")
    assert answer.err.count("\n") == 1


def test_a_dry_run_has_only_what_no_given_run_has(command_line: Command, tmp_path: Path) -> None:
    without, with_ = (structs.replace(case, threads=1) for case in cases_of(DROPOUT, ON_CPU))
    planted_records.write(tmp_path / "known", trained(without, (0.9, 0.91)))
    arguments = ("claims", "dropout", "--dry-run", "--threads", "1", "--format", "json")
    everything = json.loads(command_line(*arguments).out)["rows"]
    rest = json.loads(command_line(*arguments, "--from", tmp_path / "known").out)["rows"]
    assert len(everything) == 6
    assert sorted((row["model"], row["replicate"]) for row in rest) == [
        (with_.model, 1),
        (with_.model, 2),
        (with_.model, 3),
        (without.model, 3),
    ]
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_run_and_then_judged_with_what_was_there(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, with_ = (structs.replace(case, threads=1) for case in cases_of(DROPOUT, ON_CPU))
    known = [learned(structs.replace(without, replicate=number)) for number in (1, 2, 3)]
    planted_records.write(tmp_path / "known", known)
    execute = Runner(learned)
    monkeypatch.setattr(runner, "run_plan", execute)
    answer = command_line(
        *("claims", "dropout", "--run", "--threads", "1", "--format", "json", "--resume"),
        *("--from", tmp_path / "known", "--out", tmp_path / "out", "--budget", "60"),
    )
    assert [case.model for case in execute.cases] == [with_.model] * 3
    assert [case.replicate for case in execute.cases] == [1, 2, 3]
    assert (execute.options["resume"], execute.options["budget_seconds"]) == (True, 60)
    assert answer.code == 0
    assert by_id(answer)["dropout"]["verdict"] == "true"
    assert by_id(answer)["dropout"]["figure"] == pytest.approx(-4.0)
    assert "True. Train accuracy minus test accuracy" in (tmp_path / "out" / "claims.md").read_text()


def test_a_case_that_several_claims_need_runs_once(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Runner(learned)
    monkeypatch.setattr(runner, "run_plan", execute)
    command_line("claims", "dropout", "relu-speed", "--run", "--seeds", "2", "--out", tmp_path / "out")
    assert len(execute.cases) == len(set(execute.cases)) == 6
    assert [case.replicate for case in execute.cases] == [1, 1, 1, 2, 2, 2]


def test_nothing_is_run_where_nothing_is_missing(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Runner(learned)
    monkeypatch.setattr(runner, "run_plan", execute)
    answer = command_line("claims", "params-vgg", "--run", "--out", tmp_path / "out")
    assert answer.code == 0
    assert not execute.cases
    assert (tmp_path / "out" / "claims.md").exists()
    assert not (tmp_path / "out" / RECORDS).exists()


def test_the_records_in_out_are_evidence_without_run(command_line: Command, tmp_path: Path) -> None:
    records = [
        learned(structs.replace(case, replicate=number))
        for case in cases_of(DROPOUT, ON_CPU)
        for number in (1, 2, 3)
    ]
    planted_records.write(tmp_path, records)
    answer = command_line("claims", "dropout", "--out", tmp_path, "--format", "json")
    assert by_id(answer)["dropout"]["verdict"] == "true"


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("skipped", 0), ("diverged", 1), ("crashed", 1)])
def test_the_exit_code_is_1_where_something_that_ran_failed(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: Status, code: int
) -> None:
    def plant(case: Case) -> Record:
        return (
            learned(case) if status == "ok" else planted_records.record(case, status=status, reason="planted")
        )

    monkeypatch.setattr(runner, "run_plan", Runner(plant))
    answer = command_line("claims", "dropout", "--run", "--out", tmp_path / "out", "--format", "json")
    assert answer.code == code
    verdict = by_id(answer)["dropout"]["verdict"]
    assert verdict == ("true" if status == "ok" else "not tested")


def test_a_budget_too_small_for_any_case_still_judges_by_arithmetic(
    command_line: Command, tmp_path: Path
) -> None:
    with Store.create(tmp_path / "run"):
        pass
    answer = command_line("claims", "params-vgg", "vgg-cost", "--out", tmp_path / "run", "--format", "json")
    assert answer.code == 0, answer.err
    assert by_id(answer)["params-vgg"]["verdict"] == "true"
    assert by_id(answer)["vgg-cost"]["verdict"] == "not tested"


def test_what_the_budget_left_is_said(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_plan", Runner(learned, left=2))
    answer = command_line("claims", "dropout", "--run", "--out", tmp_path / "out")
    assert "2 of 6 processes not measured. Continue with: convbench claims" in answer.err


def test_records_of_a_gpu_are_a_gpu_wherever_they_are_read(command_line: Command, tmp_path: Path) -> None:
    case = Case(model="alexnet", device="cuda", batch=1, threads=4)
    record = planted_records.record(
        case, planted_records.time("forward", 0.001), environment=planted_records.GPU_MACHINE
    )
    planted_records.write(tmp_path, [record])
    answer = command_line("claims", "gpu-speedup", "--from", tmp_path, "--format", "json")
    assert answer.code == 0
    assert "The records have one side only." in by_id(answer)["gpu-speedup"]["reason"]
    without = command_line("claims", "gpu-speedup", "--format", "json")
    assert "No CUDA GPU was measured." in by_id(without)["gpu-speedup"]["reason"]


@pytest.mark.slow
def test_a_claim_runs_its_case_in_a_real_process(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(model="lenet5", image=28, channels=1, classes=10, threads=1)
    tiny = Claim(
        said=statement("vgg-cost"),
        needs=lambda setting: (case,),
        judge=lambda evidence: Judgement(
            verdict="true",
            figure=evidence.times([case])[case]["forward", "wall_time"].median,
            reason="It was measured.",
        ),
    )
    monkeypatch.setattr("reports.claims.find", lambda names: (tiny,))
    arguments = ("claims", "--run", "--device", "cpu", "--out", tmp_path / "out", "--format", "json")
    answer = command_line(*arguments)
    assert answer.code == 0
    assert 0 < by_id(answer)["vgg-cost"]["figure"] < 10
    again = command_line(*arguments)
    assert again.code == 2
    assert "already contains a run" in again.err
    assert by_id(command_line(*arguments, "--resume")) == by_id(answer)


def test_history_shows_what_was_published_without_a_run(command_line: Command) -> None:
    answer = command_line("history", "--full")
    assert answer.code == 0
    assert "Titan X (Maxwell)" in answer.out
    assert "Not measured here: vgg16+dropout=0" in answer.out


@pytest.mark.slow
def test_history_runs_the_same_work_and_draws_the_speed_ups(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant(case: Case) -> Record:
        return planted_records.record(
            case, planted_records.time("forward", 1.0), planted_records.time("backward", 2.0)
        )

    execute = Runner(plant)
    monkeypatch.setattr(runner, "run_plan", execute)
    answer = command_line(
        "history", "--run", "--replicates", "2", "--threads", "1", "--out", tmp_path / "out"
    )
    assert execute.cases == published.processes("cpu", 1, 2)
    assert answer.code == 0
    assert "Measured on a CPU" in (tmp_path / "out" / "history.md").read_text()
    page = (tmp_path / "out" / "history.md").read_text()
    assert "plots/speed-up-by-year.png" in page
    assert (tmp_path / "out" / "plots" / "speed-up-by-year.svg").exists()
    listed = json.loads(command_line("history", "--from", tmp_path / "out", "--format", "json").out)["rows"]
    owt = [row for row in listed if row["model"] == "alexnet-owt" and row["library"] == "cuDNN R2"]
    assert owt[0]["speed_up"] == pytest.approx(0.231 / 3.0)


def test_a_dry_run_of_history_writes_nothing(command_line: Command, tmp_path: Path) -> None:
    answer = command_line("history", "--dry-run", "--replicates", "1", "--out", tmp_path / "out")
    assert answer.code == 0
    assert "alexnet+dropout=0/training/cpu" in answer.out
    assert not (tmp_path / "out").exists()


def test_one_section_or_all_can_be_shown(command_line: Command) -> None:
    first = command_line("claims").out
    assert "--section cost|ablation" in first
    assert "Claims about cost" not in first
    part = command_line("claims", "--section", "training").out
    assert "Claims about training" in part
    assert "Claims about cost" not in part
    assert "Claims about cost" in command_line("claims", "--full").out
    wrong = command_line("claims", "--section", "trainings")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "Did you mean 'training'" in wrong.err
