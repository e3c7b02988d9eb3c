"""Ranks that die, raise, hang or last: functions that `bench.distributed.launch` calls in each."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import torch.distributed as dist

from bench.distributed import launch, several_nodes
from bench.forkserver.stages import stage
from bench.forkserver.wire import RESULT
from bench.host import gpu_choice
from bench.schema.case import Case
from bench.schema.job import RankFiles
from models.errors import UserError


def start(argument: bytes) -> bytes:
    """A child's question: the name of a function below and encoded RankFiles in; the result of rank 0 out."""
    return _started(argument, forks=True)


def start_fresh(argument: bytes) -> bytes:
    """Likewise, in interpreters of their own, as ranks on GPUs are."""
    return _started(argument, forks=False)


def _started(argument: bytes, *, forks: bool) -> bytes:
    name, files = msgspec.json.decode(argument, type=tuple[str, RankFiles])
    launch.run_ranks(_named(name), files.folder.encode(), files, files.ranks, forks=forks)
    return (Path(files.folder) / RESULT).read_bytes()


def start_on_nodes(argument: bytes) -> bytes:
    """Likewise, on `files.nodes` nodes."""
    name, files = msgspec.json.decode(argument, type=tuple[str, RankFiles])
    several_nodes.run_on_nodes(_named(name), files.folder.encode(), files, forks=True)
    return (Path(files.folder) / RESULT).read_bytes()


def _named(name: str) -> str:
    return f"tests.planted.failing_ranks:{name}"


def _met(folder: bytes) -> int:
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    rank = dist.get_rank()
    (Path(folder.decode()) / f"pid{rank}").write_text(str(os.getpid()))
    dist.barrier()
    stage("stepping")
    return rank


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def end_well(folder: bytes) -> bytes | None:
    return b"well" if _met(folder) == 0 else None


def die(folder: bytes) -> None:
    if _met(folder) == 1:
        _say("about to die")
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def leave(folder: bytes) -> None:
    if _met(folder) == 1:
        _say("no more of this")
        os._exit(7)
    dist.barrier()


def refuse(folder: bytes) -> None:
    if _met(folder) == 1:
        raise UserError("this network cannot be split")
    dist.barrier()


def run_out_of_memory(folder: bytes) -> None:
    if _met(folder) == 1:
        raise MemoryError("out of memory")
    dist.barrier()


def hang(folder: bytes) -> None:
    if _met(folder) == 1:
        _say("waiting for nothing")
        time.sleep(1000)
    dist.barrier()


def stand_still(folder: bytes) -> None:
    if _met(folder) == 1:
        _say("no more")
        os.kill(os.getpid(), signal.SIGSTOP)
    dist.barrier()


def take_a_gpu(folder: bytes) -> bytes | None:
    """What each rank lets CUDA see, as the ranks of a case on GPUs do before CUDA is asked."""
    from bench.child.ranks import rank_worker

    rank_worker._take_own_place(Case(model="lenet5", device="cuda", ranks=2, strategy="ddp"))
    rank = _met(folder)
    seen = [""] * 2
    dist.all_gather_object(seen, f"{os.environ[gpu_choice.VISIBLE]} {os.getppid()}")
    return msgspec.json.encode(seen) if rank == 0 else None
