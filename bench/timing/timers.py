"""Device, wall and host time of a sequence of calls, on any device that can synchronise and record events.

docs/method.md, "Wall, host and device time": three numbers for every phase, never one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

from bench.contracts.device import Device, Queue
from bench.contracts.steps import Call


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


class DeviceTimer:
    """Events on the device around each call.

    The queue is first kept busy for `shield_seconds` outside the events, longer than the host needs to
    enqueue one round (for several calls `phase_shield_seconds`, where given): the device then never waits
    for Python inside the events. With a single call all repeats stand between one pair of events, because
    a pair resolves only about 0.5 us.
    """

    metric = "device_time"

    def __init__(
        self, queue: Queue, shield_seconds: float, phase_shield_seconds: float | None = None
    ) -> None:
        self._queue = queue
        self._shield_seconds = shield_seconds
        self._phase_shield_seconds = shield_seconds if phase_shield_seconds is None else phase_shield_seconds

    def time(self, calls: Sequence[Call], setup: Call, repeats: int) -> tuple[float, ...]:
        queue = self._queue
        if len(calls) == 1:
            call = calls[0]
            setup()
            self._shield(repeats * self._shield_seconds)
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
            setup()
            self._shield(self._phase_shield_seconds)
            events = [queue.record()]
            for call in calls:
                call()
                events.append(queue.record())
            queue.synchronise()
            for index, (start, end) in enumerate(itertools.pairwise(events)):
                totals[index] += queue.elapsed(start, end)
        return tuple(total / repeats for total in totals)

    def _shield(self, seconds: float) -> None:
        self._queue.synchronise()
        if seconds > 0:
            self._queue.occupy(seconds)
