"""Joules of a step: steps back to back for seconds, their mean power between two ticks of a counter.

docs/method.md, "Energy". A GPU's counter moves about every 100 ms, so a window that began anywhere else would
be wrong by up to that much. The device is at work before the first tick and after the last one, so that the
mean power between them is that of the steps; times the duration of a step it is the step's energy, wherever
inside a step the ticks fell. Idle power is measured just before, with nothing to do.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import structs

from bench.contracts.energy_source import IDLE_SECONDS, SETTLE_SECONDS
from bench.contracts.monitor import Monitor, WindowReadings
from bench.probes.power_samples import Movements, PowerSamples
from bench.schema.case_warnings import ENERGY_MISMATCH, CaseWarning
from bench.schema.record import Measurement
from bench.timing import windows
from bench.timing.sampling import Clock

if TYPE_CHECKING:
    from bench.contracts.device import Device
    from bench.contracts.energy_source import EnergySource
    from bench.contracts.steps import Steps

Sleep = Callable[[float], None]

PHASE = "energy"
"""Of what the monitor saw in the window in which energy was counted."""
NOT_ASKED = "not asked for: the protocol's energy_seconds is 0"
UNSEEN_PERIOD = "it was not seen to move in a second of work, or as often as it was looked at"
STANDS_STILL = "the energy counter stands still"

_POLL_SECONDS = 1e-3
"""How exactly a tick's time is known, or by what the host needs to give the device a round, if that is more:
of a window of 10 s one part in ten thousand, or in a thousand."""
_STILL_SECONDS = 2.0
_ROUND_SECONDS = 5e-3
"""Steps are handed to the device by rounds of about this, so that looking around costs small ones nothing."""
_ROUNDS_AHEAD = 2
"""One is being done and one waits behind it: the device never pauses while the host looks around."""
_FEWEST_ROUNDS = 3


class _UnreadError(Exception):
    """There is no energy to be had; the message is the reason."""


@dataclass(frozen=True)
class _Tick:
    """The counter has just moved: when (s), and to what (J)."""

    at: float
    joules: float

    def watts_since(self, other: _Tick) -> float:
        return (self.joules - other.joules) / (self.at - other.at)


@dataclass(frozen=True)
class _Window:
    """From tick to tick: its length and a step's (s), and the mean power by the counter (W).

    power        readings of the power, and `sampled_watts` their mean, or None
    tick_period  seconds between two ticks of the counter, and `sensor_period` between two of the power; None
                 where they are not known
    """

    seconds: float
    steps: int
    step_seconds: float
    watts: float
    power: list[float]
    sampled_watts: float | None
    tick_period: float | None
    sensor_period: float | None
    facts: WindowReadings


class EnergyMeter:
    """What a step takes from a source of energy.

    What could not be measured has its reason in `absent`, by metric (`energy` speaks for all that belongs to
    it); `labels` are for the record's warnings. `sleep` must pass the time that the device's clock tells.
    """

    def __init__(self, source: EnergySource, monitor: Monitor, sleep: Sleep = time.sleep) -> None:
        self.absent: dict[str, str] = {}
        self.labels: list[CaseWarning] = []
        self._source, self._monitor, self._sleep = source, monitor, sleep

    def measure(self, steps: Steps, device: Device, seconds: float) -> list[Measurement]:
        """Energy of a step (J) with and without idle power, and power (W), over at least `seconds` of work.

        Nothing where `seconds` is 0; what was measured before the source was lost is kept.
        """
        found: list[Measurement] = []

        def add(metric: str, value: float, unit: str) -> None:
            found.append(Measurement(phase=steps.whole_phase, metric=metric, unit=unit, samples=[value]))

        if seconds == 0:
            self.absent["energy"] = NOT_ASKED
            return found
        try:
            idle = self._idle_watts(device)
            add("idle_power", idle, "W")
            window = self._at_work(steps, device, seconds)
        except _UnreadError as error:
            self.absent["energy"] = str(error)
            return found
        add("energy", (window.watts - idle) * window.step_seconds, "J")
        add("energy_total", window.watts * window.step_seconds, "J")
        add("average_power", window.watts, "W")
        if window.sampled_watts is None:
            self.absent["peak_power"] = self._source.why_no_power or "no power was told in the window"
        else:
            add("peak_power", max(window.power), "W")
            add("sampled_power", window.sampled_watts, "W")
            self._compare(window.watts, window.sampled_watts)
        if device.queue() is not None:  # a host at work does not look around often enough
            for metric, period in self._periods(window).items():
                add(metric, period, "s")
        add("energy_window", window.seconds, "s")
        add("energy_steps", window.steps, "count")
        self.labels += windows.merge_labels({PHASE: window.facts})
        return found + [structs.replace(m, phase=PHASE) for m in window.facts.measurements]

    def _compare(self, watts: float, sampled_watts: float) -> None:
        """A label where the counter and the readings of the power are about different joules."""
        apart = abs(watts / sampled_watts - 1) if sampled_watts > 0 else math.inf
        if apart > ENERGY_MISMATCH:
            self.labels.append(
                CaseWarning(
                    "energy-mismatch",
                    f"the energy counter gives {watts:.0f} W, power readings give {sampled_watts:.0f} W",
                )
            )

    def _periods(self, window: _Window) -> dict[str, float]:
        """How often the counter and the sensor of power move, as far as it was seen."""
        periods = {"energy_tick_period": window.tick_period}
        if window.power:
            periods["power_sensor_period"] = window.sensor_period
        self.absent |= {metric: UNSEEN_PERIOD for metric, period in periods.items() if period is None}
        return {metric: period for metric, period in periods.items() if period is not None}

    def _idle_watts(self, device: Device) -> float:
        """The mean power with nothing to do, from tick to tick."""
        _joules(self._source)  # where nothing can be read, nothing is waited for
        device.synchronise()
        self._sleep(SETTLE_SECONDS)

        def wait() -> None:
            self._sleep(_POLL_SECONDS)

        first = _tick(self._source, device.clock, wait)
        self._sleep(IDLE_SECONDS)
        return _tick(self._source, device.clock, wait).watts_since(first)

    def _at_work(self, steps: Steps, device: Device, seconds: float) -> _Window:
        """From tick to tick while the steps run; in between, the counter is left alone."""
        work = _Work(steps, device, self._sleep)
        try:
            ticks, sensor = self._settle(work, device.clock)
            first = _tick(self._source, device.clock, work.go_on)
            self._monitor.before()
            steps_before, began = work.steps, work.at
            power = PowerSamples(self._source, device.clock)
            while device.clock() < first.at + seconds or work.steps < steps_before + work.fewest:
                work.go_on()
                power.read_if_due()
            last = _tick(self._source, device.clock, work.go_on)
            self._monitor.end()
            facts = self._monitor.after(work)
        finally:
            device.synchronise()
        refused = steps.why_invalid()
        if refused is not None:
            raise _UnreadError(refused)
        return _Window(
            seconds=last.at - first.at,
            steps=work.steps - steps_before,
            step_seconds=(work.at - began) / (work.steps - steps_before),
            watts=last.watts_since(first),
            power=power.watts,
            sampled_watts=power.mean(first.at, last.at),
            tick_period=ticks.period,
            sensor_period=sensor.period,
            facts=facts,
        )

    def _settle(self, work: _Work, clock: Clock) -> tuple[Movements, Movements]:
        """A second of work in which nothing is measured: the moves of the counter and of the power in it."""
        ticks, sensor = Movements(), Movements()
        while clock() < work.started + SETTLE_SECONDS:
            work.go_on()
            ticks.look(clock(), self._source.joules())
            sensor.look(clock(), self._source.watts())
        return ticks, sensor


def _tick(source: EnergySource, clock: Clock, wait: Callable[[], None]) -> _Tick:
    """The counter's next move, looked for between calls of `wait`."""
    before, began = _joules(source), clock()
    while True:
        wait()
        now, joules = clock(), _joules(source)
        if joules != before:
            return _Tick(now, joules)
        if now - began > _STILL_SECONDS:
            raise _UnreadError(STANDS_STILL)


