"""What is asked of Slurm's commands, and what is made of their answers: planted commands say what a cluster
said. `tests/test_slurm_cluster.py` asks a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import executors
from bench.contracts.executor import Job, Refused, Submitted, Unreachable
from bench.executors.slurm import SlurmExecutor
from bench.schema.fleet_plan import Site
from models.errors import UserError

SITE = Site(convbench=("convbench",))
SINFO = """\
node1|idle|gpu:h100:8(S:0-1)|batch*|none
node2|mixed|gpu:h100:8(S:0-1)|batch*|none
node3|down*|gpu:h100:8(S:0-1)|batch*|Not responding
node4|drained|(null)|batch*|fan replaced
node9|idle|(null)|debug|none
"""


class Commands:
    """Commands on the PATH, each with one answer; what they were given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answer(self, name: str, out: str = "", err: str = "", code: int = 0) -> None:
        """From now on the command says this."""
        path = self._folder / name
        texts = {ending: self._folder / f"{name}.{ending}" for ending in ("out", "err", "given")}
        texts["out"].write_text(out)
        texts["err"].write_text(err)
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > {texts["given"]}\n/bin/cat {texts["out"]}\n'
            f"/bin/cat {texts['err']} >&2\nexit {code}\n"
        )
        path.chmod(0o755)

    def given(self, name: str) -> list[str]:
        """The words of the last call; empty where there was none."""
        path = self._folder / f"{name}.given"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Commands(folder)


def job(folder: Path, name: str = "fleet-node1-1") -> Job:
    return Job(
        name=name, node="node1", script=folder / f"{name}.sh", log=folder / f"{name}.log", seconds=601.0
    )


def test_without_slurm_it_says_so(commands: Commands) -> None:
    assert "no sbatch on this machine" in str(SlurmExecutor().why_absent())
    commands.answer("sbatch")
    assert SlurmExecutor().why_absent() is None


def test_a_job_is_pinned_alone_and_never_requeued(commands: Commands, tmp_path: Path) -> None:
    commands.answer("sbatch", "4711;cluster\n")
    folder = tmp_path / "100%"
    assert SlurmExecutor().submit(job(folder), SITE) == "4711"
    given = commands.given("sbatch")
    assert given[-1] == str(folder / "fleet-node1-1.sh")
    for word in ("--nodelist=node1", "--no-requeue", "--job-name=fleet-node1-1", "--exclusive", "--time=11"):
        assert word in given
    assert f"--output={tmp_path}/100%%/fleet-node1-1.log" in given


def test_a_site_has_its_partition_and_options_last(commands: Commands, tmp_path: Path) -> None:
    """So that what a site says wins."""
    commands.answer("sbatch", "1\n")
    site = Site(convbench=("x",), partition="gpu", options=("--account=me", "--time=5"), exclusive=False)
    SlurmExecutor().submit(job(tmp_path), site)
    given = commands.given("sbatch")
    assert given[-4:-1] == ["--partition=gpu", "--account=me", "--time=5"]
    assert "--exclusive" not in given


def test_what_sbatch_refuses_and_what_does_not_answer(commands: Commands, tmp_path: Path) -> None:
    commands.answer("sbatch", err="sbatch: error: Batch job submission failed: Invalid account\n", code=1)
    with pytest.raises(Refused, match=r"^Batch job submission failed: Invalid account$"):
        SlurmExecutor().submit(job(tmp_path), SITE)
    unknown = "sbatch: unrecognized option '--nonsense'\nTry \"sbatch --help\" for more information\n"
    commands.answer("sbatch", err=unknown, code=1)
    with pytest.raises(Refused, match=r"^unrecognized option '--nonsense'$"):
        SlurmExecutor().submit(job(tmp_path), SITE)
    silence = "sbatch: error: Batch job submission failed: Unable to contact slurm controller\n"
    commands.answer("sbatch", err=silence, code=1)
    with pytest.raises(Unreachable, match="Unable to contact"):
        SlurmExecutor().submit(job(tmp_path), SITE)


