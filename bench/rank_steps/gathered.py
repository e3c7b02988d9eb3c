"""What one process would have, put together from all ranks, on the CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def copied(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors that every rank has whole, as they are now."""
    return {name: each.detach().to("cpu", copy=True) for name, each in named}


def gradients(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Those of weights, where there are any."""
    return {name: each.grad for name, each in named if each.grad is not None}


def rows(own: Tensor, ranks: int) -> Tensor:
    """What the ranks hold, one after the other along dimension 0."""
    import torch
    import torch.distributed as dist

    own = own.detach().contiguous()
    parts = [torch.empty_like(own) for _ in range(ranks)]
    dist.all_gather(parts, own)
    return torch.cat(parts).cpu()


def of_parts(named: Iterable[tuple[str, Tensor]], ranks: int) -> dict[str, Tensor]:
    """Tensors of which each rank has an equal part of dimension 0."""
    return {name: rows(each, ranks) for name, each in named}


def mean(own: Tensor) -> float:
    """Over the ranks."""
    import torch.distributed as dist

    total = own.detach().clone()
    dist.all_reduce(total)
    return float(total) / dist.get_world_size()
