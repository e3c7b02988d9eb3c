"""Steps for the device to do after a window's last sample, while its clocks and power are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.contracts.device import Device
    from bench.contracts.steps import Steps

_SECONDS = 50e-3
"""Of work: NVML takes milliseconds to answer a handful of questions."""
_MOST_STEPS = 200
"""The driver's launch queue takes about a thousand kernels, those of a few steps of a large network or of
hundreds of graph replays; a host that waits for room in it still leaves a full queue to be read beside."""


class StepsAsWork:
    """About 50 ms of steps behind each other, one at least.

    None on a host, which returns when a step is done, nor of a step that waits for the device inside and so
    leaves nothing behind it. How many they are is measured by one step, after the first window of a case.
    """

    def __init__(self, steps: Steps, device: Device) -> None:
        self._steps, self._device = steps, device
        self._queue = None if steps.synchronises else device.queue()
        self._count = 0
        self._last: Any = None

    def begin(self) -> None:
        if self._queue is None or self._last is not None:
            return
        self._count = self._count or self._enough()
        self._give(self._count)
        self._last = self._queue.record()

    def goes_on(self) -> bool:
        return self._queue is not None and self._last is not None and not self._queue.done(self._last)

    def end(self) -> None:
        if self._last is None:
            return
        self._last = None
        self._device.synchronise()
        self._steps.why_invalid()  # what became of these steps is not the next window's fault

    def _enough(self) -> int:
        start = self._device.clock()
        self._give(1)
        self._device.synchronise()
        return min(_MOST_STEPS, math.ceil(_SECONDS / max(self._device.clock() - start, 1e-6)))

    def _give(self, count: int) -> None:
        for _ in range(count):
            self._steps.setup()
            self._steps.step()
