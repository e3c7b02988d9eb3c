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

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousConnectionError, RendezvousTimeoutError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bench.distributed import rank_process
from bench.distributed.rank_ends import read_ends, why_failed, why_late
from bench.forkserver.failure import LateError
from bench.schema.job import RankFiles
from models.errors import UserError, in_one_line

_POLL_SECONDS = 0.1


class _Alarm(Exception):  # noqa: N818 - the time is over
    """Raised in the middle of waiting."""


def run_ranks(function: str, argument: bytes, files: RankFiles, ranks: int, *, forks: bool) -> None:
    """Call `function`, "package.module:name", in each rank, and return when all have ended well.

    `ranks` are those of this node. They are forks of this process, which has started neither CUDA nor
    threads of torch, or with `forks` false fresh interpreters, as CUDA needs them. Raises the reason why a
    rank failed (`rank_ends.why_failed`), and LateError once `files.seconds` are over.
    """
    Path(files.folder).mkdir(parents=True, exist_ok=True)
    launched = elastic_launch(_config(files, ranks, forks), rank_process.enter)
    try:
        with _alarm_after(files.seconds):
            launched(os.getpid(), function, argument, files)
    except _Alarm:
        raise LateError(why_late(read_ends(files), files.seconds)) from None
    except (RendezvousConnectionError, RendezvousTimeoutError) as error:
        raise UserError(
            f"the ranks cannot meet at {files.meeting or 'a port of this host'}: it is in use by another "
            f"program, or a node does not reach it ({in_one_line(error)})"
        ) from error
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise why_failed(read_ends(files), rank, failure.exitcode) from None


def _config(files: RankFiles, ranks: int, forks: bool) -> LaunchConfig:
    """Of several nodes all meet at the first one's address; the ranks of one at a port that is free."""
    return LaunchConfig(
        min_nodes=files.nodes,
        max_nodes=files.nodes,
        nproc_per_node=ranks,
        run_id=files.meeting_name or uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=files.meeting or "localhost:0",
        rdzv_configs={"timeout": max(1, int(files.seconds))},
        max_restarts=0,
        monitor_interval=_POLL_SECONDS,
        start_method="fork" if forks else "spawn",
        local_addr=None if files.meeting else "127.0.0.1",
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
