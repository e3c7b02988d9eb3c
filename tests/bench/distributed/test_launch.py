"""Ranks that die, raise or hang: the job says which and why, and nothing stays running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from bench.forkserver.client import Outcome, Server
from bench.schema.job import RankFiles

pytestmark = pytest.mark.slow

LATE_SECONDS = 8.0


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's processes put temporary files."""
    return tmp_path_factory.mktemp("temporary")


SRUN = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
nodes = next(int(word.partition("=")[2]) for word in words if word.startswith("--nodes="))
command = words[next(at for at, word in enumerate(words) if not word.startswith("--")):]
tasks = [subprocess.Popen(command, env={{**os.environ, "SLURM_NODEID": str(node)}}) for node in range(nodes)]
sys.exit(max(task.wait() for task in tasks))
"""
"""Stands for Slurm's: a task for each node, all on this host."""


@pytest.fixture(scope="module")
def server(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    programs = tmp_path_factory.mktemp("bin")
    (programs / "srun").write_text(SRUN.format(python=sys.executable))
    (programs / "srun").chmod(0o755)
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),
        "CUDA_VISIBLE_DEVICES": "GPU-b,GPU-a",
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    with Server(preload=("timed", "ranks"), environment=environment) as ready:
        yield ready


def _ask(
    server: Server,
    name: str,
    folder: Path,
    seconds: float = 60.0,
    *,
    question: str = "start",
    nodes: int = 1,
    meeting: str = "",
) -> Outcome:
    files = RankFiles(
        folder=str(folder / "job"),
        logs=str(folder / "log"),
        ranks=2,
        nodes=nodes,
        seconds=seconds,
        meeting=meeting,
    )
    return server.run(
        f"tests.planted.failing_ranks:{question}",
        msgspec.json.encode((name, files)),
        folder=folder / "result",
        log=folder / "child.log",
        time_limit_seconds=seconds + 30,
    )


def _pids(folder: Path) -> list[int]:
    return [int((folder / "job" / f"pid{rank}").read_text()) for rank in range(2)]


def _running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("die", "crashed", "rank 1 was killed by SIGKILL (during: stepping): about to die"),
        ("leave", "crashed", "rank 1 exited with code 7 (during: stepping): no more of this"),
        ("refuse", "invalid", "this network cannot be split"),
        ("run_out_of_memory", "oom", "MemoryError: rank 1 (during: stepping): MemoryError: out of memory"),
    ],
)
def test_a_rank_that_ends_is_named_with_its_last_line(
    server: Server, tmp_path: Path, name: str, kind: str, said: str
) -> None:
    """And not the other one, which only lost its connection."""
    outcome = _ask(server, name, tmp_path)
    assert (outcome.kind, outcome.reason) == (kind, said)
    assert _running(_pids(tmp_path)) == []


def test_a_hang_says_where_each_rank_was(server: Server, tmp_path: Path) -> None:
    outcome = _ask(server, "hang", tmp_path, LATE_SECONDS)
    assert outcome.kind == "timeout"
    assert outcome.reason is not None
    assert outcome.reason.startswith("timed out after 8 s: rank 0 was in ")
    assert "rank 1 was in hang (failing_ranks.py:" in outcome.reason
    assert outcome.reason.endswith("and last said: waiting for nothing")
    assert _running(_pids(tmp_path)) == []


def test_a_rank_that_does_not_end_when_told_is_named_too(server: Server, tmp_path: Path) -> None:
    outcome = _ask(server, "stand_still", tmp_path, LATE_SECONDS)
    assert outcome.kind == "timeout"
    assert outcome.reason is not None
    assert outcome.reason.endswith("rank 1 did not answer (during: stepping), and last said: no more")
    assert outcome.seconds < LATE_SECONDS + 20  # the launcher's own patience is 30 s
    assert _running(_pids(tmp_path)) == []


def test_fresh_interpreters_see_one_gpu_each(server: Server, tmp_path: Path) -> None:
    """Of the GPUs that CUDA_VISIBLE_DEVICES leaves, as nccl's ranks do; here they talk by gloo."""
    outcome = _ask(server, "take_a_gpu", tmp_path, question="start_fresh")
    assert outcome.result is not None, outcome.reason
    seen = [each.split() for each in msgspec.json.decode(outcome.result, type=list[str])]
    assert [gpu for gpu, _ in seen] == ["GPU-b", "GPU-a"]
    assert len({launcher for _, launcher in seen}) == 1
    assert _running(_pids(tmp_path)) == []


def test_a_rank_on_each_of_two_nodes_makes_one_job(server: Server, tmp_path: Path) -> None:
    outcome = _ask(server, "end_well", tmp_path, 120.0, question="start_on_nodes", nodes=2)
    assert (outcome.kind, outcome.result) == ("result", b"well"), outcome.reason


def test_a_port_that_another_program_uses_is_said(server: Server, tmp_path: Path) -> None:
    """Of ranks that are to meet at a port, as those of several nodes; the program there says nothing."""
    with socket.create_server(("", 0)) as taken:
        address = f"{socket.gethostname()}:{taken.getsockname()[1]}"
        outcome = _ask(server, "end_well", tmp_path, meeting=address)
    assert outcome.kind == "invalid"
    assert outcome.reason is not None
    assert outcome.reason.startswith(f"the ranks cannot meet at {address}: it is in use by another program")
    assert "See inner exception" not in outcome.reason


def test_ranks_that_end_well_give_the_result_of_one(server: Server, tmp_path: Path, temporary: Path) -> None:
    """And leave nothing outside of the job's folder."""
    outcome = _ask(server, "end_well", tmp_path)
    assert (outcome.kind, outcome.result) == ("result", b"well")
    assert (tmp_path / "log.rank0.log").exists()
    assert (tmp_path / "log.rank1.log").exists()
    assert list(temporary.glob("torchelastic*")) == []
    assert _running(_pids(tmp_path)) == []


@pytest.mark.parametrize("killed", ["parent", "server", "launcher"])
def test_no_rank_outlives_the_command(tmp_path: Path, killed: str) -> None:
    """SIGKILL of the command, of its fork server, or of the process that started the ranks."""
    script = (
        "import sys, msgspec\n"
        "from pathlib import Path\n"
        "from bench.forkserver.client import Server\n"
        "from tests.bench.distributed.test_launch import _ask\n"
        "with Server(preload=('timed',)) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    _ask(server, 'hang', Path(sys.argv[1]), 200.0)\n"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    with command.stdout:
        server_pid = int(command.stdout.readline())
        _wait(lambda: len(list((tmp_path / "job").glob("pid*"))) == 2, 120.0)
        pids = _pids(tmp_path)
        launcher = psutil.Process(pids[0]).ppid()
        ends = {"parent": command.pid, "server": server_pid, "launcher": launcher}
        os.kill(ends[killed], signal.SIGKILL)
        command.wait(60)
    _wait(lambda: not _running(pids), 30.0)


def _wait(is_so: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
