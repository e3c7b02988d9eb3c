"""What ranks send each other inside a step, and how gradients go back the same way.

Each exchange can be quiet: it then takes this rank's own tensors for those of the others, so that the same
work is done and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


class Exchange:
    """Joins along dimension 1 what the ranks hold; `is_quiet` is asked at every call."""

    def __init__(self, ranks: int) -> None:
        self.ranks = ranks
        self.is_quiet = False

    def gather(self, own: Tensor) -> Tensor:
        """(batch, n, ...) of each rank to (batch, n * ranks, ...) in all.

        Each rank then does different work, so the gradient of `own` is the sum over all ranks.
        """
        gathered: Tensor = _gathering().apply(own, self, True)
        return gathered

    def gather_same(self, own: Tensor) -> Tensor:
        """Likewise, for ranks that all go on with the same work: each has the whole gradient already."""
        gathered: Tensor = _gathering().apply(own, self, False)
        return gathered

    def joining(self, call: Callable[[Tensor], Tensor]) -> nn.Module:
        """One of the two as a layer of a chain."""
        from torch import nn

        class Joining(nn.Module):
            def forward(self, own: Tensor) -> Tensor:
                return call(own)

        return Joining()

    def joined(self, own: Tensor) -> Tensor:
        """`gather` without gradients."""
        import torch
        import torch.distributed as dist

        own = own.contiguous()
        parts = [torch.empty_like(own) for _ in range(self.ranks)]
        if self.is_quiet:
            parts = [own] * self.ranks
        else:
            dist.all_gather(parts, own)
        return torch.cat(parts, 1)

    def summed_part(self, whole: Tensor) -> Tensor:
        """This rank's part along dimension 1 of the sum over all ranks."""
        import torch
        import torch.distributed as dist

        parts = [each.contiguous() for each in whole.chunk(self.ranks, 1)]
        if self.is_quiet:
            return torch.stack(parts).sum(0)
        own = torch.empty_like(parts[0])
        dist.reduce_scatter(own, parts)
        return own

    def own_part(self, whole: Tensor) -> Tensor:
        """This rank's part along dimension 1."""
        import torch.distributed as dist

        return whole.chunk(self.ranks, 1)[dist.get_rank()]


_found: list[Any] = []


def _gathering() -> Any:
    """The autograd function, made when torch is first needed."""
    if not _found:
        _found.append(_made())
    return _found[0]


def _made() -> Any:
    import torch

    class Gathering(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, own: Tensor, exchange: Exchange, sums: bool) -> Tensor:
            context.exchange, context.sums = exchange, sums
            return exchange.joined(own)

        @staticmethod
        def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
            take = context.exchange.summed_part if context.sums else context.exchange.own_part
            return take(gradients[0]), None, None

    return Gathering
