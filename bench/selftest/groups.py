"""In the child: the checks of one device, answered."""

from __future__ import annotations

import msgspec

from bench import devices
from bench.contracts.device import Device
from bench.schema.case import Case
from bench.schema.check import Check, Checks, answered, skipped
from bench.selftest import known_flops, known_queues, known_times, known_verdicts


def answer(argument: bytes) -> bytes:
    """The child's entry: the encoded name of a device in, its encoded Checks out."""
    device = devices.get(msgspec.json.decode(argument, type=str))
    return msgspec.json.encode(_anywhere() if device.traits.is_host else _of_queue(device))


def _anywhere() -> list[Check]:
    """What needs no GPU; the simulated queue stands for one."""
    checks: Checks = {
        **known_times.checks(),
        **known_queues.checks(known_queues.simulated()),
        **known_flops.checks(),
        **known_verdicts.checks(),
    }
    return answered(checks)


def _of_queue(device: Device) -> list[Check]:
    case = Case(model="none", device=device.name)
    reason = device.why_absent() or device.why_unusable(case)
    if reason is not None:
        return skipped(known_queues.checks(known_queues.simulated(device.name)), reason)
    device.prepare(case)
    queue = device.queue()
    if queue is None:
        return []
    return answered(known_queues.checks(known_queues.real(device, queue)))