@pytest.mark.parametrize(
    ("word", "reason", "phase", "end"),
    [
        ("PENDING", "Priority", "waiting", None),
        ("RUNNING", "None", "running", None),
        ("COMPLETING", "None", "running", None),
        ("COMPLETED", "None", "ended", "by itself"),
        ("FAILED", "NonZeroExitCode", "ended", "by itself"),
        ("OUT_OF_MEMORY", "None", "ended", "by itself"),
        ("TIMEOUT", "TimeLimit", "ended", "timed out"),
        ("NODE_FAIL", "NodeDown", "ended", "node lost"),
        ("CANCELLED", "None", "ended", "cancelled"),
    ],
)
def test_states(
    commands: Commands, tmp_path: Path, word: str, reason: str, phase: str, end: str | None
) -> None:
    commands.answer("squeue", f"fleet-node1-1|17|{word}|{reason}\nother|18|RUNNING|None\n")
    state = SlurmExecutor().states([Submitted(job=job(tmp_path))])
    assert list(state) == ["fleet-node1-1"]
    found = state["fleet-node1-1"]
    assert (found.id, found.phase, found.end, found.word) == ("17", phase, end, word)
    assert found.reason == ("" if reason == "None" else reason)


def test_what_squeue_has_forgotten_sacct_knows(commands: Commands, tmp_path: Path) -> None:
    commands.answer("squeue")
    commands.answer("sacct", "fleet-node1-1|17|CANCELLED by 1000|None\n")
    submitted = [Submitted(job=job(tmp_path), id="17")]
    assert SlurmExecutor().states(submitted)["fleet-node1-1"].end == "cancelled"
    assert "--jobs=17" in commands.given("sacct")
    commands.answer("sacct", err="Slurm accounting storage is disabled\n", code=1)
    assert SlurmExecutor().states(submitted) == {}


def test_a_job_waits_without_hope_for_a_node_that_is_gone(commands: Commands, tmp_path: Path) -> None:
    commands.answer("squeue", "fleet-node1-1|17|PENDING|ReqNodeNotAvail, UnavailableNodes:node1\n")
    assert SlurmExecutor().states([Submitted(job=job(tmp_path))])["fleet-node1-1"].is_hopeless


def test_a_silent_controller_says_nothing_of_any_job(commands: Commands, tmp_path: Path) -> None:
    silence = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    commands.answer("squeue", err=silence, code=1)
    with pytest.raises(Unreachable):
        SlurmExecutor().states([Submitted(job=job(tmp_path), id="1")])


def test_cancel_finds_by_name_and_by_id(commands: Commands, tmp_path: Path) -> None:
    commands.answer("squeue", "fleet-node1-1|17|RUNNING|None\nfleet-node3-1|19|COMPLETED|None\n")
    commands.answer("sacct", code=1)
    commands.answer("scancel")
    names = {"fleet-node1-1": None, "fleet-node2-1": "18", "fleet-node3-1": "19", "fleet-node4-1": None}
    SlurmExecutor().cancel([Submitted(job=job(tmp_path, name), id=id_) for name, id_ in names.items()])
    assert commands.given("scancel") == ["17", "18"]


def test_the_nodes_of_the_default_partition(commands: Commands) -> None:
    commands.answer("sinfo", SINFO)
    nodes = {node.name: node for node in SlurmExecutor().nodes(None, SITE)}
    assert list(nodes) == ["node1", "node2", "node3", "node4"]
    assert [node.gpus for node in nodes.values()] == [8, 8, 8, 0]
    assert nodes["node1"].why_unusable is nodes["node2"].why_unusable is None
    assert nodes["node3"].why_unusable == "down*: Not responding"
    assert nodes["node4"].why_unusable == "drained: fan replaced"


def test_a_number_of_nodes_is_of_those_that_get_jobs(commands: Commands) -> None:
    commands.answer("sinfo", SINFO)
    assert [node.name for node in SlurmExecutor().nodes("2", SITE)] == ["node1", "node2"]
    with pytest.raises(UserError, match="2 of 4 nodes get jobs now"):
        SlurmExecutor().nodes("3", SITE)


def test_a_list_of_nodes_is_slurms_own(commands: Commands) -> None:
    commands.answer("sinfo", SINFO)
    commands.answer("scontrol", "node2\nnode1\n")
    assert [node.name for node in SlurmExecutor().nodes("node[2,1]", SITE)] == ["node2", "node1"]
    commands.answer("scontrol", "node8\n")
    with pytest.raises(UserError, match="no node 'node8'"):
        SlurmExecutor().nodes("node8", SITE)


def test_executors_are_found_by_name() -> None:
    assert set(executors.executors()) >= {"local", "slurm"}
    with pytest.raises(UserError, match="Did you mean 'slurm'"):
        executors.get("slrm")
