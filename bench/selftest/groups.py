"""In the child: the checks of one group, answered."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bench import devices
from bench.schema.case import Case
from bench.schema.check import Check, Checks, answered, skipped
from bench.selftest import known_flops, known_queues, known_times, known_verdicts


def answer(argument: bytes) -> bytes:
    """The child's entry: the encoded name of a group in, its encoded Checks out."""
    return msgspec.json.encode(GROUPS[msgspec.json.decode(argument, type=str)]())


def _anywhere() -> list[Check]:
    """What needs no GPU; the simulated queue stands for one."""
    checks: Checks = {
        **known_times.checks(),
        **known_queues.checks(known_queues.simulated()),
        **known_flops.checks(),
        **known_verdicts.checks(),
    }
    return answered(checks)


def _cuda() -> list[Check]:
    device = devices.get("cuda")
    reason = device.why_absent() or device.why_unusable(Case(model="none", device="cuda"))
    if reason is not None:
        return skipped(known_queues.checks(known_queues.simulated(device.name)), reason)
    device.prepare(Case(model="none", device="cuda"))
    return answered(known_queues.checks(known_queues.cuda()))


GROUPS: dict[str, Callable[[], list[Check]]] = {"cpu": _anywhere, "cuda": _cuda}
