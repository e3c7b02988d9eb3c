"""In the child: start the ranks of a job by torch's launcher, wait for them, and say how they failed.

`elastic_launch`, and not torchrun: that is its command line, and would start an interpreter that imports
torch for each rank, where a fork of this process has it already.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousConnectionError, RendezvousTimeoutError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bench.distributed import rank_process
from bench.distributed.rank_ends import read_ends, why_failed, why_late
from bench.forkserver.failure import LateError
from bench.forkserver.outcome import memory_kills
from bench.schema.job import RankFiles
from models.errors import UserError, in_one_line

_POLL_SECONDS = 0.1
_SHUTDOWN = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"
_SHUTDOWN_SECONDS = 2
"""So long the launcher waits for a rank that was told to end and does not, before it kills it: less than the
job's margin, in which it must still say so."""


class _Alarm(Exception):  # noqa: N818 - the time is over
    """Raised in the middle of waiting."""


def run_ranks(
    function: str, argument: bytes, files: RankFiles, ranks: int, *, forks: bool, is_host: bool = True
) -> None:
    """Call `function`, "package.module:name", in each rank, and return when all have ended well.

    `ranks` are those of this node. They are forks of this process, which has started neither CUDA nor
    threads of torch, or with `forks` false fresh interpreters, as CUDA needs them. `is_host` is of the node
    at whose address all meet. Raises the reason why a rank failed (`rank_ends.why_failed`), LateError once
    `files.seconds` are over, and UserError where the ranks cannot meet.
    """
    Path(files.folder).mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(_SHUTDOWN, str(_SHUTDOWN_SECONDS))
    launched = elastic_launch(_config(files, ranks, forks, is_host), rank_process.enter)
    kills = memory_kills()
    try:
        with _alarm_after(files.seconds):
            launched(os.getpid(), function, argument, files)
    except _Alarm:
        raise LateError(why_late(read_ends(files), files.seconds)) from None
    except (RendezvousConnectionError, RendezvousTimeoutError) as error:
        raise UserError(
            f"the ranks cannot meet at {files.meeting or 'a port of this host'}: it is in use by another "
            f"program, or a node does not reach it ({in_one_line(error.__cause__ or error)})"
        ) from error
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise why_failed(read_ends(files), rank, failure.exitcode, memory_kills() - kills) from None


def _config(files: RankFiles, ranks: int, forks: bool, is_host: bool) -> LaunchConfig:
    """Of several nodes all meet at the first one's address; the ranks of one at a port that is free."""
    return LaunchConfig(
        min_nodes=files.nodes,
        max_nodes=files.nodes,
        nproc_per_node=ranks,
        run_id=files.meeting_name or uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=files.meeting or "localhost:0",
        # Said outright: a host that cannot have the port would else speak to the program that has it, and
        # wait for its answer without end.
        rdzv_configs={"timeout": max(1, int(files.seconds)), "is_host": is_host},
        max_restarts=0,
        monitor_interval=_POLL_SECONDS,
        start_method="fork" if forks else "spawn",
        local_addr=None if files.meeting else "127.0.0.1",
        # Left to itself the launcher makes a folder for every job, which nobody deletes.
        logs_specs=DefaultLogsSpecs(log_dir=str(Path(files.folder) / "launcher")),
    )


@contextmanager
def _alarm_after(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _Alarm

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
