"""The ranks of one job on several nodes of a Slurm allocation: a launcher on each, started by srun."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.distributed import launch
from bench.distributed.rank_ends import read_ends, why_failed, why_late
from bench.forkserver.failure import LateError
from bench.schema.job import RankFiles
from models.errors import UserError

_ROOT = Path(__file__).resolve().parents[2]
_ENTER = "import sys; sys.path.insert(0, {root!r}); from bench.distributed.several_nodes import main; main()"
_EARLIER_SECONDS, _MOST_EARLIER = 5.0, 0.2
"""The launchers of the nodes give up so long before this process does, while they can still say why."""
_END_SECONDS = 2.0
"""What srun gets to end its tasks where the launchers do not give up."""


class NodeTask(Struct, frozen=True):
    """What the launcher of a node is to do, the same on each, and `until` when (s since the epoch)."""

    function: str
    argument: bytes
    files: RankFiles
    forks: bool
    until: float


def run_on_nodes(function: str, argument: bytes, files: RankFiles, *, forks: bool) -> None:
    """`launch.run_ranks` on `files.nodes` nodes of the allocation that this process is in, the first one of
    which is this host. Their files lie in a folder that all see."""
    files = structs.replace(files, meeting=_free_address(), meeting_name=uuid.uuid4().hex)
    task = Path(files.folder) / "task.json"
    task.parent.mkdir(parents=True, exist_ok=True)
    until = time.time() + files.seconds - min(_EARLIER_SECONDS, _MOST_EARLIER * files.seconds)
    task.write_bytes(msgspec.json.encode(NodeTask(function, argument, files, forks, until)))
    with subprocess.Popen(_srun(task, files.nodes)) as srun:
        try:
            code = srun.wait(files.seconds)
        except subprocess.TimeoutExpired:
            _end(srun)
            raise LateError(why_late(read_ends(files), files.seconds)) from None
    if code:
        raise _why_ended(files, code)


def _end(srun: subprocess.Popen[bytes]) -> None:
    """By a signal that srun passes on to its tasks; killed, it would leave them running."""
    srun.terminate()
    try:
        srun.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        srun.kill()


def _why_ended(files: RankFiles, code: int) -> Exception:
    """A node that gave up has left its reason; else a rank's."""
    for node in range(files.nodes):
        left = _reason_of(files, node)
        if left.exists():
            kind, said = msgspec.json.decode(left.read_bytes(), type=tuple[str, str])
            if kind == "late":
                return LateError(why_late(read_ends(files), files.seconds))
            if kind == "refused":
                return UserError(said)
    ends = read_ends(files)
    gone = next((end.rank for end in ends if end.error is None and not end.where and not end.is_done), 0)
    return why_failed(ends, gone, code)


def _reason_of(files: RankFiles, node: int) -> Path:
    return Path(files.folder) / f"node{node}.reason"


def _free_address() -> str:
    with socket.socket() as asked:
        asked.bind(("", 0))
        return f"{socket.gethostname()}:{asked.getsockname()[1]}"


def _srun(task: Path, nodes: int) -> list[str]:
    """One task for each node, with all cores of the node that the allocation has."""
    cores = os.environ.get("SLURM_CPUS_ON_NODE", "1")
    return [
        "srun",
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={cores}",
        "--kill-on-bad-exit=1",
        sys.executable,
        "-P",
        "-c",
        _ENTER.format(root=str(_ROOT)),
        str(task),
    ]


def seconds_left(task: NodeTask, now: float) -> float:
    """What a launcher has that starts only now, as far as the clocks of the nodes agree."""
    return min(task.files.seconds, max(task.files.seconds / 2, task.until - now))


def main() -> None:
    """On a node: start its ranks, and leave the reason where they fail."""
    task = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=NodeTask)
    files = structs.replace(task.files, seconds=seconds_left(task, time.time()))
    here, node = files.ranks // files.nodes, int(os.environ.get("SLURM_NODEID", "0"))
    reason: tuple[str, str] | None = None
    try:
        launch.run_ranks(task.function, task.argument, files, here, forks=task.forks, is_host=node == 0)
    except LateError as error:
        reason = ("late", str(error))
    except UserError as error:
        reason = ("refused", str(error))
    except Exception as error:  # noqa: BLE001 - what a rank raised is in its own file
        reason = ("failed", str(error))
    if reason is not None:
        _reason_of(task.files, node).write_bytes(msgspec.json.encode(reason))
        sys.exit(1)
