"""Records of jobs of several ranks with planted parts: what a job measured, without a rank that ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.ranks import (
    WITHOUT_COMMUNICATION,
    Collective,
    LinkSamples,
    RankFacts,
    Traffic,
    bus_factor,
)
from bench.schema.record import Record
from tests.planted.planted_records import GPU_MACHINE, MACHINE, SPREAD, record, time

ONE = Case(model="vgg16", workload="training", device="cuda", batch=32)
JOBS = (0.995, 1.0, 1.005)
"""Of three jobs the times, relative to what is planted."""
GRADIENTS = 553_430_176
"""bytes: of the parameters of VGG-16 in fp32."""
LATENCY, BANDWIDTH = 2e-6, 10e9
"""Of a hop in s, and of the bus in bytes/s."""


class PlantedSize(Struct, frozen=True, kw_only=True):
    """Of one number of ranks the parts of a step in s; `gap` is what they lack of the step."""

    ranks: int
    compute: float = 1.0
    skew: float = 0.0
    exposed: float = 0.0
    gap: float = 0.0

    @property
    def step(self) -> float:
        return self.compute + self.skew + self.exposed + self.gap


WEAK = (
    PlantedSize(ranks=1),
    PlantedSize(ranks=2, skew=0.01, exposed=0.02),
    PlantedSize(ranks=4, skew=0.02, exposed=0.04),
    PlantedSize(ranks=8, skew=0.03, exposed=0.055),
)
"""Efficiencies of 97%, 94% and 92%."""


def weak_records(
    sizes: Sequence[PlantedSize] = WEAK, case: Case = ONE, strategy: str = "ddp"
) -> list[Record]:
    """Three jobs of each number of ranks; the batch of a rank is that of `case`."""
    return [job for size in sizes for job in _jobs(size, case, strategy, batch=case.batch * size.ranks)]


def strong_records(
    sizes: Sequence[PlantedSize], case: Case = ONE, strategy: str = "ddp", *, quiet: bool = True
) -> list[Record]:
    """Likewise, where the batch of the job is that of `case`; not `quiet`: without a step that sends
    nothing."""
    return [job for size in sizes for job in _jobs(size, case, strategy, batch=case.batch, quiet=quiet)]


def _jobs(
    size: PlantedSize, case: Case, strategy: str, batch: int, *, quiet: bool = True
) -> Iterator[Record]:
    metric = "device_time" if case.device == "cuda" else "wall_time"
    machine = GPU_MACHINE if case.device == "cuda" else MACHINE
    for number, factor in enumerate(JOBS, start=1):
        of_job = structs.replace(case, replicate=number, batch=batch)
        if size.ranks == 1:
            yield record(of_job, time("step", size.step * factor, metric), environment=machine)
            continue
        of_job = structs.replace(of_job, ranks=size.ranks, strategy=strategy)
        plain = record(of_job, time("step", size.step * factor, metric), environment=machine)
        yield structs.replace(
            plain,
            ranks=tuple(_rank(size, case, rank, factor, quiet=quiet) for rank in range(size.ranks)),
            links=tuple(sweep(size.ranks, "nccl" if case.device == "cuda" else "gloo")),
            traffic=(Traffic(what="gradients", collective="all-reduce", message_bytes=GRADIENTS, calls=22),),
            absent={} if quiet else {WITHOUT_COMMUNICATION: "fsdp gathers its weights in every step"},
        )


def _rank(size: PlantedSize, case: Case, rank: int, factor: float, *, quiet: bool) -> RankFacts:
    """The last rank is the slowest: by `skew` slower than the mean, the others by as much faster together."""
    ahead = size.skew / (size.ranks - 1)
    alone = size.compute + (size.skew if rank == size.ranks - 1 else -ahead)
    slowest = size.compute + size.skew

    def samples(seconds: float) -> tuple[float, ...]:
        return tuple(seconds * factor for _ in SPREAD)

    return RankFacts(
        rank=rank,
        local_rank=rank,
        host="lab",
        device=f"cuda:{rank}" if case.device == "cuda" else "cpu",
        gpu_uuid=f"GPU-{rank}" if case.device == "cuda" else None,
        numa_node=rank // 4,
        cores=tuple(range(4 * rank, 4 * rank + 4)),
        step_seconds=tuple(size.step * factor * each for each in SPREAD),
        pair_step_seconds=samples(slowest + size.exposed) if quiet else (),
        pair_quiet_seconds=samples(alone) if quiet else (),
        peak_bytes=10 * 2**30,
        ledger={"ledger_peak": 10 * 2**30},
        joules=500.0 if case.device == "cuda" else None,
    )


def sweep(ranks: int, backend: str) -> Iterator[LinkSamples]:
    """Every collective at two sizes, by LATENCY and BANDWIDTH."""
    collectives: tuple[Collective, ...] = ("all-reduce", "all-gather", "reduce-scatter", "point-to-point")
    for collective in collectives:
        for size in (1024, 2**28):
            hops = 2 * (ranks - 1) if collective == "all-reduce" else ranks - 1
            latency = LATENCY * (1 if collective == "point-to-point" else hops)
            seconds = latency if size == 1024 else size * bus_factor(collective, ranks) / BANDWIDTH
            yield LinkSamples(
                collective=collective,
                backend=backend,
                ranks=ranks,
                message_bytes=size,
                seconds=(seconds,) * 3,
            )


def drifting(of: Record) -> Record:
    """The same, labelled."""
    return structs.replace(of, warnings=[CaseWarning("drifting", "step became slower")])
