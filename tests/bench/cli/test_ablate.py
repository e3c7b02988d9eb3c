"""convbench ablate as a user meets it: plan, run, resume, report, and one sentence for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.schema.record import Record
from bench.store import RECORDS
from reports.ablations.phase_work import case_work
from tests.planted.commands import ROOT, Command

TINY = (
    "dropout",
    "--model",
    "lenet5",
    "--device",
    "cpu",
    "--batch",
    "1",
    "--threads",
    "1",
    "--replicates",
    "1",
    "--seeds",
    "1",
    "--epochs",
    "1",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all that an ablation does, by a process of its own: four timed cases and two trained."""
    folder = tmp_path_factory.mktemp("ablate") / "run"
    command = [sys.executable, "-m", "bench", "ablate", *TINY, "--out", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    return folder


def records(folder: Path) -> list[Record]:
    return [msgspec.json.decode(line, type=Record) for line in (folder / RECORDS).read_bytes().splitlines()]


@pytest.mark.slow
def test_a_run_times_and_trains_both_forms_and_writes_its_report(run: Path) -> None:
    found = records(run)
    assert [record.status for record in found] == ["ok"] * 6
    assert {(record.case.model, record.case.workload) for record in found} == {
        (model, workload)
        for model in ("lenet5", "lenet5+dropout=0.5")
        for workload in ("inference", "training", "accuracy")
    }
    report = (run / "report.md").read_text()
    for title in ("### Dropout: speed", "### Dropout: accuracy", "Dropout, LeNet-5, base 0"):
        assert title in report
    assert "plots/ablation-dropout-accuracy.png" in report
    assert (run / "plots" / "ablation-dropout-accuracy.svg").read_bytes()


@pytest.mark.slow
def test_what_was_counted_is_the_closed_form(run: Path) -> None:
    for record in records(run):
        if record.case.workload == "training":
            closed = case_work(record.case)
            counted = {
                (one.phase, one.metric): one.samples[0] for one in record.measurements if one.unit != "s"
            }
            assert counted["model", "parameters"] == closed.parameters
            assert counted["forward", "flops"] == closed.work["forward"].flops
            assert counted["backward", "flops"] == closed.work["backward"].flops


@pytest.mark.slow
def test_a_finished_run_is_resumed_without_running_anything_and_reported_again(
    run: Path, command_line: Command
) -> None:
    before = (run / RECORDS).read_bytes()
    code, out, err = command_line("ablate", *TINY, "--out", run, "--resume", "--format", "json")
    assert code == 0
    [where_the_time_went, where_the_report_is] = err.splitlines()
    assert where_the_report_is.startswith("convbench: report: ")
    assert "measuring" not in where_the_time_went
    assert (run / RECORDS).read_bytes() == before
    metrics = {row["metric"] for row in json.loads(out)["rows"]}
    assert {"training step", "inference forward", "test accuracy", "parameters"} <= metrics


@pytest.mark.slow
def test_a_folder_is_reported_without_the_machine_that_filled_it(run: Path, command_line: Command) -> None:
    code, out, err = command_line(
        "ablate", "dropout", "--model", "lenet5", "--report-only", "--out", run, "--format", "md"
    )
    assert (code, err) == (0, "")
    assert "### Dropout: accuracy" in out
    code, out, err = command_line("report", run)
    assert (code, err) == (0, "")
    assert "lenet5+dropout=0.5" in out


@pytest.mark.slow
def test_a_used_folder_is_refused_without_resume(run: Path, command_line: Command) -> None:
    code, _, err = command_line("ablate", *TINY, "--out", run)
    assert code == 2
    assert "already contains a run" in err


def test_a_dry_run_writes_nothing(tmp_path: Path, command_line: Command) -> None:
    code, out, err = command_line("ablate", "all", "--out", tmp_path / "x", "--threads", 2, "--dry-run")
    assert (code, err) == (0, "")
    assert "processes" in out
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--level", "block", "--batch", "1", "--replicates", "2"), 2 * 50),
        # four networks and their six forms, inference and training; vgg-small and its form are trained
        (("--level", "network", "--replicates", "1", "--seeds", "1"), 2 * 10 + 2),
        (("--level", "network", "--replicates", "0", "--seeds", "2"), 2 * 2),
    ],
)
def test_the_options_make_the_plan(
    tmp_path: Path, command_line: Command, options: tuple[str, ...], count: int
) -> None:
    code, out, _ = command_line(
        "ablate", "kernels", *options, "--out", tmp_path / "x", "--dry-run", "--format", "json"
    )
    assert code == 0
    assert len(json.loads(out)["rows"]) == count


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("kernel",), "Did you mean 'kernels'"),
        (("norm", "--level", "network,block"), "unknown level"),
        (("norm", "--level", "block"), "--level block is for the ablation kernels, not for norm"),
        (("kernels", "--level", "block", "--model", "vgg11"), "--level block takes no --model"),
        (("kernels", "--model", "vgg99"), "unknown model 'vgg99'"),
        (("kernels", "--model", "torchvision:vgg11"), "ablations need built-in networks"),
        (("depth", "--model", "alexnet"), "alexnet has no other depth"),
        (("norm", "--seeds", "-1"), "--seeds must be a whole number from 0"),
        (("norm", "--replicates", "many"), "--replicates must be a whole number from 0"),
        (("norm", "--seeds", "0", "--replicates", "0"), "nothing to measure"),
        (("init", "--seeds", "0"), "nothing to measure"),
        (("norm", "--epochs", "0"), "epochs must be a whole number from 1"),
        (("norm", "--epochs", ""), "must be FIELD=VALUE"),
        (("norm", "--batch", "0"), "batch must be a whole number from 1"),
        (("norm", "--precision", "fp23"), "Did you mean 'fp32'"),
        (("norm", "--precision", "tf32", "--device", "cpu"), "can run on this machine"),
        (("norm", "--budget", "no"), "--budget must be a number of seconds above 0"),
        (("norm", "--format", "xml"), "unknown format 'xml'"),
        (("norm", "--report-only"), "there is no directory"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, command_line: Command, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = command_line("ablate", *arguments, "--out", tmp_path / "x")
    assert (code, out) == (2, "")
    assert err.startswith("convbench: ")
    assert err.count("\n") == 1
    assert words in err
    assert not (tmp_path / "x").exists()
