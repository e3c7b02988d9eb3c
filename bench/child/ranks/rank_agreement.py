"""What the ranks of a job agree on outside their samples: orders of rank 0, barriers, the slowest time."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.distributed as dist

from bench.contracts.rank_strategy import Group


class Agreement(Protocol):
    """The ranks of one job; every call is made by all of them together."""

    leads: bool
    """Whether this is rank 0, which decides."""

    def order(self, words: tuple[float, ...]) -> tuple[float, ...]:
        """The words of rank 0, in every rank; each rank gives as many."""

    def barrier(self) -> None:
        """Return when all ranks are here."""

    def slowest(self, seconds: tuple[float, ...]) -> tuple[float, ...]:
        """Of each place the largest of all ranks' values."""

    def gather(self, message: bytes) -> list[bytes]:
        """The messages of all ranks, in their order."""


class GlooAgreement:
    """By messages through the host, so that no device's queue sees any of it.

    A group of its own, also beside nccl; of a job on gloo it is another than that of the steps.
    """

    def __init__(self, group: Group) -> None:
        self.leads = group.rank == 0
        self._ranks = group.ranks
        group_of_all = dist.new_group(backend="gloo")
        assert isinstance(group_of_all, dist.ProcessGroup)  # else this rank would be none of it
        self._group = group_of_all

    def order(self, words: tuple[float, ...]) -> tuple[float, ...]:
        told = torch.tensor(words, dtype=torch.float64)
        dist.broadcast(told, src=0, group=self._group)
        return tuple(told.tolist())

    def barrier(self) -> None:
        dist.barrier(group=self._group)

    def slowest(self, seconds: tuple[float, ...]) -> tuple[float, ...]:
        told = torch.tensor(seconds, dtype=torch.float64)
        dist.all_reduce(told, op=dist.ReduceOp.MAX, group=self._group)
        return tuple(told.tolist())

    def gather(self, message: bytes) -> list[bytes]:
        (longest,) = self.slowest((float(len(message)),))
        told = torch.zeros(8 + int(longest), dtype=torch.uint8)
        told[:8] = torch.tensor(list(len(message).to_bytes(8, "big")), dtype=torch.uint8)
        told[8 : 8 + len(message)] = torch.frombuffer(bytearray(message), dtype=torch.uint8)
        heard = [torch.zeros_like(told) for _ in range(self._ranks)]
        dist.all_gather(heard, told, group=self._group)
        encoded = [each.numpy().tobytes() for each in heard]
        return [each[8 : 8 + int.from_bytes(each[:8], "big")] for each in encoded]
