"""The ranks of one job on several nodes of a Slurm allocation: a launcher on each, started by srun."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
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
_LATER_SECONDS = 5.0
"""The launchers give up by themselves, and say why; srun is ended if they do not."""


class NodeTask(Struct, frozen=True):
    """What the launcher of a node is to do, the same on each."""

    function: str
    argument: bytes
    files: RankFiles
    forks: bool


def run_on_nodes(function: str, argument: bytes, files: RankFiles, *, forks: bool) -> None:
    """`launch.run_ranks` on `files.nodes` nodes of the allocation that this process is in, the first one of
    which is this host. Their files lie in a folder that all see."""
    files = structs.replace(files, meeting=_free_address(), meeting_name=uuid.uuid4().hex)
    task = Path(files.folder) / "task.json"
    task.parent.mkdir(parents=True, exist_ok=True)
    task.write_bytes(msgspec.json.encode(NodeTask(function, argument, files, forks)))
    try:
        done = subprocess.run(_srun(task, files.nodes), check=False, timeout=files.seconds + _LATER_SECONDS)
    except subprocess.TimeoutExpired:
        raise LateError(why_late(read_ends(files), files.seconds)) from None
    if done.returncode:
        raise _why_ended(files, done.returncode)


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


def main() -> None:
    """On a node: start its ranks, and leave the reason where they fail."""
    task = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=NodeTask)
    here = task.files.ranks // task.files.nodes
    reason: tuple[str, str] | None = None
    try:
        launch.run_ranks(task.function, task.argument, task.files, here, forks=task.forks)
    except LateError as error:
        reason = ("late", str(error))
    except UserError as error:
        reason = ("refused", str(error))
    except Exception as error:  # noqa: BLE001 - what a rank raised is in its own file
        reason = ("failed", str(error))
    if reason is not None:
        node = int(os.environ.get("SLURM_NODEID", "0"))
        _reason_of(task.files, node).write_bytes(msgspec.json.encode(reason))
        sys.exit(1)
