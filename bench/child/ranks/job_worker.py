"""In the child: a case of several ranks becomes a record, which rank 0 makes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench import devices
from bench.distributed import launch, several_nodes
from bench.forkserver.wire import RESULT
from bench.schema.job import Job

MEASURE_RANK = "bench.child.ranks.rank_worker:measure_rank"


def measure_ranks(argument: bytes) -> bytes:
    """The child's entry: an encoded Job in, an encoded JobResult out. Raises as `launch.run_ranks` does."""
    job = msgspec.json.decode(argument, type=Job)
    assert job.ranks is not None
    forks = devices.get(job.case.device).traits.is_host
    if job.ranks.nodes > 1:
        several_nodes.run_on_nodes(MEASURE_RANK, argument, job.ranks, forks=forks)
    else:
        launch.run_ranks(MEASURE_RANK, argument, job.ranks, job.ranks.ranks, forks=forks)
    return (Path(job.ranks.folder) / RESULT).read_bytes()
