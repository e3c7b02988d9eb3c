"""What the ranks of one job found: where each ran, how long it took, and what went between them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Collective = Literal["all-reduce", "all-gather", "reduce-scatter", "broadcast", "reduce", "point-to-point"]

WITHOUT_COMMUNICATION = "step without communication"
"""In `Record.absent`, where a strategy has no such step."""


class RankFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rank of a job.

    rank, local_rank  its number in the job, and among those of its host
    device            as torch names it: `cpu`, `cuda:1`
    gpu_uuid          None on a CPU
    numa_node         where its cores are, or its GPU; None where that is not known
    cores             that the operating system let it run on
    threads           of torch, the same in every rank
    step_seconds      of each step, in the order of the steps, which all ranks make together
    pair_quiet_seconds, pair_step_seconds  ahead of each of them, in the same rounds, a step without
                      communication and then a whole one; empty where the strategy has no step without
    peak_bytes        of the device's memory, of a CPU the process's; None where it was not measured
    ledger            what the peak is made of: metric (`ledger_weights`) -> bytes; empty where nobody asked
    joules            of its device in one step, with its idle power; None where it was not measured
    """

    rank: int
    local_rank: int
    host: str
    device: str
    gpu_uuid: str | None = None
    numa_node: int | None = None
    cores: tuple[int, ...] = ()
    threads: int = 1
    step_seconds: tuple[float, ...] = ()
    pair_step_seconds: tuple[float, ...] = ()
    pair_quiet_seconds: tuple[float, ...] = ()
    peak_bytes: int | None = None
    ledger: dict[str, int] = {}
    joules: float | None = None


class LinkSamples(Struct, frozen=True, kw_only=True):
    """How long a message took between the ranks: the slowest rank's time of each call.

    backend        of torch.distributed: `nccl`, `gloo`
    message_bytes  as nccl-tests counts them: what a rank holds of an all-reduce, a broadcast or a message to
                   one other, and what all hold together of an all-gather or a reduce-scatter
    """

    collective: Collective
    backend: str
    ranks: int
    message_bytes: int
    seconds: tuple[float, ...]


class Traffic(Struct, frozen=True):
    """What a rank sends in one step, by arithmetic; of the rank that sends most, where they differ.

    what           the tensors: `gradients`, `feature maps into conv3`
    message_bytes  of all calls together, counted as in `LinkSamples`
    calls          in one step
    """

    what: str
    collective: Collective
    message_bytes: int
    calls: int = 1


def bus_factor(collective: Collective, ranks: int) -> float:
    """What a rank sends over its link for each byte of a message: nccl-tests, doc/PERFORMANCE.md."""
    if collective == "all-reduce":
        return 2 * (ranks - 1) / ranks
    if collective in ("all-gather", "reduce-scatter"):
        return (ranks - 1) / ranks
    return 1.0
