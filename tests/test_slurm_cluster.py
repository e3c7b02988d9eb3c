"""convbench on a real Slurm cluster of five nodes on this host, and what befalls nodes, jobs and commands.

Where a job's figures do not matter a program in the place of convbench leaves records with known answers.
"""

from __future__ import annotations

import collections
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.fleet import fleet_folder, job_files, node_states
from bench.record_lines import read_records
from bench.run_folders import named_run
from bench.schema.fleet_plan import NodeState
from bench.schema.record import Record
from bench.store import RECORDS
from tests.planted import slurm_cluster
from tests.planted.commands import ROOT
from tests.planted.slurm_cluster import SlurmCluster, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

STUB = f"{sys.executable} {ROOT / 'tests' / 'planted' / 'quick_convbench.py'}"
PLAN = ("--suite", "smoke", "--model", "lenet5", "--workload", "inference", "--precision", "fp32")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with slurm_cluster.running(tmp_path_factory.mktemp("slurm"), nodes=5) as found:
        yield found


@pytest.fixture(scope="module")
def late(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Started]]:
    """A job on node5 that runs into Slurm's time limit, of which the shortest is a minute: the last test asks
    for its end."""
    out = tmp_path_factory.mktemp("late") / "fleet"
    setup = fates(node5="stuck")
    started = Started(cluster, out, "--nodes", "node5", "--setup", setup, "--sbatch", "--time=1")
    yield out, started
    started.process.kill()  # where its test did not run
    started.process.wait()


@pytest.fixture(autouse=True)
def early(late: object) -> None:
    """It begins before all tests."""


class Started:
    """`convbench fleet run` in a process of its own, on the cluster; `path` is ahead of the PATH."""

    def __init__(
        self, cluster: SlurmCluster, out: Path, *words: str, path: Path | None = None, stub: str = STUB
    ) -> None:
        environment = dict(cluster.environment)
        if path is not None:
            environment["PATH"] = f"{path}:{environment['PATH']}"
        options = [] if "--resume" in words else [*PLAN, "--executor", "slurm", "--convbench", stub]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench", "fleet", "run", *options, "--out", str(out), *words],
            cwd=ROOT,
            env={**environment, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=150)
        return self.process.returncode, out, err


def fates(**of: str) -> str:
    """A line of set-up: what befalls which node."""
    cases = "".join(f" {node}) export PLANTED={fate};;" for node, fate in of.items())
    return f'case "$CONVBENCH_NODE_NAME" in{cases} esac'


def states(out: Path) -> dict[str, NodeState]:
    return {state.node: state for state in node_states.states_of(out)}


def names(out: Path) -> list[str]:
    """Of the jobs that were submitted or were to be."""
    return sorted(
        job.name.partition("-node")[2] for jobs in job_files.kept_jobs(out).values() for job in jobs
    )


def records(out: Path, node: str) -> list[Record]:
    """Of a node, over all its attempts."""
    folders = [each for each in named_run(out).run_folders if each.is_relative_to(out / "nodes" / node)]
    return [record for each in folders for record in read_records(each / RECORDS)]


def known(cluster: SlurmCluster, out: Path) -> collections.Counter[str]:
    """How many jobs of this fleet Slurm knows, by their node."""
    name = fleet_folder.read(out).name
    lines = cluster.call("squeue", "-h", "-t", "all", "-o", "%j").splitlines()
    ours = [line.removeprefix(f"{name}-").rpartition("-")[0] for line in lines if line.startswith(name)]
    return collections.Counter(ours)


