"""Known answers on an asynchronous queue: the same checks on a simulated one and on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.contracts.device import Device, Queue
from bench.contracts.steps import Call
from bench.devices.fake import FakeDevice
from bench.probes import memory
from bench.schema.check import Answer, Checks, between, exactly, repeatedly
from bench.selftest.planted import steps
from bench.stats.estimates import median
from bench.timing.timers import DeviceTimer, HostTimer, Shield, WallTimer

_ROUNDS = 15
_TOLERANCE = 0.05
_OVERSLEPT = 1.25
_ATTEMPTS = 3
"""A busy machine can spoil a median; what is wrong with the harness is wrong in every one."""
_PAUSE_SECONDS = 0.02
_UNIT_SECONDS = 0.01
"""What one unit of work is to take on a simulated queue; on a GPU about as long."""
_ALLOCATION_BYTES = 256 * 2**20
"""A multiple of the 2 MiB in which torch's allocator hands out large blocks: the peak must be exact."""


@dataclass(frozen=True)
class Rig:
    """A queue and what can be planted on it.

    work      enqueue this many units of device work, at hardly any cost for the host
    pause     the host sleeps, in seconds
    allocate  take this many bytes of the device's memory and give them back
    """

    device: Device
    queue: Queue
    work: Callable[[int], None]
    pause: Callable[[float], None]
    allocate: Callable[[int], None]


def simulated(name: str = "simulated") -> Rig:
    """A queue in simulated seconds, which any machine has, under a name."""
    device = FakeDevice()
    device.name = name

    def pause(seconds: float) -> None:
        device.now += seconds

    def allocate(size: int) -> None:
        device.allocate(size)
        device.allocate(-size)

    def work(units: int) -> None:
        device.launch(1e-6, units * _UNIT_SECONDS)

    return Rig(device, device, work, pause, allocate)


def real(device: Device, queue: Queue) -> Rig:
    """A device that is here; work is what its queue can be kept busy with."""
    import torch

    def work(units: int) -> None:
        queue.occupy(units * _UNIT_SECONDS)

    def allocate(size: int) -> None:
        torch.empty(size, dtype=torch.uint8, device=device.torch_name())

    work(1)  # loads the kernel, and finds out how fast it is
    queue.synchronise()
    return Rig(device, queue, work, time.sleep, allocate)


def checks(rig: Rig) -> Checks:
    """All checks of a queue, under the device's name."""
    named = {
        "2N of device work against N": _twice_the_work,
        "host sleep outside the events": _sleep_outside,
        "host sleep inside a step, wall time": _sleep_in_wall_time,
        "host sleep inside a step, shielded": _shielded,
        "host sleep inside a step, not shielded": _not_shielded,
        "host time does not wait": _host_time,
        "a timer that does not synchronize is caught": _forgetful,
        **({"memory of a known size": _allocation} if rig.device.traits.peak_metric else {}),
    }
    return {
        f"{rig.device.name}: {name}": repeatedly(_bound(check, rig), _ATTEMPTS)
        for name, check in named.items()
    }


def _bound(check: Callable[[Rig], Answer], rig: Rig) -> Callable[[], Answer]:
    return lambda: check(rig)


class ForgetfulTimer:
    """A mutant of WallTimer, which the self-test must catch: it reads the clock while the device works."""

    metric = "wall_time"

    def __init__(self, device: Device) -> None:
        self._device = device

    def time(self, calls: Sequence[Call], setup: Call, repeats: int) -> tuple[float, ...]:
        setup()
        start = self._device.clock()
        for _ in range(repeats):
            for call in calls:
                call()
        return ((self._device.clock() - start) / repeats,)


def _nothing() -> None:
    pass


def _device_seconds(rig: Rig, call: Call, before: Call = _nothing, spin_seconds: float = 0.0) -> float:
    timer = DeviceTimer(rig.queue, Shield(spin_seconds=spin_seconds))
    return median([timer.time((call,), before, 1)[0] for _ in range(_ROUNDS)])


