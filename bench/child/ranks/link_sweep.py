"""How long messages take between the ranks: each collective by size, as nccl-tests does it.

Messages are counted in nccl-tests' way (`bench.schema.ranks.LinkSamples`), and a time is the slowest rank's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist

from bench.child.ranks.rank_agreement import Agreement
from bench.contracts.device import Device
from bench.contracts.rank_strategy import Group
from bench.contracts.steps import Call
from bench.schema.ranks import Collective, LinkSamples
from bench.timing.timers import DeviceTimer, Timer, WallTimer, spin
from models.errors import in_one_line

SWEPT: tuple[Collective, ...] = ("all-reduce", "all-gather", "reduce-scatter", "point-to-point")
HOST_SIZES = (1 << 10, 1 << 15, 1 << 20, 1 << 24)
DEVICE_SIZES = (1 << 10, 1 << 16, 1 << 20, 1 << 24, 1 << 28)
"""bytes. The smallest shows the latency, the largest the bandwidth."""
_SAMPLES = 7
_ENQUEUE_SECONDS = 100e-6
"""What a collective costs the host, generously: so long the device spins ahead of the first event."""
_FLOAT = 4


def sweep(
    group: Group,
    device: Device,
    agreement: Agreement,
    also: Sequence[Collective] = (),
    sizes: Sequence[int] | None = None,
) -> tuple[tuple[LinkSamples, ...], dict[Collective, str]]:
    """SWEPT and whatever `also` a strategy uses; what the backend cannot do, with its reason.

    All ranks call it together; each has all samples.
    """
    queue = device.queue()
    timer: Timer = WallTimer(device) if queue is None else DeviceTimer(queue, spin(_ENQUEUE_SECONDS))
    found, refused = [], {}
    for collective in dict.fromkeys((*SWEPT, *also)):
        for size in sizes or (HOST_SIZES if queue is None else DEVICE_SIZES):
            try:
                found.append(_swept(group, timer, agreement, collective, size))
            except (RuntimeError, NotImplementedError) as error:
                refused[collective] = f"{group.backend} cannot do it: {in_one_line(error)}"
                break
    return tuple(found), refused


def _swept(
    group: Group, timer: Timer, agreement: Agreement, collective: Collective, size: int
) -> LinkSamples:
    call, counted = message(group, collective, size)
    call()  # the first one opens connections
    seconds: list[float] = []
    for _ in range(_SAMPLES):
        (own,) = timer.time((call,), agreement.barrier, 1)
        seconds += agreement.slowest((own,))
    return LinkSamples(
        collective=collective,
        backend=group.backend,
        ranks=group.ranks,
        message_bytes=counted,
        seconds=tuple(seconds),
    )


def message(group: Group, collective: Collective, size: int) -> tuple[Call, int]:
    """A call of the collective, and the bytes that it really moves: `size`, or so little more that all ranks
    hold equally much of it. What the bytes are does not change their time: they are zeros."""
    piece = -(-size // (_FLOAT * group.ranks))
    whole = piece * group.ranks
    calls: dict[Collective, Callable[[], Call]] = {
        "all-reduce": lambda: _all_reduce(_zeros(group, whole)),
        "all-gather": lambda: _all_gather(_zeros(group, whole), _zeros(group, piece)),
        "reduce-scatter": lambda: _reduce_scatter(_zeros(group, piece), _zeros(group, whole)),
        "broadcast": lambda: _broadcast(_zeros(group, whole)),
        "reduce": lambda: _reduce(_zeros(group, whole)),
        "point-to-point": lambda: _around(group, _zeros(group, whole), _zeros(group, whole)),
    }
    return calls[collective](), whole * _FLOAT


def _zeros(group: Group, count: int) -> torch.Tensor:
    return torch.zeros(count, device=group.device)


def _all_reduce(tensor: torch.Tensor) -> Call:
    def call() -> None:
        dist.all_reduce(tensor)

    return call


def _all_gather(whole: torch.Tensor, piece: torch.Tensor) -> Call:
    gather = _named("all_gather_single", "all_gather_into_tensor")

    def call() -> None:
        gather(whole, piece)

    return call


def _reduce_scatter(piece: torch.Tensor, whole: torch.Tensor) -> Call:
    scatter = _named("reduce_scatter_single", "reduce_scatter_tensor")

    def call() -> None:
        scatter(piece, whole)

    return call


def _named(now: str, before: str) -> Callable[..., object]:
    """torch renamed them: by the name that this one has."""
    return getattr(dist, now, None) or getattr(dist, before)  # type: ignore[no-any-return]


def _reduce(tensor: torch.Tensor) -> Call:
    def call() -> None:
        dist.reduce(tensor, dst=0)

    return call


def _broadcast(tensor: torch.Tensor) -> Call:
    def call() -> None:
        dist.broadcast(tensor, src=0)

    return call


def _around(group: Group, out: torch.Tensor, into: torch.Tensor) -> Call:
    """Each rank sends to the next one and receives from the one before, as `sendrecv_perf` does."""
    following, before = (group.rank + 1) % group.ranks, (group.rank - 1) % group.ranks

    def call() -> None:
        sent = [dist.P2POp(dist.isend, out, following), dist.P2POp(dist.irecv, into, before)]
        for work in dist.batch_isend_irecv(sent):
            work.wait()

    return call
