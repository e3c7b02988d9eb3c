"""The steps of one rank, timed together with those of the others.

Rank 0 goes through the passes by the harness's rules of warm-up, sampling and stopping, and orders each step;
the others do as they are told, so that all ranks do the same number of steps. Ahead of each sample is a
barrier that is no part of it. A step of the job takes as long as that of its slowest rank.

One pass in rounds, so that all of it sees the same minutes of the machine, however busy these are:

    quiet of a pair  without communication: compute (the mean rank's) and skew (the slowest's less the mean's)
    step of a pair   right after it, whole: the difference of the two is exposed communication
    step             whole, after a whole one, as in training: the step of the job

The parts add up to the step of a pair, and that is another one than the step of the job: so they may fail to
add up to it. A second pass is of whole steps by the device's other clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import structs

from bench.child.ranks.rank_agreement import Agreement
from bench.contracts.device import Device
from bench.contracts.monitor import NO_MONITOR, Monitor, WindowReadings
from bench.contracts.rank_strategy import RankSteps
from bench.contracts.steps import Call
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Stopped
from bench.timing import sampling, windows
from bench.timing.repeats import enough_samples
from bench.timing.timers import DeviceTimer, HostTimer, Shield, Timer, WallTimer, spin

Series = Literal["warm-up", "step", "step of a pair", "quiet of a pair", "wall", "steps"]
"""Of one rank: what its samples are of. `wall` is a step by the host's clock where the device has another;
`steps` are not timed: for what watches them."""

_SERIES: tuple[Series, ...] = ("warm-up", "step", "step of a pair", "quiet of a pair", "wall", "steps")
_ROUND: tuple[Series, ...] = ("quiet of a pair", "step of a pair", "step")
_FEWEST_ROUNDS = 6
"""Fewer have no interval. A job is dear to start, and a difference of medians takes more than a median."""
_FEWEST_WARM_UP = 3
"""Steps: in the first one connections open, in the second DistributedDataParallel sorts its messages anew."""
_END = -1.0
_TRIALS = 3


@dataclass
class RankTimes:
    """What a rank measured: by series, s of each step in their order, which is the same in all ranks.

    `job` are the slowest rank's; `warmup_steps`, `stopped`, `warnings` and `readings` are rank 0's, and empty
    elsewhere.
    """

    own: dict[Series, list[float]] = field(default_factory=dict)
    job: dict[Series, list[float]] = field(default_factory=dict)
    warmup_steps: int = 0
    warm_up_seconds: float = 0.0
    stopped: dict[Series, Stopped] = field(default_factory=dict)
    warnings: list[CaseWarning] = field(default_factory=list)
    readings: dict[str, WindowReadings] = field(default_factory=dict)


class RankClock:
    """Makes and times the steps of this rank as rank 0 orders."""

    def __init__(self, steps: RankSteps, device: Device, agreement: Agreement) -> None:
        self._steps, self._device, self._agreement = steps, device, agreement
        self.times = RankTimes()
        self._spin = 0.0

    def lead(self, schedule: Callable[[], None]) -> None:
        """Rank 0 goes through the schedule; the others follow it until it ends, however it ends."""
        if not self._agreement.leads:
            self._follow()
            return
        try:
            schedule()
        finally:
            self._agreement.order((_END, 0.0))

    def once(self, series: Series) -> float:
        """By order of rank 0: one step in every rank; the slowest rank's seconds."""
        self._agreement.order((float(_SERIES.index(series)), self._spin))
        return self._take(series)

    def calibrate(self) -> None:
        """How long the host needs to give the device a step: so long a device spins ahead of the events, in
        every rank, so that the time between them holds no wait for Python."""
        queue = self._device.queue()
        if queue is None:
            return
        host = [self.once("steps") for _ in range(_TRIALS)]
        self._spin = sorted(host)[_TRIALS // 2]

    def _follow(self) -> None:
        while True:
            word, self._spin = self._agreement.order((0.0, 0.0))
            if word == _END:
                return
            self._take(_SERIES[int(word)])

    def _take(self, series: Series) -> float:
        call = self._call(series)
        (seconds,) = self._timer(series).time((call,), self._agreement.barrier, 1)
        (slowest,) = self._agreement.slowest((seconds,))
        self.times.own.setdefault(series, []).append(seconds)
        self.times.job.setdefault(series, []).append(slowest)
        return slowest

    def _call(self, series: Series) -> Call:
        if series != "quiet of a pair":
            return self._steps.step
        assert self._steps.without_communication is not None
        return self._steps.without_communication

    def _timer(self, series: Series) -> Timer:
        queue = self._device.queue()
        if queue is None or series in ("warm-up", "wall"):
            return WallTimer(self._device)
        if series == "steps":
            return HostTimer(queue)
        return DeviceTimer(queue, spin(self._spin) if self._spin else Shield())


def time_rank(
    steps: RankSteps,
    device: Device,
    agreement: Agreement,
    protocol: MeasurementProtocol,
    monitor: Monitor = NO_MONITOR,
) -> RankTimes:
    """All passes; every rank calls it together. `monitor` watches at rank 0."""
    clock = RankClock(steps, device, agreement)
    clock.lead(lambda: _passes(clock, steps, device, protocol, monitor))
    return clock.times


def _passes(
    clock: RankClock, steps: RankSteps, device: Device, protocol: MeasurementProtocol, monitor: Monitor
) -> None:
    """At rank 0."""
    times = clock.times
    protocol = structs.replace(protocol, warmup_steps=max(protocol.warmup_steps, _FEWEST_WARM_UP))
    warm = sampling.warm_up(lambda: _drop(clock.once("warm-up")), protocol, device.clock)
    times.warmup_steps, times.warm_up_seconds = warm.steps, warm.seconds
    if not protocol.max_samples:
        return
    if warm.stationary is False:
        detail = f"still not steady after {warm.seconds:.0f} s of warm-up; enlarge it"
        times.warnings.append(CaseWarning("not-stationary", detail))
    clock.calibrate()
    fewest = max(enough_samples(protocol, warm.step_seconds), _FEWEST_ROUNDS)
    enough = structs.replace(protocol, min_samples=min(fewest, protocol.min_samples))
    passes: list[tuple[Series, ...]] = [("step",) if steps.without_communication is None else _ROUND]
    if device.queue() is not None:
        passes.append(("wall",))
    for series in passes:
        _pass(clock, series, device, enough, monitor)
    if sampling.halves_differ(times.job["step"], tolerance=2 * protocol.target_ci):
        times.warnings.append(CaseWarning("drifting", "step became faster or slower while it was measured"))


def _pass(
    clock: RankClock,
    series: Sequence[Series],
    device: Device,
    protocol: MeasurementProtocol,
    monitor: Monitor,
) -> None:
    """One window of steps of these series, one after the other. A disturbed window is not
    measured again, only labelled."""
    used, _ = windows.take(
        lambda: sampling.sample(lambda: [clock.once(each) for each in series], protocol, device.clock),
        lambda: None,
        monitor,
        device.clock,
        deadline=device.clock(),
        by_host=device.queue() is None,
    )
    clock.times.stopped |= dict.fromkeys(series, used.samples.stopped)
    clock.times.readings[series[-1]] = used.readings


def _drop(_: float) -> None:
    """A warm-up step's time is nothing to its caller."""
