"""Device, wall and host time of a sequence of calls, on any device that can synchronise and record events.

docs/method.md, "Wall, host and device time": three numbers for every phase, never one.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.contracts.device import Device, Queue
from bench.contracts.steps import Call
from bench.schema.case_warnings import LAUNCH_BOUND

_SPIN_MARGIN = 1.5
_BRIEF = 0.01
"""A spin of no more than this share of the step leaves the chip as warm as it found it."""


class Timer(Protocol):
    """Measures consecutive calls; `setup` runs untimed ahead of every round."""

    metric: str

    def time(self, calls: Sequence[Call], setup: Call, repeats: int) -> tuple[float, ...]:
        """Seconds of each call, averaged over `repeats` rounds."""


class WallTimer:
    """Synchronise, call, synchronise, by the host's clock.

    A single call is repeated without synchronising in between, as a training loop runs: then the device's
    queue stays full, and `setup` (host work of microseconds) cannot be taken out and is part of it.
    """

    metric = "wall_time"

    def __init__(self, device: Device) -> None:
        self._device = device

    def time(self, calls: Sequence[Call], setup: Call, repeats: int) -> tuple[float, ...]:
        if len(calls) == 1:
            return (self._pipelined(calls[0], setup, repeats),)
        totals = [0.0] * len(calls)
        for _ in range(repeats):
            setup()
            self._device.synchronise()
            start = self._device.clock()
            for index, call in enumerate(calls):
                call()
                self._device.synchronise()
                now = self._device.clock()
                totals[index] += now - start
                start = now
        return tuple(total / repeats for total in totals)

    def _pipelined(self, call: Call, setup: Call, repeats: int) -> float:
        setup()
        self._device.synchronise()
        start = self._device.clock()
        call()
        for _ in range(repeats - 1):
            setup()
            call()
        self._device.synchronise()
        return (self._device.clock() - start) / repeats


class HostTimer:
    """From an empty queue until each call returns, without synchronising: what Python and the driver cost."""

    metric = "host_time"

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def time(self, calls: Sequence[Call], setup: Call, repeats: int) -> tuple[float, ...]:
        totals = [0.0] * len(calls)
        for _ in range(repeats):
            setup()
            self._queue.synchronise()
            start = self._queue.clock()
            for index, call in enumerate(calls):
                call()
                now = self._queue.clock()
                totals[index] += now - start
                start = now
        self._queue.synchronise()
        return tuple(total / repeats for total in totals)


@dataclass(frozen=True)
class Shield:
    """What keeps the device busy ahead of the events, so that it never waits for Python between them.

    rounds        of the calls, which nobody measures
    spin_seconds  of a kernel that only waits, for each round that is measured
    """

    rounds: int = 0
    spin_seconds: float = 0.0


def spin(host_seconds: float) -> Shield:
    """For calls that cost the host so much, whatever they cost the device."""
    return Shield(spin_seconds=_SPIN_MARGIN * host_seconds)


def shield_for(host_seconds: float, device_seconds: float) -> Shield:
    """For calls that cost the host and the device so much.

    A chip that spins draws little power, and what follows may run at higher clocks than in a row of steps.
    So it works ahead, unless the spin is brief (that of a captured graph is) or the calls are launch-bound:
    as many rounds as the host needs to enqueue the measured one before the last of them ends, which is a
    single one where it needs half of the device's time.
    """
    behind_spin = spin(host_seconds)
    brief = behind_spin.spin_seconds <= _BRIEF * device_seconds
    if brief or host_seconds >= LAUNCH_BOUND * device_seconds:
        return behind_spin
    return Shield(rounds=max(1, math.ceil(host_seconds / (device_seconds - host_seconds))))


def host_and_device_seconds(queue: Queue, call: Call, setup: Call, times: int) -> tuple[float, float]:
    """What a call costs either side, by the medians of a few; the device behind a spin."""
    host = HostTimer(queue)
    enqueue = statistics.median(host.time((call,), setup, 1)[0] for _ in range(times))
    device = DeviceTimer(queue, spin(enqueue))
    return enqueue, statistics.median(device.time((call,), setup, 1)[0] for _ in range(times))


class DeviceTimer:
    """Events on the device around each call, behind a shield (`phase_shield` for several calls, where given).

    With a single call all repeats stand between one pair of events, because a pair resolves only about
    0.5 us.
    """

    metric = "device_time"

    def __init__(self, queue: Queue, shield: Shield, phase_shield: Shield | None = None) -> None:
        self._queue = queue
        self._step_shield = shield
        self._phase_shield = phase_shield or shield

    def time(self, calls: Sequence[Call], setup: Call, repeats: int) -> tuple[float, ...]:
        queue = self._queue
        if len(calls) == 1:
            call = calls[0]
            self._shield(self._step_shield, calls, setup, repeats)
            start = queue.record()
            call()
            for _ in range(repeats - 1):
                setup()
                call()
            end = queue.record()
            queue.synchronise()
            return (queue.elapsed(start, end) / repeats,)
        totals = [0.0] * len(calls)
        for _ in range(repeats):
            self._shield(self._phase_shield, calls, setup, 1)
            events = [queue.record()]
            for call in calls:
                call()
                events.append(queue.record())
            queue.synchronise()
            for index, (start, end) in enumerate(itertools.pairwise(events)):
                totals[index] += queue.elapsed(start, end)
        return tuple(total / repeats for total in totals)

    def _shield(self, shield: Shield, calls: Sequence[Call], setup: Call, repeats: int) -> None:
        """Prepare the first round that is measured, behind the shield of all of them."""
        setup()
        self._queue.synchronise()
        for _ in range(shield.rounds):
            for call in calls:
                call()
            setup()
        if shield.spin_seconds > 0:
            self._queue.occupy(repeats * shield.spin_seconds)