def _joules(source: EnergySource) -> float:
    joules = source.joules()
    if joules is None:
        raise _UnreadError(source.why_absent or STANDS_STILL)
    return joules


class _Work:
    """Steps back to back, without end; `steps` were seen finished, the last of them `at` this time (s).

    It is also the `bench.contracts.monitor.Work` that is done while the monitor reads.
    """

    def __init__(self, steps: Steps, device: Device, sleep: Sleep) -> None:
        self._steps, self._device, self._sleep = steps, device, sleep
        self._queue = device.queue()
        self._given: deque[Any] = deque()
        self._round = 1
        start = device.clock()
        self._give()
        device.synchronise()
        self.started = self.at = device.clock()
        self.steps = 0
        self._round = math.ceil(_ROUND_SECONDS / max(self.at - start, 1e-6))
        self.fewest = _FEWEST_ROUNDS * self._round

    def go_on(self) -> None:
        """See to it that the device has work, and pass a moment: a round, where the host does the work."""
        if self._queue is None:
            self._give()
            self._finished()
            return
        while len(self._given) < _ROUNDS_AHEAD:
            self._give()
            self._given.append(self._queue.record())
        if self._queue.done(self._given[0]):
            self._given.popleft()
            self._finished()
        else:
            self._sleep(_POLL_SECONDS)

    def begin(self) -> None:
        """It has begun: up to two rounds are in the queue."""

    def goes_on(self) -> bool:
        return self._queue is not None and bool(self._given) and not self._queue.done(self._given[-1])

    def end(self) -> None:
        """The window's owner waits."""

    def _give(self) -> None:
        for _ in range(self._round):
            self._steps.setup()
            self._steps.step()

    def _finished(self) -> None:
        self.steps += self._round
        self.at = self._device.clock()
