"""In a rank: the network is built, spread by its strategy, and timed together with the other ranks."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import torch
import torch.distributed as dist
from msgspec import structs

from bench import devices, strategies
from bench.child import weights
from bench.child.case_network import load_network
from bench.child.identity import identity
from bench.child.in_force import InForce
from bench.child.network_failures import named_as_the_networks
from bench.child.passes import monitor_of
from bench.child.ranks.backends import backend_of
from bench.child.ranks.job_findings import JobFindings, measure_together
from bench.child.ranks.rank_agreement import GlooAgreement
from bench.contracts.device import Device
from bench.contracts.rank_strategy import Group, RankSteps
from bench.forkserver.failure import free_memory_told
from bench.forkserver.stages import stage
from bench.forkserver.stopwatch import Stopwatch
from bench.host import cpu_cores, gpu_choice
from bench.rank_steps import one_rank
from bench.schema.case import Case
from bench.schema.job import Job, JobResult, encode
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Record
from bench.tensors import case_context
from models import random_state
from models.errors import UserError


def measure_rank(argument: bytes) -> bytes | None:
    """An encoded Job in; of rank 0 an encoded JobResult out, of the others None."""
    job = msgspec.json.decode(argument, type=Job)
    assert job.ranks is not None
    _take_own_place(job.case)
    device = devices.get(job.case.device)
    with free_memory_told(device.free_memory):
        stage("meeting the other ranks")
        backend = backend_of(device)
        dist.init_process_group(backend, timeout=timedelta(seconds=job.ranks.seconds))
        group = Group(dist.get_rank(), dist.get_world_size(), device.torch_name(), backend)
        _refuse_other_torch()
        try:
            return _measured(job, device, group)
        finally:
            dist.destroy_process_group()


def _take_own_place(case: Case) -> None:
    """Of a host's cores, or of its GPUs, what no other rank has."""
    local = int(os.environ["LOCAL_RANK"])
    if not devices.get(case.device).traits.is_host:
        os.environ[gpu_choice.VISIBLE] = gpu_choice.nth_visible(local, os.environ)
        return
    own = cpu_cores.share_of_cores(local, case.threads)
    if own:
        os.sched_setaffinity(0, own)


def _refuse_other_torch() -> None:
    """UserError where the ranks' nodes have different versions of torch."""
    told: list[tuple[str, str]] = [("", "")] * dist.get_world_size()
    dist.all_gather_object(told, (str(torch.__version__), os.uname().nodename))
    reason = why_other_torch(told)
    if reason is not None:
        raise UserError(reason)


def why_other_torch(told: Sequence[tuple[str, str]]) -> str | None:
    """A sentence where (version of torch, node) of the ranks have more than one version."""
    found = dict(reversed(told))
    if len(found) < 2:
        return None
    named = ", ".join(f"{version} on {found[version]}" for version in sorted(found))
    return f"all nodes of a job must have the same torch, and these differ: {named}"


def _measured(job: Job, device: Device, group: Group) -> bytes | None:
    case = job.case
    started_at, watch = datetime.now(UTC).isoformat(timespec="seconds"), Stopwatch()
    baseline = device.memory_baseline()
    with named_as_the_networks(case), case_context(case, device.torch_type()):
        with watch.on("building"):
            steps, in_force, loaded = _prepared(case, device, group)
        first_step_at = time.monotonic()
        agreement = GlooAgreement(group)
        monitor = monitor_of(case, device)
        with watch.on("measuring"):
            found = measure_together(
                steps, group, device, agreement, job.protocol, monitor, baseline, facts=job.facts
            )
    if found is None:
        return None
    watch.move(found.warm_up_seconds, "measuring", "warming-up")
    record = _record(job, device, in_force, loaded, found, started_at, watch)
    return encode(JobResult(record=record, first_step_at=first_step_at))


def _prepared(case: Case, device: Device, group: Group) -> tuple[RankSteps, InForce, NetworkFingerprint]:
    """Every rank builds the whole network from the same seed, and keeps its own part of it."""
    stage("building")
    device.prepare(case)
    random_state.seed(case.seed)
    network = load_network(case, group.device)
    loaded = identity(network)
    weights.place(network.module, case)
    in_force = InForce(device, network.module, case)
    if group.ranks == 1:
        return one_rank.steps_of(network, case, group.device), in_force, loaded
    return strategies.get(case.strategy).prepare(network, case, group), in_force, loaded


def _record(
    job: Job,
    device: Device,
    in_force: InForce,
    loaded: NetworkFingerprint,
    found: JobFindings,
    started_at: str,
    watch: Stopwatch,
) -> Record:
    return Record(
        case=job.case,
        protocol=job.protocol,
        status="ok",
        measurements=found.measurements,
        environment=structs.replace(job.environment, gpu=device.accelerator()),
        gpu_readings=device.accelerator_readings(),
        effective=in_force.effective(),
        fingerprint=loaded,
        absent=found.absent,
        warnings=[*found.warnings, *device.warnings()],
        ranks=found.ranks,
        links=found.links,
        traffic=found.traffic,
        facts=job.facts,
        started_at=started_at,
        spent=watch.read(),
    )
