"""In the child: the checks of one group, answered."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bench import devices
from bench.case import Case
from bench.selftest import counting, deciding, processor, queues
from bench.selftest.check import Check, Checks, answered, skipped


def answer(argument: bytes) -> bytes:
    """The child's entry: the encoded name of a group in, its encoded Checks out."""
    return msgspec.json.encode(GROUPS[msgspec.json.decode(argument, type=str)]())


def _anywhere() -> list[Check]:
    """What needs no GPU; the simulated queue stands for one."""
    checks: Checks = {
        **processor.checks(),
        **queues.checks(queues.simulated()),
        **counting.checks(),
        **deciding.checks(),
    }
    return answered(checks)


def _cuda() -> list[Check]:
    device = devices.get("cuda")
    reason = device.why_absent() or device.why_unusable(Case(model="none", device="cuda"))
    if reason is not None:
        return skipped(queues.checks(queues.simulated(device.name)), reason)
    device.prepare(Case(model="none", device="cuda"))
    return answered(queues.checks(queues.cuda()))


GROUPS: dict[str, Callable[[], list[Check]]] = {"cpu": _anywhere, "cuda": _cuda}
