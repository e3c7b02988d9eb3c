"""Ranks that die, raise or hang: the job says which and why, and nothing stays running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bench.forkserver.client import Outcome, Server
from bench.schema.job import RankFiles

pytestmark = pytest.mark.slow

LATE_SECONDS = 8.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(preload=("timed", "ranks")) as ready:
        yield ready


def _ask(server: Server, name: str, folder: Path, seconds: float = 60.0) -> Outcome:
    files = RankFiles(folder=str(folder / "job"), logs=str(folder / "log"), ranks=2, seconds=seconds)
    return server.run(
        "tests.planted.failing_ranks:start",
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


def test_ranks_that_end_well_give_the_result_of_one(server: Server, tmp_path: Path) -> None:
    outcome = _ask(server, "end_well", tmp_path)
    assert (outcome.kind, outcome.result) == ("result", b"well")
    assert (tmp_path / "log.rank0.log").exists()
    assert (tmp_path / "log.rank1.log").exists()
    assert _running(_pids(tmp_path)) == []


@pytest.mark.parametrize("killed", ["parent", "server"])
def test_no_rank_outlives_the_command(tmp_path: Path, killed: str) -> None:
    """SIGKILL of the command, or of its fork server, in the middle of a job."""
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
        os.kill(command.pid if killed == "parent" else server_pid, signal.SIGKILL)
        command.wait(60)
    _wait(lambda: not _running(pids), 30.0)


def _wait(is_so: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
