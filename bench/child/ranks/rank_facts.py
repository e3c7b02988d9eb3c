"""Where a rank runs and what it measured, as its part of the record."""

from __future__ import annotations

import os
import platform

import torch

from bench.child.ranks.rank_timing import RankTimes
from bench.contracts.device import Device
from bench.contracts.rank_strategy import Group
from bench.host import cpu_nodes
from bench.schema.ranks import RankFacts


def rank_facts(
    group: Group,
    device: Device,
    times: RankTimes,
    *,
    peak: int | None,
    ledger: dict[str, int],
    joules: float | None,
) -> RankFacts:
    """Of this rank."""
    cores = tuple(sorted(os.sched_getaffinity(0)))
    gpu, readings = device.accelerator(), device.accelerator_readings()
    node = cpu_nodes.numa_node(cores) if readings is None else readings.numa_node
    return RankFacts(
        rank=group.rank,
        local_rank=int(os.environ.get("LOCAL_RANK", group.rank)),
        host=platform.node(),
        device=group.device,
        gpu_uuid=gpu.uuid if gpu else None,
        numa_node=node,
        cores=cores,
        threads=torch.get_num_threads(),
        step_seconds=tuple(times.own.get("step", ())),
        pair_step_seconds=tuple(times.own.get("step of a pair", ())),
        pair_quiet_seconds=tuple(times.own.get("quiet of a pair", ())),
        peak_bytes=peak,
        ledger=ledger,
        joules=joules,
    )
