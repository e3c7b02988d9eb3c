"""convbench time: planted processes, and once a real network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from bench.runner import execute
from bench.runner.events import OnProgress, Progress
from bench.runner.execute import RunResult
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Record
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command, is_one_sentence

CASE = Case(model="lenet5", image=28, channels=1, classes=10, threads=2)
Plant = Callable[..., None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Processes of `lenet5` that a run would have, and how it ends: an exception, or None."""
    monkeypatch.setattr("bench.host.cpu_cores.usable_cores", lambda: 2)

    def give(*records: Record, then: BaseException | None = None, remaining: int = 0) -> None:
        def run_kept(
            plan: KeptPlan,
            directory: Path,
            *,
            resume: bool,
            budget_seconds: float | None,
            on_progress: OnProgress,
            began: float,
            is_firm: bool,
        ) -> RunResult:
            assert is_firm
            for number, record in enumerate(records, start=1):
                on_progress(Progress(case=record.case, done=number - 1, total=len(records)))
                planted_records.write(directory, records[:number])
                on_progress(Progress(case=record.case, done=number, total=len(records), record=record))
            if then is not None:
                raise then
            return RunResult(statuses={}, remaining=remaining, warning=None)

        monkeypatch.setattr(execute, "run_kept", run_kept)

    return give


def process(number: int, seconds: float) -> Record:
    case = structs.replace(CASE, replicate=number)
    flops = planted_records.fact("forward", "flops", 846_864, "FLOP")
    return planted_records.record(case, planted_records.time("forward", seconds), flops)


def failed(number: int, reason: str = "killed by signal 9") -> Record:
    case = structs.replace(CASE, replicate=number)
    return planted_records.record(case, status="crashed", reason=reason)


def test_the_answer_in_json(command_line: Command, plant: Plant) -> None:
    plant(process(1, 0.002), process(2, 0.002))
    answer = command_line("time", "lenet5", "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    (row,) = answer.rows()
    assert (row["model"], row["phase"], row["metric"], row["processes"]) == (
        "lenet5",
        "forward",
        "wall_time",
        2,
    )
    assert row["median"] == pytest.approx(0.002)
    assert row["images_per_second"] == pytest.approx(500)


def test_nothing_is_kept_unless_a_folder_is_named(
    command_line: Command, plant: Plant, tmp_path: Path
) -> None:
    plant(process(1, 0.002), process(2, 0.002))
    assert command_line("time", "lenet5", "--out", tmp_path / "kept").code == 0
    assert {"records.jsonl", "report.md"} <= {path.name for path in (tmp_path / "kept").iterdir()}


def test_ctrl_c_gives_the_figure_so_far(command_line: Command, plant: Plant) -> None:
    plant(process(1, 0.002), then=KeyboardInterrupt())
    answer = command_line("time", "lenet5")
    assert answer.code == 130
    assert "2.00 ms" in answer.out
    assert "Interrupted: this is the figure so far." in answer.out


def test_ctrl_c_before_the_first_figure_is_an_interrupt_like_any(command_line: Command, plant: Plant) -> None:
    plant(then=KeyboardInterrupt())
    answer = command_line("time", "lenet5")
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.startswith("convbench: interrupted")


def test_a_process_that_is_killed_costs_its_own_figure_alone(command_line: Command, plant: Plant) -> None:
    plant(process(1, 0.002), failed(2), process(3, 0.002))
    answer = command_line("time", "lenet5")
    assert answer.code == 1
    assert "(2 processes" in answer.out
    assert "1 crashed: killed by signal 9" in answer.out


def test_a_model_that_fails_at_once_is_one_sentence(command_line: Command, plant: Plant) -> None:
    plant(failed(1, "ValueError: no such width"))
    answer = command_line("time", "lenet5")
    assert (answer.code, answer.out) == (1, "")
    assert is_one_sentence(answer.err)
    assert "ended as crashed: ValueError: no such width" in answer.err


def test_a_spent_budget_ends_with_what_there_is(command_line: Command, plant: Plant) -> None:
    plant(process(1, 0.002), remaining=1)
    answer = command_line("time", "lenet5", "--budget", "1e-9", "--until", "0.1%", "--full")
    assert answer.code == 3
    said = "time budget used up, 1 process not measured. Add --out FOLDER to be able to continue"
    assert answer.err == f"convbench: {said}\n"
    assert "1 process, 7 samples" in answer.out
    assert "Time budget used up before the interval was within ±0.1%" in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("lenet5", "--batch", "1,8"),
            "--batch must be a single value here, got 2. `convbench run` takes several",
        ),
        (("vgg*",), "time measures one network, got 11"),
        (("lenet6",), "Did you mean 'lenet5'"),
        (("lenet5", "--budget", "0"), "--budget must be a number of seconds above 0"),
        (("lenet5", "--until", "wide"), "--until must be a number above 0"),
        (("lenet5", "--batch", "none"), "batch must be a whole number"),
        (("lenet5", "--format", "jsn"), "Did you mean 'json'"),
        (("nowhere.py:build",), "nowhere.py"),
        (("lenet5", "--device", "cuda"), "run on this machine"),
    ],
)
def test_bad_input_is_one_sentence(command_line: Command, arguments: tuple[str, ...], words: str) -> None:
    answer = command_line("time", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert words in answer.err


def test_a_real_network_in_one_process(command_line: Command) -> None:
    answer = command_line("time", "lenet5", "--threads", "1", "--budget", "1", "--until", "100%")
    assert answer.code in (0, 3)  # whether there is time for a second process
    assert "images/s" in answer.out
    assert "process" in answer.out


@pytest.mark.slow
def test_a_real_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    """A terminal sends it to every process of the command."""
    boot = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.cli; bench.cli.main()"
    words = ["time", "lenet5", "--until", "0.001%", "--budget", "600", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-P", "-c", boot, *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        records = tmp_path / "out" / "records.jsonl"
        deadline = time.monotonic() + 120
        while not (records.exists() and records.read_bytes().count(b"\n")) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(started.pid, signal.SIGINT)
        out, err = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "Interrupted: this is the figure so far." in out
    assert "Traceback" not in err
