"""What a search is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.plan.axes import Value
from bench.runner.run_options import RunOptions


class SearchRequest(Struct, frozen=True, kw_only=True):
    """What is searched for.

    given      axis -> the values that may be tried, `model` among them; an absent one of those that a search
               changes has all that the machine has
    max_batch  whether the largest batch that fits, and parts of it, may be tried too
    ceilings   whether to measure how fast the machine multiplies in the winner's arithmetic
    gpu        full UUID of the only GPU that processes see, or None
    lock_clocks_mhz    what its SM clock is locked at meanwhile, or None
    """

    given: Mapping[str, tuple[Value, ...]]
    budget_seconds: float
    max_batch: bool = False
    resume: bool = False
    ceilings: bool = True
    gpu: str | None = None
    lock_clocks_mhz: int | None = None

    @property
    def run_options(self) -> RunOptions:
        """What each case is measured with."""
        return RunOptions(gpu=self.gpu, lock_clocks_mhz=self.lock_clocks_mhz)
