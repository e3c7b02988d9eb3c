"""Which timers measure a step, what shields them, and how many steps make a sample."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bench.contracts.device import Device, Queue
from bench.contracts.steps import Steps
from bench.schema.case import MeasurementProtocol
from bench.timing.repeats import enough_on_queue, enough_samples, repeats_of
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
    steps: Steps,
    device: Device,
    protocol: MeasurementProtocol,
    warm_seconds: float,
    *,
    host_time: bool = True,
) -> list[Pass]:
    """The device's timers, in the order in which they measure; the steps must be warm, and took
    `warm_seconds` in the warm-up."""
    queue = device.queue()
    if queue is None:
        return [Pass(WallTimer(device), 1, 1, enough_samples(protocol, warm_seconds))]
    step_seconds = statistics.median(
        WallTimer(device).time((steps.step,), steps.setup, 1)[0] for _ in range(_TRIALS)
    )

    shield, phase_shield, device_seconds = _shields(steps, queue)
    alone = protocol.flush_l2 or steps.puts_back()
    repeats = repeats_of(step_seconds, device_seconds, shield.rounds, alone=alone)
    timers: list[Timer] = [DeviceTimer(queue, shield, phase_shield), WallTimer(device)]
    if host_time:
        timers.append(HostTimer(queue))

    def chosen(timer: Timer) -> Pass:
        each = repeats[timer.metric]
        seconds = each.steps(phased=bool(steps.phases)) * step_seconds
        return Pass(timer, each.whole, each.phases, enough_on_queue(protocol, seconds))

    return [chosen(timer) for timer in timers]


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
