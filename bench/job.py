"""What the parent hands to a child and what comes back, torch-free; bytes on the way."""

from __future__ import annotations

from msgspec import Struct

from bench.case import Case, Protocol
from bench.record import Environment, Record

MEASURE = "bench.worker:measure"
COMPILE_COLD = "bench.worker:compile_cold"
WHY_UNUSABLE = "bench.worker:why_unusable"
PRELOAD = ("torch", "torchvision", "torch._dynamo", "torch._inductor.compile_fx", "bench.worker")
"""Imported once by the fork server: the imports of torch.compile's front and back end alone take seconds,
and torch.optim pulls them in at its first step."""


class Job(Struct, frozen=True, kw_only=True):
    """One case for one child.

    cache_folder  Inductor's and Triton's caches for this case and replicate alone, or None
    cold          what the process with the empty cache found, or None
    """

    case: Case
    protocol: Protocol
    environment: Environment
    cache_folder: str | None = None
    cold: ColdCompile | None = None


class ColdCompile(Struct, frozen=True, kw_only=True):
    """From an empty cache: seconds to the end of the first step, and casts of weights and inputs a step."""

    seconds: float
    casts: int


class Finished(Struct, frozen=True, kw_only=True):
    """A child's answer: the record, and when its first warm-up step began (time.monotonic, s)."""

    record: Record
    first_step_at: float | None
