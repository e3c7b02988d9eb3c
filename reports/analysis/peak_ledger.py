"""What the memory at a step's peak is made of."""

from __future__ import annotations

import math

from msgspec import Struct

from bench.schema.metrics import LEDGER, TENSORS
from reports.summary.subjects import Figures

PEAK, _WORKSPACE = LEDGER["peak"], LEDGER["workspace"]
RESIDENT = "peak_resident"


class Ledger(Struct, frozen=True, kw_only=True):
    """What makes up a step's peak, in bytes.

    phase     of the step, in which the peak is
    tensors   kind -> bytes that are alive at the instant of the peak
    workspace what an operator takes beside them; None where no allocator says
    peak      the allocator's, or that of the tensors where no allocator says
    """

    phase: str
    tensors: dict[str, float]
    workspace: float | None
    peak: float

    @property
    def total(self) -> float:
        """The sum of what is known by kind."""
        return math.fsum((*self.tensors.values(), self.workspace or 0.0))

    @property
    def residual(self) -> float | None:
        """What the peak has beyond the sum; None where the peak is that of the tensors."""
        return None if self.workspace is None else self.peak - self.total


def ledger_of(figures: Figures) -> Ledger | None:
    """The ledger of a case; where its processes peak in different phases, that of most of them."""
    phases = [phase for phase, metric in figures if metric == PEAK]
    if not phases:
        return None
    phase = max(phases, key=lambda each: len(figures[each, PEAK].medians))
    sizes = {
        kind: figures[phase, LEDGER[kind]].median for kind in TENSORS if (phase, LEDGER[kind]) in figures
    }
    workspace = figures.get((phase, _WORKSPACE))
    return Ledger(
        phase=phase,
        tensors=sizes,
        workspace=workspace.median if workspace else None,
        peak=figures[phase, PEAK].median,
    )
