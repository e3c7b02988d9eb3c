"""What the parent asks a child to count, and what comes back; no torch."""

from __future__ import annotations

from msgspec import Struct

from models.closed_form import Cost


class CountRequest(Struct, frozen=True, kw_only=True):
    """One network on one batch of square images, or of `input`, as in `bench.schema.case.Case`."""

    model: str
    channels: int
    image: int
    classes: int
    batch: int = 1
    input: str = ""


class CountResult(Struct, frozen=True, kw_only=True):
    """The counts of two libraries for convolutions and matrix products, in FLOPs for one batch.

    error          why the network could not be built or run, in a sentence; then all else is empty
    cost           only for a network that is not ours: its cost from the operators that it runs
    flops_*        None where a counter could not run, for which `notes` has the reason
    uncompared     what one counter counts and another does not: `counter operator` -> FLOPs
    disagreements  every difference in convolutions or matrix products, in a sentence. For our networks one is
                   an error; for others it says which counter knows operators that another does not.
    notes          what else a reader should know
    """

    request: CountRequest
    error: str | None = None
    cost: Cost | None = None
    flops_fvcore: int | None = None
    flops_torch_forward: int | None = None
    flops_torch_backward: int | None = None
    uncompared: dict[str, int] = {}
    disagreements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class CostEntry(Struct, frozen=True):
    """One network on one batch: its cost, and what the libraries counted where they were asked."""

    cost: Cost
    counts: CountResult | None = None
