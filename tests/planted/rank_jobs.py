"""A job of two ranks that answers one question, as a child of a fork server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
import torch.distributed as dist

from bench.contracts.rank_strategy import Group
from bench.distributed import launch
from bench.forkserver.client import Server
from bench.forkserver.wire import RESULT
from bench.schema.job import RankFiles

RANKS = 2
Answer = TypeVar("Answer")


def answer_of(function: str, folder: Path, kind: type[Answer]) -> Answer:
    """What rank 0 answers, decoded; `function`, `module:name`, is what each rank calls."""
    files = RankFiles(folder=str(folder / "job"), logs=str(folder / "log"), ranks=RANKS, seconds=280.0)
    with Server(preload=("timed", "ranks")) as server:
        outcome = server.run(
            "tests.planted.rank_jobs:start",
            msgspec.json.encode((function, files)),
            folder=folder / "result",
            log=folder / "child.log",
            time_limit_seconds=300.0,
        )
    assert outcome.result is not None, outcome.reason
    return msgspec.json.decode(outcome.result, type=kind)


def start(argument: bytes) -> bytes:
    """The child's question: encoded function and RankFiles in; rank 0's answer out."""
    function, files = msgspec.json.decode(argument, type=tuple[str, RankFiles])
    launch.run_ranks(function, b"", files, RANKS, forks=True)
    return (Path(files.folder) / RESULT).read_bytes()


def joined() -> Group:
    """In a rank: the group of all ranks, over gloo."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    return Group(dist.get_rank(), RANKS, "cpu", "gloo")
