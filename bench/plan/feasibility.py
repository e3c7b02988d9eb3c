"""Which cases cannot run, and which are still to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench import devices, engines
from bench.schema import tuning
from bench.schema.case import Case
from bench.schema.record import Status
from models import catalogue

RETRIED: tuple[Status, ...] = ("crashed", "timeout")
"""What `--resume` runs again: an accident may not repeat itself; the other statuses are answers."""


def why_impossible(case: Case) -> str | None:
    """A sentence when the case contradicts itself, whatever the machine."""
    device = devices.get(case.device)
    refused = device.why_unsupported(case)
    if case.workload == "ceiling":  # has neither an engine nor a network
        return refused
    engine = engines.get(case.engine)
    return (
        refused
        or engine.why_unsupported(case, device.traits)
        or tuning.why_unsupported(case, compiles=engine.compiles, of_device=device.traits.tunings)
        or catalogue.why_impossible(case.model, case.channels, case.image, case.classes, case.input)
    )


def why_not_here(case: Case) -> str | None:
    """What is known without torch against running a case on this machine, in a sentence."""
    return devices.get(case.device).why_absent() or why_impossible(case)


def pending(planned: Sequence[Case], statuses: Mapping[Case, Status]) -> list[Case]:
    """What is still to do: not recorded yet, or recorded as an accident."""
    return [case for case in planned if statuses.get(case) in (None, *RETRIED)]
