"""In each rank of a job: bytes of a step's messages as gloo's own events have them, and a job in small."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import torch.distributed as dist
from msgspec import Struct
from torch.profiler import ProfilerActivity, profile

from bench import devices, strategies
from bench.child.ranks import link_sweep
from bench.child.ranks.job_findings import measure_together
from bench.child.ranks.rank_agreement import GlooAgreement
from bench.contracts.monitor import NO_MONITOR
from bench.contracts.rank_strategy import RankSteps
from bench.schema.case import MeasurementProtocol
from bench.schema.ranks import LinkSamples, RankFacts, Traffic
from bench.schema.record import Measurement
from tests.planted.equal_ranks import CASES, network_of
from tests.planted.rank_jobs import RANKS, joined

_KINDS = {"gloo:all_reduce": "reduced", "gloo:all_gather": "gathered", "gloo:broadcast": "sent to all"}
"""gloo makes a reduce-scatter of an all-reduce, so that both are one kind."""
_OF = {
    "all-reduce": "reduced",
    "reduce-scatter": "reduced",
    "all-gather": "gathered",
    "broadcast": "sent to all",
    "reduce": "sent to one",
}
PROTOCOL = MeasurementProtocol(
    warmup_steps=1,
    warmup_seconds=0.0,
    warmup_limit_seconds=0.1,
    min_samples=3,
    max_samples=3,
    sampling_seconds=0.1,
    energy_seconds=0.0,
)
SIZES = (1024, 4096)


class Counted(Struct, frozen=True):
    """Bytes of the messages of a step by kind: counted, and by arithmetic."""

    counted: dict[str, int]
    computed: dict[str, int]


class SmallJob(Struct, frozen=True):
    """What rank 0 makes of a job, as a record would have it."""

    measurements: list[Measurement]
    absent: dict[str, str]
    ranks: tuple[RankFacts, ...]
    links: tuple[LinkSamples, ...]
    traffic: tuple[Traffic, ...]


class Found(Struct, frozen=True):
    """Of rank 0."""

    bytes: dict[str, Counted]
    jobs: dict[str, SmallJob]
    swept: tuple[LinkSamples, ...]
    refused: dict[str, str]
    told: list[int]


def count_rank(argument: bytes) -> bytes | None:
    """In a rank: an encoded Found."""
    group = joined()
    agreement, device = GlooAgreement(group), devices.get("cpu")
    counted, jobs = {}, {}
    for case in CASES:
        steps = strategies.get(case.strategy).prepare(network_of(case), case, group)
        counted[case.id] = _counted(steps)
        if case.model == "lenet5":
            found = measure_together(steps, group, device, agreement, PROTOCOL, NO_MONITOR, 0)
            if found is not None:
                jobs[case.strategy] = SmallJob(
                    found.measurements, found.absent, found.ranks, found.links, found.traffic
                )
    swept, refused = link_sweep.sweep(group, device, agreement, ("broadcast", "reduce"), SIZES)
    told = agreement.gather(bytes(1 + group.rank))
    dist.destroy_process_group()
    result = Found(
        counted, jobs, swept, {str(name): why for name, why in refused.items()}, [len(each) for each in told]
    )
    return msgspec.json.encode(result) if group.rank == 0 else None


def _counted(steps: RankSteps) -> Counted:
    steps.step()  # DistributedDataParallel makes its buckets in the first one
    steps.step()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        steps.step()
    counted: dict[str, int] = {}
    for event in seen.events() or ():
        for kind, size in _messages(event.name, event.input_shapes):
            counted[kind] = counted.get(kind, 0) + size
    computed: dict[str, int] = {}
    for each in steps.sent:
        kind = _OF[each.collective]
        computed[kind] = computed.get(kind, 0) + each.message_bytes
    return Counted(counted, computed)


def _messages(name: str, shapes: list[list[int]]) -> Iterator[tuple[str, int]]:
    """Of one of gloo's events; of an all-gather the shape is that of one rank's part."""
    size = 4 * sum(math.prod(shape) for shape in shapes)
    if name == "gloo:reduce":
        yield "sent to one", size
    elif name in _KINDS:
        yield _KINDS[name], size * (RANKS if name == "gloo:all_gather" else 1)
