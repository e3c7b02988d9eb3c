"""Which timers measure a step, what shields them, and how many steps make a sample."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from bench.contracts.device import Device, Queue
from bench.contracts.steps import Steps
from bench.timing.timers import (
    DeviceTimer,
    HostTimer,
    Shield,
    Timer,
    WallTimer,
    host_and_device_seconds,
    shield_for,
    spin,
)

_EVENTS_RESOLVE_SECONDS = 100e-6
"""Below this, device times are averages over several steps: a pair of events resolves about 0.5 us."""
_WALL_SECONDS = 10e-3
"""A wall-clock sample on an asynchronous device spans at least this, so that filling the queue is noise."""
_MOST_REPEATS = 50
_MOST_SHIELDED_REPEATS = 10
"""More would fill the driver's launch queue (about a thousand kernels) and stall the host in the window."""
_TRIALS = 5
"""Steps by each clock, by whose medians the others are planned."""


@dataclass(frozen=True)
class Pass:
    """One timer over a case, and how many steps it averages within a sample."""

    timer: Timer
    repeats: int


def passes_of(steps: Steps, device: Device, *, host_time: bool = True) -> list[Pass]:
    """The device's timers, in the order in which they measure."""
    queue = device.queue()
    if queue is None:
        return [Pass(WallTimer(device), 1)]
    seconds_per_step = _seconds_per_step(steps, device)
    device_repeats = min(_MOST_SHIELDED_REPEATS, math.ceil(_EVENTS_RESOLVE_SECONDS / seconds_per_step))
    wall_repeats = min(_MOST_REPEATS, math.ceil(_WALL_SECONDS / seconds_per_step))
    passes = [
        Pass(DeviceTimer(queue, *_shields(steps, queue)), device_repeats),
        Pass(WallTimer(device), wall_repeats),
    ]
    return [*passes, Pass(HostTimer(queue), 1)] if host_time else passes


def _seconds_per_step(steps: Steps, device: Device) -> float:
    timer = WallTimer(device)
    return statistics.median(timer.time((steps.step,), steps.setup, 1)[0] for _ in range(3))


def _shields(steps: Steps, queue: Queue) -> tuple[Shield, Shield]:
    """Of the whole step, and of a round of its phases.

    A step that waits for the device inside would wait for the shield too, and what it enqueues then stands
    bare: only its phases ahead of the last, which is the one that waits (the optimizer's, for the gradients'
    overflow), can be shielded.
    """
    if not steps.synchronises:
        shield = shield_for(*host_and_device_seconds(queue, steps.step, steps.setup, _TRIALS))
        return shield, shield
    calls = [call for _, call in steps.phases]
    host = HostTimer(queue)
    ahead = [sum(host.time(calls, steps.setup, 1)[:-1]) for _ in range(_TRIALS)] if calls else [0.0]
    return Shield(), spin(statistics.median(ahead))