def shim(folder: Path, name: str, text: str) -> Path:
    """A folder with a command in the place of Slurm's or the system's."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)
    return folder


def test_convbench_measures_on_its_nodes(cluster: SlurmCluster, tmp_path: Path) -> None:
    """The real one, once: records say on which node they were made."""
    out = tmp_path / "fleet"
    own = shlex.join(["env", f"PYTHONPATH={ROOT}", sys.executable, "-P", "-m", "bench"])
    words = ("--nodes", "node[1-2]", "--replicates", "1", "--no-step-digest")
    code, said, err = Started(cluster, out, *words, stub=own).end()
    assert code == 0, said + err
    assert "2 of 2 nodes are complete." in said
    assert "node1: job" in err
    for node in ("node1", "node2"):
        (record,) = records(out, node)
        assert (record.status, record.environment and record.environment.node) == ("ok", node)
        assert states(out)[node].exit_code == 0


def test_nodes_and_commands_that_die_lose_and_repeat_nothing(cluster: SlurmCluster, tmp_path: Path) -> None:
    """node1 is well, node2 has bad input, node3 loses its power, node4 its network only; then the command
    that watches is killed and started again, and at last the nodes come back."""
    out = tmp_path / "fleet"
    setup = fates(node2="bad", node3="slow", node4="slow")
    words = ("--nodes", "node[1-4]", "--replicates", "6", "--setup", setup)
    first = Started(cluster, out, *words)
    for node in ("node3", "node4"):
        wait_until(lambda node=node: (out / "nodes" / node / "1" / RECORDS).exists(), 60)  # type: ignore[misc]
    cluster.kill_node("node3")
    cluster.kill_node("node4", with_jobs=False)
    first.process.kill()
    first.end()
    code, said, _ = Started(cluster, out, "--resume").end()
    assert code == 3
    found = states(out)
    assert found["node1"].state == found["node4"].state == "complete", said
    assert found["node2"].state == "failed"
    assert "unknown model 'lenet6'" in found["node2"].log[-1]
    assert found["node3"].state in ("node lost", "node down")
    # Nothing that still ran was submitted again; a gap was, once.
    assert known(cluster, out)["node1"] == known(cluster, out)["node4"] == 1
    cluster.start()
    code, said, _ = Started(cluster, out, "--resume", "--setup", ":").end()
    assert code == 0, said
    for node in ("node1", "node2", "node3", "node4"):
        assert len({record.case for record in records(out, node)}) == 6
    assert len(records(out, "node1")) == len(records(out, "node4")) == 6


@pytest.mark.parametrize(
    ("then", "jobs"), [("", ["1-1", "1-2"]), ('id=$("$real" "$@")', ["1-1"])], ids=["before", "after"]
)
def test_a_command_that_dies_while_it_submits(
    cluster: SlurmCluster, tmp_path: Path, then: str, jobs: list[str]
) -> None:
    """Before sbatch has the job, which then is lost before it started; and after, so that only Slurm knows
    its id."""
    out = tmp_path / "fleet"
    real = f"real={shlex.quote(str(sbatch(cluster)))}"
    path = shim(tmp_path / "bin", "sbatch", f"{real}\n{then}\nkill -KILL $PPID")
    first = Started(cluster, out, "--nodes", "node1", "--replicates", "2", path=path)
    assert first.end()[0] == -9
    (kept,) = job_files.kept_jobs(out)["node1"]
    assert kept.id is None
    code, said, _ = Started(cluster, out, "--resume").end()
    assert code == 0, said
    assert names(out) == jobs
    assert known(cluster, out)["node1"] == 1
    assert len(records(out, "node1")) == 2


def sbatch(cluster: SlurmCluster) -> Path:
    folders = cluster.environment["PATH"].split(":")
    return next(Path(each) / "sbatch" for each in folders if (Path(each) / "sbatch").exists())


def test_two_fleets_take_turns_on_a_node(cluster: SlurmCluster, tmp_path: Path) -> None:
    one = Started(
        cluster, tmp_path / "1", "--nodes", "node1", "--replicates", "3", "--setup", fates(node1="slow")
    )
    wait_until((tmp_path / "1" / "nodes" / "node1" / "1" / RECORDS).exists, 60)
    two = Started(cluster, tmp_path / "2", "--nodes", "node1", "--replicates", "1")
    assert two.end()[0] == one.end()[0] == 0
    ends = [path.stat().st_mtime for path in (tmp_path / "1" / "jobs").glob("*.exit")]
    begins = [path.stat().st_mtime for path in (tmp_path / "2" / "jobs").glob("*.started")]
    assert max(ends) <= min(begins)


def test_disks_that_take_no_records_are_gaps(cluster: SlurmCluster, tmp_path: Path) -> None:
    """node1 may write 1 KiB, as on a full disk; on node2 the place of the run folder is taken."""
    out = tmp_path / "fleet"
    taken = shlex.quote(str(out / "nodes" / "node2" / "1"))
    setup = f'case "$CONVBENCH_NODE_NAME" in node1) ulimit -f 1;; node2) touch {taken};; esac'
    words = ("--nodes", "node[1-3]", "--replicates", "3", "--setup", setup)
    code, said, _ = Started(cluster, out, *words).end()
    found = states(out)
    assert (code, found["node3"].state) == (3, "complete"), said
    assert found["node1"].state == found["node2"].state == "failed"
    assert "File too large" in found["node1"].log[-1]
    assert "is a file" in found["node2"].log[-1]


def test_a_clock_that_is_an_hour_ahead_is_said(cluster: SlurmCluster, tmp_path: Path) -> None:
    """One host has one clock: `date` of node2 is another."""
    out = tmp_path / "fleet"
    ahead = '[ "$SLURMD_NODENAME" = node2 ] && exec /bin/date -d "+1 hour" "$@"\nexec /bin/date "$@"'
    path = shim(tmp_path / "bin", "date", ahead)
    code, said, err = Started(cluster, out, "--nodes", "node[1-2]", "--replicates", "1", path=path).end()
    assert code == 0
    assert "The clock of node2 is 60 minutes ahead of the shared folder's" in said
    assert "node2: its clock is 60 minutes ahead" in err
    assert "node1: its clock" not in err


def test_a_cancelled_fleet_leaves_no_job(cluster: SlurmCluster, tmp_path: Path) -> None:
    """The command that submitted them is dead."""
    out = tmp_path / "fleet"
    setup = fates(node1="stuck", node2="stuck")
    first = Started(cluster, out, "--nodes", "node[1-2]", "--replicates", "2", "--setup", setup)
    wait_until((out / "nodes" / "node2" / "1" / RECORDS).exists, 60)
    first.process.kill()
    first.end()
    assert {row["state"] for row in asked(cluster, "status", out)["rows"]} == {"running"}
    assert {row["state"] for row in asked(cluster, "cancel", out)["rows"]} == {"cancelled"}
    wait_until(lambda: "RUNNING" not in cluster.call("squeue", "-h", "-w", "node[1-2]", "-o", "%T"), 20)
    assert set(known(cluster, out).values()) == {1}


def asked(cluster: SlurmCluster, command: str, out: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "fleet", command, str(out), "--json"],
        cwd=ROOT,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return found


def test_ctrl_c_leaves_jobs_and_says_so(cluster: SlurmCluster, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    words = ("--nodes", "node1", "--replicates", "3", "--setup", fates(node1="slow"))
    first = Started(cluster, out, *words)
    wait_until((out / "nodes" / "node1" / "1" / RECORDS).exists, 60)
    first.process.send_signal(2)
    code, _, err = first.end()
    assert code == 130
    assert f"1 job still waits or runs: convbench fleet cancel {out} ends it" in err
    assert Started(cluster, out, "--resume").end()[0] == 0
    assert names(out) == ["1-1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--nodes", "node[1-7]"), "Slurm knows no node 'node6'"),
        (("--partition", "gpu"), "Slurm has no nodes in the partition gpu"),
        (("--nodes", "9"), "--nodes 9: "),
    ],
)
def test_bad_input_is_one_sentence(
    cluster: SlurmCluster, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, _, err = Started(cluster, tmp_path / "fleet", *words).end()
    assert (code, said in err, err.count("\n")) == (2, True, 1)
    assert not (tmp_path / "fleet").exists()


def test_what_sbatch_refuses_is_a_gap(cluster: SlurmCluster, tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    code, said, _ = Started(cluster, out, "--nodes", "node1", "--sbatch", "--gres=gpu:1").end()
    assert code == 3
    assert states(out)["node1"].state == "refused", said


def test_the_example_script_deals_replicates_out(cluster: SlurmCluster, tmp_path: Path) -> None:
    """Two tasks of it, and a merge."""
    path = shim(
        tmp_path / "bin",
        "convbench",
        f'PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -P -m bench "$@"',
    )
    environment = {**cluster.environment, "PATH": f"{path}:{cluster.environment['PATH']}"}
    environment["OUT"] = str(tmp_path / "runs")
    script = str(ROOT / "examples" / "slurm_shards.sh")
    limits = ("--wait", "--array=0-1", f"--chdir={tmp_path}")
    words = ["sbatch", *limits, script, *PLAN, "--replicates", "2"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=180)
    logs = "\n".join(log.read_text() for log in tmp_path.glob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    shards = sorted(map(str, (tmp_path / "runs").glob("shard*")))
    assert len(shards) == 2
    merged = subprocess.run(
        [str(path / "convbench"), "merge", *shards, "--out", str(tmp_path / "all")],
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert merged.returncode == 0, merged.stderr
    found = list(read_records(tmp_path / "all" / RECORDS))
    assert sorted(record.case.replicate for record in found) == [1, 2]


def test_a_job_beyond_its_time_limit_is_said(late: tuple[Path, Started]) -> None:
    """Last, for its limit is a minute, looked at twice a minute."""
    out, started = late
    code, said, _ = started.end()
    state = states(out)["node5"]
    assert (code, state.state) == (3, "timed out"), said
    assert "TIMEOUT" in state.reason
    assert f"{state.done} of {state.planned} processes measured" in state.reason
