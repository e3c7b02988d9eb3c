"""convbench fleet run on this host: cells of its CPU, and a program in the place of convbench."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.fleet import dispatch, fleet_folder, job_files, node_states
from bench.record_lines import read_records
from bench.schema.fleet_plan import FleetPlan
from bench.store import RECORDS
from tests.planted.commands import ROOT, Command, is_one_sentence
from tests.planted.slurm_cluster import wait_until

STUB = f"{sys.executable} {ROOT / 'tests' / 'planted' / 'quick_convbench.py'}"
MEASURED = ("--suite", "smoke", "--model", "lenet5", "--precision", "fp32", "--replicates", 2)
"""Two cases, inference and training: four processes."""


def fates(**of: str) -> str:
    """A line of set-up: what befalls which node."""
    cases = "".join(f" {node}) export PLANTED={fate};;" for node, fate in of.items())
    return f'case "$CONVBENCH_NODE_NAME" in{cases} esac'


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_SOONEST", 0.1)


def test_cells_are_measured_one_after_the_other_and_named(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    answer = command_line("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 2)
    assert answer.code == 0, answer.err
    assert "2 of 2 nodes are complete." in answer.out
    assert f"convbench fleet report {out}" in answer.out
    said = [line.removeprefix("convbench: ") for line in answer.err.splitlines()]
    assert [line for line in said if line.endswith("complete")] == ["cell1: complete", "cell2: complete"]
    for node in ("cell1", "cell2"):
        records = list(read_records(out / "nodes" / node / "1" / RECORDS))
        assert len(records) == 4
        assert {each.environment.host for each in records if each.environment} == {node}
    plan = fleet_folder.read(out)
    assert plan.arguments[:3] == ("run", "--suite", "smoke")
    assert plan.arguments[plan.arguments.index("--device") :][:2] == ("--device", "cpu")
    again = command_line("fleet", "status", out)
    assert (again.code, "2 of 2 nodes are complete." in again.out) == (0, True)


def test_gaps_have_a_code_a_reason_and_a_log_and_resume_needs_only_out(
    command_line: Command, tmp_path: Path
) -> None:
    out = tmp_path / "fleet"
    setup = fates(cell1="bad", cell2="crash")
    answer = command_line(
        "fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 3, "--setup", setup
    )
    assert answer.code == 3
    assert "1 of 3 nodes is complete, 2 failed." in answer.out
    assert "unknown model 'lenet6'" in answer.out
    rows = {row["node"]: row for row in command_line("fleet", "status", out, "--json").rows()}
    assert rows["cell1"]["exit_code"] == 2
    assert (rows["cell2"]["done"], rows["cell2"]["planned"], rows["cell2"]["is_gap"]) == (3, 4, True)
    again = command_line("fleet", "run", "--resume", "--out", out, "--setup", ":", "-q")
    assert (again.code, "3 of 3 nodes are complete." in again.out) == (0, True), again
    assert not (out / "nodes" / "cell3" / "2").exists()
    second = list(read_records(out / "nodes" / "cell2" / "2" / RECORDS))
    assert len({each.case for each in second}) == len(second) == 4


def test_a_case_that_failed_for_good_is_exit_code_1(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    answer = command_line(
        *("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 1),
        *("--setup", fates(cell1="oom")),
    )
    assert (answer.code, "1 process failed" in answer.out) == (1, True)


def test_a_setup_that_fails_is_said(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    answer = command_line(
        *("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 1),
        *("--setup", "module load no-such-module"),
    )
    assert answer.code == 3
    assert "the setup of this node failed with exit code 127" in answer.out


def test_a_full_disk_on_a_node_is_a_gap(command_line: Command, tmp_path: Path) -> None:
    """What a job may write is limited on one node, as a full disk limits it."""
    out = tmp_path / "fleet"
    limit = '[ "$CONVBENCH_NODE_NAME" != cell1 ] || ulimit -f 1'
    answer = command_line(
        *("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 2, "--setup", limit),
    )
    assert answer.code == 3
    assert "cell1 printed last: convbench: cannot use" in answer.out
    assert "File too large" in " ".join(answer.out.split())


def test_a_folder_that_one_node_cannot_use_is_a_gap(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    spoil = 'if [ "$CONVBENCH_NODE_NAME" = cell1 ]; then touch "' + str(out) + '/nodes/cell1/1"; fi'
    answer = command_line(
        *("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 2, "--setup", spoil),
    )
    assert answer.code == 3
    assert "1 of 2 nodes is complete, 1 failed." in answer.out


def test_the_time_limit_of_a_job_ends_it(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    site = ("--setup", fates(cell1="stuck"), "--job-time", "4s")
    plan = begun(out, *site)
    assert plan.site.job_seconds == 4
    wait_until(lambda: node_states.states_of(out)[0].state == "timed out", 90)


def begun(out: Path, *more: str) -> FleetPlan:
    """The command in a process of its own, which is killed when its first record has come: its plan."""
    process = started(out, *more)
    wait_until((out / "nodes" / "cell1" / "1" / RECORDS).exists, 60)
    if "--job-time" not in more:
        process.kill()
    process.wait(90)
    return fleet_folder.read(out)


def started(out: Path, *more: str) -> subprocess.Popen[bytes]:
    words = [
        "fleet",
        "run",
        *map(str, MEASURED),
        "--convbench",
        STUB,
        "--out",
        str(out),
        "--nodes",
        "1",
        *more,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def job_process(out: Path) -> psutil.Process:
    (kept,) = out.glob("jobs/*-cell1-1.pid")
    return psutil.Process(json.loads(kept.read_bytes())["pid"])


def test_a_killed_command_is_resumed_without_a_second_job(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    begun(out, "--setup", fates(cell1="slow"))
    assert job_process(out).is_running()
    assert "running" in command_line("fleet", "status", out).out
    answer = command_line("fleet", "run", "--resume", "--out", out)
    assert (answer.code, "1 of 1 node is complete." in answer.out) == (0, True), answer
    assert [job.attempt for job in job_files.kept_jobs(out)["cell1"]] == [1]


def test_cancel_works_when_the_command_is_gone(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    begun(out, "--setup", fates(cell1="stuck"))
    process = job_process(out)
    answer = command_line("fleet", "cancel", out)
    assert (answer.code, "cancelled 1 job" in answer.err) == (0, True)
    ended = not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert ended, "only its entry may be left, until the process that inherited it asks for its end"
    assert command_line("fleet", "status", out).code == 3
    assert "no job waits or runs" in command_line("fleet", "cancel", out).err


def test_ctrl_c_ends_local_jobs_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    process = started(out, "--setup", fates(cell1="stuck"))
    wait_until((out / "nodes" / "cell1" / "1" / RECORDS).exists, 60)
    time.sleep(1.5)
    job = job_process(out)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert not job.is_running()
    assert f"Continue with: convbench fleet run --resume --out {out}" in err.decode()
    assert node_states.states_of(out)[0].state == "cancelled"


def test_a_dry_run_writes_nothing(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    answer = command_line("fleet", "run", *MEASURED, "--out", out, "--nodes", 4, "--dry-run")
    assert (answer.code, "4 jobs of about" in answer.out, out.exists()) == (0, True, False)


def test_a_container_has_its_own_convbench(command_line: Command, tmp_path: Path) -> None:
    """`env A=b` stands for the container."""
    out = tmp_path / "fleet"
    word = ("--container", "env PLANTED=bad", "--convbench", STUB)
    answer = command_line("fleet", "run", *MEASURED, "--out", out, "--nodes", 1, *word)
    assert answer.code == 3
    script = next(out.glob("jobs/*.sh")).read_text()
    assert f"\nenv PLANTED=bad {STUB} run --suite smoke" in script


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "lenet5"], "needs --out FOLDER"),
        (["--out", "X", "--resume"], "is not the folder of a fleet"),
        (["--out", "X", "--executor", "slrm"], "Did you mean 'slurm'"),
        (["--out", "X", "--nodes", "0"], "--nodes must be from 1 to 64"),
        (["--out", "X", "--nodes", ""], "--nodes names no node, got ''"),
        (["--out", "X", "--nodes", " , "], "--nodes names no node, got ' , '"),
        (["--out", "X", "--partition", "gpu"], "--partition needs a scheduler: add --executor slurm"),
        (["--out", "X", "--sbatch", "--account=me"], "--sbatch needs a scheduler: add --executor slurm"),
        (["--out", "X", "--nodes", "a/../b"], "is no name of a node"),
        (["--out", "X", "--nodes", "n[1-"], "--nodes must be a number or names such as n1,n2 or 'n[1-4]'"),
        (["--out", "X", "--nodes", "n[1-65]"], "--nodes must name 1 to 64 cells"),
        (["--out", "X", "--nodes", "n[1-99999999999]"], "--nodes must name 1 to 64 cells"),
        (["--out", "X", "--together"], "--together measures the GPUs of a node at the same time, and this"),
        (["--out", "X", "--container", "'"], "--container is no command"),
        (["--out", "X", "--setup-file", "X/none"], "cannot read"),
        (["--out", "X", "--jobs-at-once", "0"], "--jobs-at-once must be a whole number"),
        (["--out", "X", "--model", "lenet6"], "Did you mean 'lenet5'"),
    ],
)
def test_bad_input_is_one_sentence(
    command_line: Command, tmp_path: Path, words: list[str], said: str
) -> None:
    answer = command_line("fleet", "run", *[word.replace("X", str(tmp_path / "fleet")) for word in words])
    assert answer.code == 2
    assert said in answer.err
    assert is_one_sentence(answer.err)
    assert not (tmp_path / "fleet").exists()


def test_slurm_without_slurm_is_one_sentence(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = command_line("fleet", "run", "--executor", "slurm", "--out", tmp_path / "fleet")
    assert answer.code == 2
    assert "no sbatch on this machine" in answer.err
    assert is_one_sentence(answer.err)


def test_a_folder_is_used_once_and_resumed_as_it_was_begun(command_line: Command, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    words = ("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 1)
    assert command_line(*words).code == 0
    assert "already contains a fleet" in command_line(*words).err
    inside = command_line("fleet", "run", *MEASURED, "--out", out / "nodes", "--nodes", 1)
    assert (inside.code, f"lies in the folder of another fleet, {out}." in inside.err) == (2, True)
    assert command_line(*words, "--resume").code == 0
    other = command_line("fleet", "run", "--resume", "--suite", "smoke", "--model", "vgg11", "--out", out)
    assert (other.code, "--resume needs only --out" in other.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--partition", "gpu"], "--partition needs a scheduler"),
        (["--sbatch", "--account=me"], "--sbatch needs a scheduler"),
        (["--together"], "--together measures the GPUs of a node"),
    ],
)
def test_a_local_fleet_of_processors_is_not_resumed_with_what_it_cannot_have(
    command_line: Command, tmp_path: Path, words: list[str], said: str
) -> None:
    out = tmp_path / "fleet"
    assert command_line("fleet", "run", *MEASURED, "--convbench", STUB, "--out", out, "--nodes", 1).code == 0
    kept = fleet_folder.read(out)
    nothing = command_line("fleet", "run", "--resume", "--out", out, "--dry-run").out
    assert "No job would be submitted." in nothing
    answer = command_line("fleet", "run", "--resume", "--out", out, *words)
    assert (answer.code, is_one_sentence(answer.err), said in answer.err) == (2, True, True), answer.err
    assert fleet_folder.read(out) == kept


def test_a_suites_file_is_kept_with_the_fleet(command_line: Command, tmp_path: Path) -> None:
    """It may change before the fleet is resumed."""
    file, out = tmp_path / "mine.toml", tmp_path / "fleet"
    text = 'replicates = 2\n[[cases]]\nmodel = ["lenet5"]\ndevice = ["cpu"]\n'
    file.write_text(text)
    words = ("fleet", "run", "--suite", file, "--convbench", STUB, "--out", out, "--nodes", 1)
    answer = command_line(*words)
    assert answer.code == 0, answer.err
    assert (out / "suite.toml").read_text() == text
    assert str(out / "suite.toml") in fleet_folder.read(out).arguments
