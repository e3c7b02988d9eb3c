"""How a command says where its records are and how to go on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.cli import kept_run
from bench.runner import execute as runner
from bench.runner.events import Progress
from bench.runner.execute import RunResult
from bench.runner.plan_file import PLAN
from bench.schema.case import Case
from tests.planted.commands import Command


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planted(monkeypatch: pytest.MonkeyPatch, result: RunResult | BaseException) -> list[Path]:
    """What stands for a run; the folders that it is given."""
    folders: list[Path] = []

    def execute(planned: object, protocol: object, directory: Path, **options: object) -> RunResult:
        folders.append(directory)
        if options.get("plan") is not None:
            directory.mkdir(parents=True)
            (directory / PLAN).touch()
        options["on_progress"](Progress(case=Case(model="lenet5"), done=14, total=38))  # type: ignore[operator]
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(runner, "run_plan", execute)
    return folders


def test_a_run_is_saved_to_the_first_free_number(
    command_line: Command, in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_folder / "runs" / "1").mkdir(parents=True)
    folders = planted(monkeypatch, RunResult(statuses={}, remaining=0, warning=None))
    answer = command_line("run", "--model", "lenet5")
    assert folders == [Path("runs/2")]
    assert answer == (0, "", "convbench: saving to runs/2\n")
    assert command_line("run", "--model", "lenet5", "--quiet").err == ""


def test_what_the_budget_leaves_has_a_code_of_its_own_and_a_command(
    command_line: Command, in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, RunResult(statuses={}, remaining=3, warning=None))
    answer = command_line("run", "--model", "lenet5", "--replicates", 4, "--budget", "10m", "-q")
    left = "time budget used up, 3 of 4 processes not measured"
    said = f"convbench: {left}. Continue with: convbench run --resume --out runs/1\n"
    assert answer == (3, "", said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "run --model lenet5 -q",
            "interrupted; 14 of 38 processes are saved in runs/1. "
            "Continue with: convbench run --resume --out runs/1",
        ),
        (
            "layers lenet5 --out x --device cpu -q",
            "interrupted; 14 of 38 processes are saved in x. "
            "Continue with: convbench layers lenet5 --out x --device cpu -q --resume",
        ),
        (
            "ceilings --device cpu -q",
            "interrupted; nothing was saved: add --out FOLDER to keep finished processes",
        ),
    ],
)
def test_ctrl_c_says_what_is_saved_and_how_to_continue(
    command_line: Command, in_folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    planted(monkeypatch, KeyboardInterrupt())
    assert command_line(*line.split()) == (130, "", f"convbench: {said}\n")


def test_resuming_needs_a_folder(command_line: Command) -> None:
    for line in ("run --resume", "train lenet5 --resume", "layers lenet5 --device cpu --resume"):
        assert command_line(*line.split()) == (
            2,
            "",
            "convbench: --resume needs --out FOLDER (the run to continue)\n",
        )


def test_a_folder_without_a_plan_needs_the_whole_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One of before plans were kept, for which `run --resume` must be told what to measure."""
    kept_run.current.begin(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["convbench", "run", "--suite", "smoke", "--resume", "--out", str(tmp_path)]
    )
    command = f"convbench run --suite smoke --out {tmp_path} --resume"
    assert kept_run.how_to_continue() == f". Continue with: {command}"
    (tmp_path / PLAN).touch()
    short = f". Continue with: convbench run --resume --out {tmp_path}"
    assert kept_run.how_to_continue() == short
    monkeypatch.setattr(sys, "argv", ["convbench", "time", "vgg16", "--out", str(tmp_path)])
    assert kept_run.how_to_continue() == short


def test_a_command_that_cannot_resume_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_run.current.begin(Path("x"))
    monkeypatch.setattr(sys, "argv", ["convbench", "ab"])
    assert kept_run.how_to_continue() == ""
    monkeypatch.setattr(sys, "argv", ["convbench", "train", "my net", "--out=a b"])
    assert kept_run.how_to_continue() == ". Continue with: convbench train 'my net' '--out=a b' --resume"
