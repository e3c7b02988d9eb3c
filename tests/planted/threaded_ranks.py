"""Ranks as threads of one process, which agree without torch.distributed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE = 20.0
"""s that a rank waits for the others: it is a deadlock that this ends."""


class _Table:
    """What the ranks lay down for each other; read between two barriers."""

    def __init__(self, ranks: int) -> None:
        self.barrier = threading.Barrier(ranks, timeout=PATIENCE)
        self.laid: list[object] = [None] * ranks


class ThreadedAgreement:
    """One thread's side of what `bench.child.ranks.rank_agreement.Agreement` asks for."""

    def __init__(self, rank: int, table: _Table) -> None:
        self.leads = rank == 0
        self._rank, self._table = rank, table
        self.orders = 0

    def order(self, words: tuple[float, ...]) -> tuple[float, ...]:
        self.orders += 1
        return self._all(words)[0]

    def barrier(self) -> None:
        self._all(())

    def slowest(self, seconds: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(map(max, zip(*self._all(seconds), strict=True)))

    def gather(self, message: bytes) -> list[bytes]:
        return self._all(message)

    def _all(self, value: Found) -> list[Found]:
        self._table.laid[self._rank] = value
        self._table.barrier.wait()
        found = list(self._table.laid)
        self._table.barrier.wait()
        return found  # type: ignore[return-value]  # each rank lays down the same type


def in_ranks(ranks: int, work: Callable[[int, ThreadedAgreement], Found]) -> list[Found]:
    """What `work(rank, agreement)` returns in each of so many ranks; raises what the first of them raises."""
    table = _Table(ranks)
    with ThreadPoolExecutor(ranks) as pool:
        futures = [pool.submit(work, rank, ThreadedAgreement(rank, table)) for rank in range(ranks)]
        return [future.result(timeout=2 * PATIENCE) for future in futures]
