"""Which timers measure a step, what shields them, and how many steps make a sample."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from bench.contracts.device import Device, Queue
from bench.contracts.steps import Steps
from bench.schema.case import MeasurementProtocol
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
_MOST_DEVICE_REPEATS = 10
"""More would fill the driver's launch queue (about a thousand kernels) and stall the host in the window."""
_WALL_SECONDS, _FEWEST_WALL_REPEATS, _MOST_WALL_REPEATS = 50e-3, 5, 1000
"""A sample of wall time holds the way to its first kernel, which is no part of a step in a row: it spans so
much that this is noise."""
_PHASES_SECONDS, _MOST_PHASE_REPEATS = 10e-3, 50
"""By wall time each phase is waited for, so that rounds of them hold the way to the first kernel anyway."""
_FEWEST_SAMPLES = 6
"""Fewer have no 95% interval."""
_TRIALS = 3
"""Steps by each clock, whose medians decide the rest."""


@dataclass(frozen=True)
class Pass:
    """One timer over a case.

    repeats        whole steps that it averages within one sample
    phase_repeats  rounds of the phases, likewise
    min_samples    before the pass may end
    """

    timer: Timer
    repeats: int
    phase_repeats: int
    min_samples: int


def passes_of(
    steps: Steps, device: Device, protocol: MeasurementProtocol, *, host_time: bool = True
) -> list[Pass]:
    """The device's timers, in the order in which they measure; the steps must be warm."""
    queue = device.queue()
    if queue is None:
        return [Pass(WallTimer(device), 1, 1, protocol.min_samples)]
    step_seconds = statistics.median(
        WallTimer(device).time((steps.step,), steps.setup, 1)[0] for _ in range(_TRIALS)
    )

    def chosen(timer: Timer, repeats: int, phase_repeats: int, ahead: int = 0) -> Pass:
        if protocol.flush_l2:  # of several steps in a row only the first is cold
            repeats = phase_repeats = 1
        rounds = repeats + ahead + (phase_repeats * (1 + ahead) if steps.phases else 0)
        return Pass(timer, repeats, phase_repeats, _fewest_samples(protocol, rounds * step_seconds))

    shield, phase_shield, device_seconds = _shields(steps, queue)
    device_repeats = _repeats(_EVENTS_RESOLVE_SECONDS, device_seconds, _MOST_DEVICE_REPEATS)
    wall_repeats = max(_FEWEST_WALL_REPEATS, _repeats(_WALL_SECONDS, step_seconds, _MOST_WALL_REPEATS))
    phase_repeats = _repeats(_PHASES_SECONDS, step_seconds, _MOST_PHASE_REPEATS)
    passes = [
        chosen(DeviceTimer(queue, shield, phase_shield), device_repeats, device_repeats, shield.rounds),
        chosen(WallTimer(device), wall_repeats, phase_repeats),
    ]
    return [*passes, chosen(HostTimer(queue), 1, 1)] if host_time else passes


def _repeats(wanted_seconds: float, step_seconds: float, most: int) -> int:
    return math.ceil(min(most, wanted_seconds / max(step_seconds, 1e-9)))


def _fewest_samples(protocol: MeasurementProtocol, sample_seconds: float) -> int:
    """As many as fit into the protocol's seconds, where it asks for more: of long steps, of which a sample
    takes several, few samples are enough."""
    fitting = int(protocol.sampling_seconds / max(sample_seconds, 1e-9))
    return min(protocol.min_samples, max(fitting, _FEWEST_SAMPLES))


def _shields(steps: Steps, queue: Queue) -> tuple[Shield, Shield, float]:
    """Of the whole step and of a round of its phases, and the device's seconds of a step.

    A step that waits for the device inside would wait for the shield too, and what it enqueues then stands
    bare: only its phases ahead of the last, which is the one that waits (the optimizer's, for the gradients'
    overflow), can be shielded.
    """
    if not steps.synchronises:
        host, device = host_and_device_seconds(queue, steps.step, steps.setup, _TRIALS)
        return shield_for(host, device), shield_for(host, device), device
    bare = DeviceTimer(queue, Shield())
    device = statistics.median(bare.time((steps.step,), steps.setup, 1)[0] for _ in range(_TRIALS))
    calls = [call for _, call in steps.phases]
    timer = HostTimer(queue)
    ahead = [sum(timer.time(calls, steps.setup, 1)[:-1]) for _ in range(_TRIALS)] if calls else [0.0]
    return Shield(), spin(statistics.median(ahead)), device