def _unit_seconds(rig: Rig) -> float:
    """What one unit of work takes by the device's own clock, which `_twice_the_work` checks."""
    return _device_seconds(rig, lambda: rig.work(1))


def _interrupted(rig: Rig) -> Call:
    """A step in which the host sleeps between two launches: longer than the device works."""

    def call() -> None:
        rig.work(1)
        rig.pause(_PAUSE_SECONDS)
        rig.work(1)

    return call


def _interrupted_seconds(rig: Rig, seconds: float) -> Answer:
    """The sleep outlasts the first launch, so both clocks see the sleep and the second launch."""
    unit = _unit_seconds(rig)
    low, high = _PAUSE_SECONDS + (1 - _TOLERANCE) * unit, _OVERSLEPT * (_PAUSE_SECONDS + unit)
    return between(seconds, low, high, "ms", 1e3)


def _around(seconds: float, expected: float) -> Answer:
    return between(seconds, (1 - _TOLERANCE) * expected, (1 + _TOLERANCE) * expected, "ms", 1e3)


def _twice_the_work(rig: Rig) -> Answer:
    timer = DeviceTimer(rig.queue, Shield())
    ratios = []
    for _ in range(_ROUNDS):
        single, double = timer.time((lambda: rig.work(1), lambda: rig.work(2)), _nothing, 1)
        ratios.append(double / single)
    return between(median(ratios), 2 * (1 - _TOLERANCE), 2 * (1 + _TOLERANCE), "x")


def _sleep_outside(rig: Rig) -> Answer:
    seconds = _device_seconds(rig, lambda: rig.work(1), before=lambda: rig.pause(_PAUSE_SECONDS))
    return _around(seconds, _unit_seconds(rig))


def _sleep_in_wall_time(rig: Rig) -> Answer:
    timer, call = WallTimer(rig.device), _interrupted(rig)
    seconds = median([timer.time((call,), _nothing, 1)[0] for _ in range(_ROUNDS)])
    return _interrupted_seconds(rig, seconds)


def _shielded(rig: Rig) -> Answer:
    """With the queue kept busy for longer than the host sleeps, only the work is between the events."""
    seconds = _device_seconds(rig, _interrupted(rig), spin_seconds=2 * _PAUSE_SECONDS)
    return _around(seconds, 2 * _unit_seconds(rig))


def _not_shielded(rig: Rig) -> Answer:
    """Without the shield the sleep is between the events: that is what the shield takes out."""
    seconds = _device_seconds(rig, _interrupted(rig))
    return _interrupted_seconds(rig, seconds)


def _host_time(rig: Rig) -> Answer:
    timer = HostTimer(rig.queue)
    seconds = median([timer.time((lambda: rig.work(1),), _nothing, 1)[0] for _ in range(_ROUNDS)])
    return between(seconds, 0.0, 0.1 * _unit_seconds(rig), "ms", 1e3)


def _forgetful(rig: Rig) -> Answer:
    """Wall time cannot be less than device time: true of the harness's timer, and not of the mutant."""

    def work() -> None:
        rig.work(1)

    unit = _unit_seconds(rig)
    right = median([WallTimer(rig.device).time((work,), _nothing, 1)[0] for _ in range(_ROUNDS)])
    wrong = []
    for _ in range(_ROUNDS):
        rig.queue.synchronise()
        wrong.append(ForgetfulTimer(rig.device).time((work,), _nothing, 1)[0])
    rig.queue.synchronise()
    least = (1 - _TOLERANCE) * unit
    return Answer(
        right >= least > median(wrong),
        f"timer {1e3 * unit:.4g} ms or more, mutant less",
        f"timer {1e3 * right:.4g} ms, mutant {1e3 * median(wrong):.4g} ms",
    )


def _allocation(rig: Rig) -> Answer:
    planted = steps(lambda: rig.allocate(_ALLOCATION_BYTES))
    measured = memory.memory_pass(planted, rig.device, rig.device.memory_baseline())
    peaks = {m.metric: int(m.samples[0]) for m in measured if m.metric == rig.device.traits.peak_metric}
    return exactly(peaks, _ALLOCATION_BYTES, "bytes")
