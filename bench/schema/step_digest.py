"""The bits of a deterministic training step, as digests: equal on all units of a kind that compute right."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from bench.schema.case import Case

Part = Literal["loss", "gradients", "weights"]
PARTS: tuple[Part, ...] = ("loss", "gradients", "weights")
"""In the order in which a step makes them: what differs first says where it went wrong."""


class StepDigest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one step of the case's network (`stepped`), built anew from the case's seed.

    loss, gradients, weights  digests of their bytes; the weights' after the update, with the buffers
    repeats   whether the same step gave the same bytes when it was made again in the same process
    why_none  why there is no digest, in one sentence; then all else is empty
    """

    loss: str = ""
    gradients: str = ""
    weights: str = ""
    repeats: bool = True
    why_none: str = ""


def stepped(case: Case) -> Case:
    """The step that is digested: training in eager mode. Cases that differ in no more share a digest."""
    return structs.replace(case, workload="training", engine="eager", tuning="", replicate=1)


def first_difference(one: StepDigest, other: StepDigest) -> Part | None:
    """The first part of the step that is not equal to the bit; None where all are."""
    return next((part for part in PARTS if getattr(one, part) != getattr(other, part)), None)
