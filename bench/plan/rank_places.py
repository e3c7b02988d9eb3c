"""Where the ranks of a job find room: a GPU each, or cores, on this host and on further nodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from bench import devices
from bench.host import cpu_cores, gpu_choice, nvml_driver
from bench.schema.case import Case
from bench.schema.plurals import how_many
from models.errors import UserError

ALLOCATED = "SLURM_JOB_NUM_NODES"
"""Slurm's number of nodes of the allocation that a process is in."""


def gpus_here() -> int:
    """GPUs, or instances of MIG, that CUDA_VISIBLE_DEVICES leaves on this host."""
    return len(gpu_choice.all_of_host(nvml_driver.open_nvml, os.environ))


def of_host(case: Case, gpus: Callable[[], int] = gpus_here) -> int:
    """GPUs of this host, or its usable cores."""
    return cpu_cores.usable_cores() if devices.traits(case.device).is_host else gpus()


def threads(ranks: int, nodes: int) -> int:
    """Of each rank, where so many at most share the cores of a node."""
    return max(1, cpu_cores.usable_cores() // max(1, -(-ranks // nodes)))


def nodes_for(case: Case, places: int) -> int:
    """As few nodes as have room for the ranks, with `places` on each, of which a rank may need several."""
    return -(-case.ranks // max(1, places // _needed(case)))


def why_too_many(case: Case, places: int, nodes: int) -> str | None:
    """A sentence where the ranks do not fit on so many nodes with `places` on each, or lie unevenly."""
    is_host = devices.traits(case.device).is_host
    used = nodes_for(case, places)
    if used <= nodes and _needed(case) <= places:
        if case.ranks % used:
            return f"{how_many(case.ranks, 'rank')} do not divide among the {used:,} nodes that they need"
        return None
    there = f"{nodes:,} nodes have {how_many(places, 'usable core' if is_host else 'GPU')} each"
    if not is_host:
        here = f"this machine has {how_many(places, 'GPU')}" if nodes == 1 else there
        return f"{how_many(case.ranks, 'rank')} need a GPU each, and {here}"
    here = f"this machine has {how_many(places, 'usable core')}" if nodes == 1 else there
    if case.ranks == 1:
        return f"1 rank with {how_many(case.threads, 'thread')} needs as many cores, and {here}"
    each = f" with {how_many(case.threads, 'thread')} each" if case.threads > 1 else ""
    return f"{how_many(case.ranks, 'rank')}{each} need {case.ranks * case.threads:,} cores, and {here}"


def _needed(case: Case) -> int:
    return case.threads if devices.traits(case.device).is_host else 1


def refuse_absent_nodes(nodes: int, environ: Mapping[str, str]) -> None:
    """UserError for more nodes than Slurm's allocation has, or without one."""
    if nodes == 1:
        return
    if ALLOCATED not in environ:
        raise UserError(f"--nodes {nodes} needs a Slurm allocation: start it with `sbatch --nodes={nodes}`")
    there = int(environ[ALLOCATED])
    if nodes > there:
        raise UserError(f"--nodes is {nodes}, and this Slurm allocation has {how_many(there, 'node')}")
