"""What the memory at a step's peak is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from bench.schema.metrics import BESIDE, LEDGER, TENSORS
from reports.summary.subjects import Figures

PEAK = LEDGER["peak"]
RESIDENT = "peak_resident"


class Ledger(Struct, frozen=True, kw_only=True):
    """What makes up a step's peak, in bytes.

    phase    of the step, in which the peak is
    tensors  kind -> bytes that are alive at the instant of the peak
    beside   kind of BESIDE -> bytes that the allocator knows of; empty where it says nothing
    peak     the allocator's, or that of the tensors where no allocator says
    """

    phase: str
    tensors: dict[str, float]
    beside: dict[str, float]
    peak: float

    @property
    def total(self) -> float:
        """The sum of what is known by kind."""
        return math.fsum((*self.tensors.values(), *self.beside.values()))

    @property
    def residual(self) -> float | None:
        """What the peak has beyond the sum; None where the peak is that of the tensors."""
        return self.peak - self.total if self.beside else None


def ledger_of(figures: Figures) -> Ledger | None:
    """The ledger of a case; where its processes peak in different phases, that of most of them."""
    phases = [phase for phase, metric in figures if metric == PEAK]
    if not phases:
        return None
    phase = max(phases, key=lambda each: len(figures[each, PEAK].medians))

    def sizes(kinds: Sequence[str]) -> dict[str, float]:
        return {
            kind: figures[phase, LEDGER[kind]].median for kind in kinds if (phase, LEDGER[kind]) in figures
        }

    return Ledger(phase=phase, tensors=sizes(TENSORS), beside=sizes(BESIDE), peak=figures[phase, PEAK].median)
